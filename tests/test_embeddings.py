"""Embedding a library: every file is embedded or has a reason, nothing is done twice, nothing finished is lost."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.encoders.aisfx import load
from loopscope.errors import Cancelled, DataError, EncoderError
from loopscope.library import Library, scan_folder
from loopscope.progress import Progress
from loopscope.store import Store
from tests.golden.clips import plucked

RATE = 8000


class Spectrum:
    """A small encoder with the plain protocol only: band energies of the spectrum. Counts the waveforms it sees."""

    encoder_id, sample_rate, n_features, description, notice = "spectrum-1", RATE, 6, "band energies", ""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        self.seen += [len(waveform) for waveform in waveforms]
        spectra = [np.abs(np.fft.rfft(waveform, 4096)) for waveform in waveforms]
        bands = [[float(band.mean()) for band in np.array_split(spectrum, self.n_features)] for spectrum in spectra]
        return np.array(bands, np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="PCM_16")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(40):
        write(tmp_path / "loops" / f"{number:02d}.wav", plucked(0.3 + 0.02 * number, RATE, seed=number))
    return tmp_path / "loops"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "test.sqlite3")


def rows_by_name(library: Library, embeddings: EmbeddingSet) -> dict[str, np.ndarray]:
    return {
        str(name): embeddings.X[embeddings.row_of(str(loop_id))]
        for name, loop_id in zip(library.loops["name"], library.loops["loop_id"], strict=True)
    }


def test_every_loop_has_the_embedding_of_its_own_sound(folder: Path) -> None:
    library = scan_folder(folder)
    embeddings = embed_library(library, Spectrum())
    assert embeddings.loop_ids == tuple(library.unique["loop_id"])
    for path in library.loops["path"]:
        samples, _ = soundfile.read(path, dtype="float32")
        loop_id = library.loops.set_index("path").loc[path, "loop_id"]
        np.testing.assert_allclose(embeddings.X[embeddings.row_of(str(loop_id))], Spectrum().embed([samples])[0])


def test_what_is_stored_is_not_read_again(folder: Path, store: Store) -> None:
    library = scan_folder(folder)
    first = embed_library(library, Spectrum(), store)
    again = Spectrum()
    reports: list[Progress] = []
    second = embed_library(library, again, store, on_progress=reports.append)
    assert again.seen == []
    assert [(report.done, report.total) for report in reports] == [(40, 40)]
    np.testing.assert_array_equal(first.X, second.X)


def test_a_new_file_costs_one_embedding_and_another_encoder_all_of_them(folder: Path, store: Store) -> None:
    embed_library(scan_folder(folder), Spectrum(), store)
    write(folder / "new.wav", plucked(1.0, RATE, seed=99))
    library = scan_folder(folder)
    encoder = Spectrum()
    embed_library(library, encoder, store)
    assert encoder.seen == [RATE]
    encoder.encoder_id = "spectrum-2"
    embed_library(library, encoder, store)
    assert len(encoder.seen) == 1 + 41


def test_stopping_keeps_what_was_finished_and_the_next_run_goes_on(folder: Path, store: Store) -> None:
    class Unhurried(Spectrum):
        batch_size = 4

        def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
            time.sleep(0.05)
            return super().embed(waveforms)

    library = scan_folder(folder)
    reports: list[Progress] = []
    with pytest.raises(Cancelled):
        embed_library(library, Unhurried(), store, reports.append, should_stop=lambda: reports[-1].done >= 8)
    kept = len(store.get_embeddings(library.unique["loop_id"], "spectrum-1"))
    assert 8 <= kept < 40
    rest = Spectrum()
    resumed = embed_library(library, rest, store)
    assert len(rest.seen) == 40 - kept
    np.testing.assert_array_equal(resumed.X, embed_library(library, Spectrum()).X)


def test_copies_share_one_embedding_and_stand_in_for_each_other(folder: Path) -> None:
    (folder / "zz copy.wav").write_bytes((folder / "00.wav").read_bytes())
    library = scan_folder(folder)
    (folder / "00.wav").unlink()
    encoder = Spectrum()
    embeddings = embed_library(library, encoder)
    rows = rows_by_name(library, embeddings)
    assert len(encoder.seen) == 40
    assert embeddings.rejected.empty
    np.testing.assert_array_equal(rows["00.wav"], rows["zz copy.wav"])


def test_files_that_fail_become_reasons_and_stop_nobody(folder: Path) -> None:
    library = scan_folder(folder)
    (folder / "03.wav").unlink()
    write(folder / "05.wav", plucked(2.0, RATE))
    (folder / "07.wav").write_bytes((folder / "07.wav").read_bytes()[:-500])
    embeddings = embed_library(library, Spectrum())
    reasons = {Path(path).name: reason for path, reason in embeddings.rejected.itertuples(index=False)}
    assert sorted(reasons) == ["03.wav", "05.wav", "07.wav"]
    assert "no longer" in reasons["03.wav"]
    assert "changed" in reasons["05.wav"]
    assert len(embeddings.loop_ids) == 37


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are always UTF-8 there")
def test_file_names_that_are_not_utf8_are_embedded_or_listed(folder: Path) -> None:
    for number, name in enumerate((b"caf\xe9.wav", b"gone\xff.wav")):
        write(folder / "new.wav", plucked(0.4, RATE, seed=70 + number))
        (folder / "new.wav").rename(os.fsdecode(bytes(folder) + b"/" + name))
    library = scan_folder(folder)
    Path(os.fsdecode(bytes(folder) + b"/gone\xff.wav")).unlink()
    embeddings = embed_library(library, Spectrum())
    assert len(embeddings.loop_ids) == 41
    assert [os.fsencode(path).rpartition(b"/")[2] for path in embeddings.rejected["path"]] == [b"gone\xff.wav"]


def test_an_embedding_that_is_not_finite_is_a_reason_and_never_stored(folder: Path, store: Store) -> None:
    class Broken(Spectrum):
        def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
            X = super().embed(waveforms)
            X[[len(waveform) == round(0.3 * RATE) for waveform in waveforms]] = np.nan
            return X

    library = scan_folder(folder)
    embeddings = embed_library(library, Broken(), store)
    assert [Path(path).name for path in embeddings.rejected["path"]] == ["00.wav"]
    assert len(store.get_embeddings(library.unique["loop_id"], "spectrum-1")) == 39


def test_progress_counts_every_loop_once(folder: Path) -> None:
    (folder / "broken.wav").write_bytes((folder / "00.wav").read_bytes()[:2000])
    library = scan_folder(folder)
    (folder / "01.wav").unlink()
    reports: list[Progress] = []
    embed_library(library, Spectrum(), on_progress=reports.append)
    done = [report.done for report in reports]
    assert done == sorted(done)
    assert (done[0], done[-1], reports[-1].total) == (0, 40, 40)


def test_the_order_of_files_does_not_change_embeddings(aisfx_weights: object, tmp_path: Path) -> None:
    durations_s = (0.2, 2.5, 1.0, 6.1, 3.3)
    for name, order in (("a", durations_s), ("b", durations_s[::-1])):
        for number, duration_s in enumerate(order):
            write(tmp_path / name / f"{number}.wav", plucked(duration_s, 22_050, seed=round(100 * duration_s)), 22_050)
    encoder = load()
    first, second = (embed_library(scan_folder(tmp_path / name), encoder) for name in ("a", "b"))
    other = second.select(first.loop_ids)
    cosines = (first.X * other.X).sum(1) / np.linalg.norm(first.X, axis=1) / np.linalg.norm(other.X, axis=1)
    assert cosines.min() > 0.99999


def test_an_empty_library_gives_an_empty_set(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    embeddings = embed_library(scan_folder(tmp_path / "empty"), Spectrum())
    assert embeddings.X.shape == (0, 6)
    assert list(embeddings.rejected.columns) == ["path", "reason"]


def test_an_unknown_engine_is_refused(folder: Path) -> None:
    with pytest.raises(EncoderError, match="threads"):
        embed_library(scan_folder(folder), Spectrum(), engine="steam")


def test_an_embedding_set_is_consistent_or_refused() -> None:
    X = np.arange(6, dtype=np.float32).reshape(3, 2)
    whole = EmbeddingSet(("a", "b", "c"), X, "e")
    np.testing.assert_array_equal(whole.select(["c", "a"]).X, X[[2, 0]])
    for loop_ids, values in ((("a", "b"), X), (("a", "b", "a"), X), (("a", "b", "c"), X * np.nan)):
        with pytest.raises(DataError):
            EmbeddingSet(loop_ids, values, "e")
    with pytest.raises(DataError):
        whole.row_of("d")
