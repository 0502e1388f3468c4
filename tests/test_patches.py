"""Patches: what is heard inside a loop belongs to its place and to its sound, to nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from loopscope.checkpoints import AISFX, load_weights
from loopscope.embeddings import embed_library
from loopscope.embeddings.patch_set import PatchSet
from loopscope.encoders.aisfx import BLOCK_FRAMES, HOP_LENGTH, SAMPLE_RATE, AisfxEncoder, make
from loopscope.encoders.base import PatchEncoder, PatchMaker
from loopscope.encoders.companion import WithCompanion
from loopscope.encoders.patches import Axes, Layout
from loopscope.errors import DataError, EncoderError
from loopscope.library import scan_folder
from loopscope.store import Store
from loopscope.threads import one_thread
from tests.golden.clips import plucked

PER_PATCH = 4 * HOP_LENGTH
HEARS = 3  # patches around a sound that may hear it: 6 frames on either side, and half a window


@pytest.fixture(scope="module")
def encoder(fetched_aisfx: Path, tmp_path_factory: pytest.TempPathFactory) -> AisfxEncoder:
    with pytest.MonkeyPatch.context() as patch, one_thread():
        patch.setenv("LOOPSCOPE_HOME", str(tmp_path_factory.mktemp("home")))
        AISFX.stored.parent.mkdir(parents=True)
        AISFX.stored.symlink_to(fetched_aisfx)
        return make(load_weights(AISFX), precision="float32")


def patches_of(encoder: AisfxEncoder, *waveforms: np.ndarray) -> list[np.ndarray]:
    return encoder.hear([encoder.prepare([waveform], len(waveform)) for waveform in waveforms])[1]


def test_one_pass_gives_the_embeddings_and_a_patch_for_every_93_ms(encoder: AisfxEncoder) -> None:
    clips = [plucked(duration_s, SAMPLE_RATE, seed) for seed, duration_s in enumerate((0.02, 1.0, 2.4, 5.2, 21.0))]
    features = [encoder.prepare([clip], len(clip)) for clip in clips]
    X, patches = encoder.hear(features)
    np.testing.assert_array_equal(X, encoder.forward(features))
    assert [len(of) for of in patches] == [max(1, (1 + len(clip) // HOP_LENGTH) // 4) for clip in clips]
    assert encoder.patch_seconds == pytest.approx(0.0929, abs=1e-4)
    assert {of.shape[1] for of in patches} == {encoder.n_patch_values} == {48}
    assert {of.dtype for of in patches} == {np.dtype(np.float16)}
    assert encoder.hear([])[1] == []


def test_neither_company_nor_order_nor_what_is_heard_beside_changes_a_patch(encoder: AisfxEncoder) -> None:
    clips = [plucked(duration_s, SAMPLE_RATE, seed) for seed, duration_s in enumerate((0.1, 1.0, 2.9, 5.2))]
    together = patches_of(encoder, *clips)
    backwards = patches_of(encoder, *clips[::-1])[::-1]
    for clip, *others in zip(clips, together, backwards, strict=True):
        alone, seconds = encoder.patches(clip)
        assert seconds == encoder.patch_seconds
        for other in others:
            np.testing.assert_allclose(alone.astype(float), other.astype(float), atol=0.02 * np.abs(alone).max())


def test_a_click_moves_the_patches_at_its_time_and_no_others(encoder: AisfxEncoder) -> None:
    clip = plucked(9.3, SAMPLE_RATE)
    n_patches = len(encoder.patches(clip)[0])
    for at_s in (
        0.05,
        1.1,
        2.3,
        3.4,
        4.63,
        6.96,
        8.6,
        9.2,
    ):  # among them where the blocks of the embedding begin and end
        clicked = clip.copy()
        clicked[int(at_s * SAMPLE_RATE) :][:6] += np.float32(0.5 * np.abs(clip).max())
        clicked = np.clip(clicked, -np.abs(clip).max(), np.abs(clip).max())  # as loud as before
        moved = np.abs(np.subtract(*patches_of(encoder, clip, clicked), dtype=float)).max(axis=1)
        here = min(int(at_s / encoder.patch_seconds), n_patches - 1)
        far = np.abs(np.arange(n_patches) - here) > HEARS
        assert moved[far].max() < 0.05 * moved.max()
        assert abs(int(moved.argmax()) - here) <= 1


def test_a_sound_has_the_same_patches_wherever_it_lies(encoder: AisfxEncoder) -> None:
    """Moved by whole patches, so that it falls into other blocks at other places."""
    sound = plucked(1.5, SAMPLE_RATE)
    for n_later in (7, 12, 31, 50):
        later = np.concatenate([np.zeros(n_later * PER_PATCH, np.float32), sound])
        first, second = patches_of(encoder, np.concatenate([np.zeros(3 * PER_PATCH, np.float32), sound]), later)
        a, b = first[6:].astype(float), second[n_later + 3 :].astype(float)
        late = BLOCK_FRAMES  # a patch taken half a patch late still is that sound's
        assert len(a) == len(b) < late
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_every_patch_is_taken_where_it_hears_no_edge() -> None:
    """Whatever the length: from a block that holds it, away from that block's ends, but for the clip's own."""
    for n_frames in range(100, 700, 7):
        n_patches = n_frames // 4
        starts = [*range(0, n_frames - 99, 50), n_patches * 4 - 100]
        layout = Layout.of(n_patches, starts, 100, 4, 2)
        begins = np.array(starts)[layout.view] + 4 * layout.place
        assert np.abs(begins - 4 * np.arange(n_patches)).max() <= 2
        inside = (layout.place >= 2) & (layout.place < 23)
        at_the_ends = (np.arange(n_patches) < 2) | (np.arange(n_patches) >= n_patches - 2)
        assert (inside | at_the_ends).all()


def test_axes_keep_what_varies_and_survive_the_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    raw = (rng.normal(size=(3000, 3)) @ rng.normal(size=(3, 20)) + 0.01 * rng.normal(size=(3000, 20))).astype(
        np.float32
    )
    axes = Axes.learnt_from(raw, 5)

    projected = axes.project(torch.from_numpy(raw)).numpy()
    spread = projected.std(axis=0)
    assert (spread[:3] > 5 * spread[3:].max()).all()
    axes.write(tmp_path / "axes.npz")
    again = Axes.read(tmp_path / "axes.npz").project(torch.from_numpy(raw)).numpy()
    np.testing.assert_allclose(again, projected, atol=0.02 * np.abs(projected).max())


def write(folder: Path, n_loops: int) -> Path:
    folder.mkdir()
    for number in range(n_loops):
        soundfile.write(folder / f"{number}.wav", plucked(0.5 + 0.3 * number, SAMPLE_RATE, seed=number), SAMPLE_RATE)
    return folder


def test_patches_are_kept_beside_the_embedding_and_read_again_only_where_they_lack(
    encoder: AisfxEncoder, tmp_path: Path
) -> None:
    library = scan_folder(write(tmp_path / "loops", 7))
    with Store(tmp_path / "store.sqlite3") as store:
        assert embed_library(library, encoder, store).patches is None
        ids = list(library.unique["loop_id"])
        stored = store.get_patches(ids, encoder.patch_id)
        assert set(stored) == set(ids)
        with closing(sqlite3.connect(store.path)) as raw, raw:
            raw.execute("UPDATE patches SET patches = zeroblob(96) WHERE loop_id = ?", (ids[0],))
            raw.execute("DELETE FROM patches WHERE loop_id = ?", (ids[1],))
            raw.execute("UPDATE patches SET n_values = 24 WHERE loop_id = ?", (ids[2],))
            raw.execute("UPDATE patches SET n_values = -1 WHERE loop_id = ?", (ids[3],))
            raw.execute("UPDATE patches SET patches = 'text' WHERE loop_id = ?", (ids[4],))
        assert set(store.get_patches(ids, encoder.patch_id)) == set(ids[5:])
        reports = []
        heard = embed_library(library, encoder, store, reports.append, with_patches=True).patches
        assert reports[0].done == 2
        assert heard is not None
        assert heard.loop_ids == tuple(ids)
        for loop_id in ids:
            np.testing.assert_array_equal(heard.of(loop_id), stored[loop_id])
            assert stored[loop_id].nbytes == 96 * len(stored[loop_id])
        store.clear_embeddings("another encoder")
        assert len(store.get_patches(ids, encoder.patch_id)) == 7
        store.clear_embeddings(encoder.encoder_id)
        assert store.get_patches(ids, encoder.patch_id) == {}


def test_patches_that_are_no_numbers_or_of_other_loops_are_refused(tmp_path: Path) -> None:
    X, one = np.zeros((1, 4), np.float32), np.zeros((3, 2), np.float16)
    with Store(tmp_path / "store.sqlite3") as store:
        for bad in ([], [one, one], [one[:0]], [one[0]], [np.full((3, 2), np.nan, np.float16)]):
            with pytest.raises(DataError, match="patches"):
                store.put_embeddings(["a"], "e", X, "p", bad)
        assert store.get_embeddings(["a"], "e") == {}


def test_a_set_of_patches_gives_each_loop_its_own() -> None:
    of_loop = {name: np.full((n, 2), n, np.float16) for n, name in enumerate("abc", start=1)}
    heard = PatchSet.gathered(of_loop, ["c", "a", "b"], "p", 0.1)
    assert heard.starts.tolist() == [0, 3, 4, 6]
    for name, patches in of_loop.items():
        np.testing.assert_array_equal(heard.of(name), patches)
    assert heard.select(["b"]).values.tolist() == of_loop["b"].tolist()
    with pytest.raises(DataError, match="embed it again"):
        heard.of("d")
    with pytest.raises(DataError, match="no patches"):
        PatchSet.gathered(of_loop, ["d"], "p", 0.1)
    with pytest.raises(DataError, match="do not fit"):
        PatchSet(("a", "b"), of_loop["c"], np.array([0, 3, 3]), "p", 0.1)


class Plain:
    """An encoder of one value, which works in stages and makes no patches."""

    encoder_id, sample_rate, n_features, description, notice, batch_size = "plain-1", 8000, 1, "a length", "", 4

    def prepare(self, pieces, n_samples):
        return np.concatenate(list(pieces))

    def forward(self, features):
        return np.array([[len(samples)] for samples in features], np.float32)

    def embed(self, waveforms):
        return self.forward(waveforms)


def test_an_encoder_without_patches_borrows_those_of_a_companion(encoder: AisfxEncoder, tmp_path: Path) -> None:
    library = scan_folder(write(tmp_path / "loops", 3))
    with pytest.raises(EncoderError, match="makes no patches"):
        embed_library(library, Plain(), with_patches=True)
    both = WithCompanion(Plain(), encoder)
    assert isinstance(both, PatchEncoder)
    assert isinstance(encoder, PatchMaker)
    found = embed_library(library, both, with_patches=True)
    expected = embed_library(library, encoder, with_patches=True)
    np.testing.assert_array_equal(found.X, embed_library(library, Plain()).X)
    assert found.patches is not None
    assert expected.patches is not None
    assert found.patches.patch_id == expected.patches.patch_id
    for loop_id in found.loop_ids:
        theirs = expected.patches.of(loop_id).astype(float)
        np.testing.assert_allclose(found.patches.of(loop_id).astype(float), theirs, atol=0.02 * np.abs(theirs).max())


def test_raw_patches_are_of_another_maker(encoder: AisfxEncoder, aisfx_weights: object) -> None:
    raw = make(load_weights(AISFX), "float32", with_axes=False)
    assert raw.encoder_id == encoder.encoder_id
    assert raw.patch_id != encoder.patch_id
    assert raw.patches(plucked(1.0, SAMPLE_RATE))[0].shape[1] == raw.n_patch_values == 512
