"""Preset local: a moment that no other loop has is found, said where it is, judged by what did not learn from it."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from loopscope.analysis.explanation import parts_of
from loopscope.analysis.pipeline import analyse_folder
from loopscope.analysis.scoring import ScoredLoops
from loopscope.detection import linear_members, saved_format
from loopscope.detection.inside import numbers_of, summits, worst_patches
from loopscope.detection.local_detector import N_FIRST, LocalDetector
from loopscope.detection.networks import Layer
from loopscope.detection.own_moments import (
    APART,
    HIGHEST,
    LEAST_KNOWN,
    SHORTEST,
    from_own,
    fused,
    highest_stretch,
    metric_of,
)
from loopscope.detection.parts import PATCH_PARTS, ScorePart
from loopscope.detection.patch_bank import N_NEAREST, PatchBank
from loopscope.detection.quality import quality_checks
from loopscope.detection.registry import make_detector
from loopscope.detection.saved import load_model, save_model
from loopscope.embeddings.patch_set import PatchSet
from loopscope.encoders.aisfx import load
from loopscope.errors import Cancelled, DataError, ModelError
from loopscope.store import Store
from tests.golden.clips import plucked

N, ODD, AT = 60, 7, 13  # loops; the one with an odd moment, and where
FAST = {"steps": 40, "steps_shown": 10, "batch_size": 64, "layer_sizes": (16, 8)}


def heard(n: int = N, seed: int = 0, odd: bool = True) -> PatchSet:
    """Loops that go through the same few sounds; one of them has a moment of its own."""
    rng, sounds = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(5, 12))
    of_loop = {}
    for row in range(n):
        values = sounds[rng.integers(5, size=rng.integers(20, 40))]
        of_loop[f"{seed}-{row}"] = (values + 0.2 * rng.normal(size=values.shape)).astype(np.float16)
    if odd:
        of_loop[f"{seed}-{ODD}"][AT] += np.float16(4) * np.random.default_rng(5).normal(size=12).astype(np.float16)
    return PatchSet.gathered(of_loop, list(of_loop), "maker-1", 0.1)


def embeddings(n: int = N, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + 50).normal(size=(n, 6)).astype(np.float32)


@functools.cache
def fitted() -> LocalDetector:
    detector = make_detector("AEwRES", "local", 0, **FAST)
    detector.fit(embeddings(), heard().loop_ids, "clap", patches=heard())
    assert isinstance(detector, LocalDetector)
    return detector


def test_a_moment_that_no_other_loop_has_is_found_where_it_is() -> None:
    detector, own = fitted(), heard()
    for part in (*PATCH_PARTS, ScorePart.OWN_MOMENTS):
        assert detector.components_[part].argmax() == ODD
    assert detector.scores_.argmax() == ODD
    curve = detector.curve(own)
    start, stop = own.starts[ODD : ODD + 2]
    assert curve[start:stop].argmax() == AT
    assert curve[start:stop].max() > 2
    assert np.median(curve) == pytest.approx(1, rel=0.05)
    away = own.of(own.loop_ids[ODD])[AT].astype(np.float32)
    nearest = np.linalg.norm(worst_patches(own, curve) - away, axis=1).argmin()
    assert nearest == ODD
    np.testing.assert_allclose(detector.curve(own.select([own.loop_ids[ODD]])), curve[start:stop], rtol=1e-4)


def test_loops_that_are_mostly_silent_have_scores_and_a_typical_moment_that_sounds() -> None:
    """Hits padded to one length: most moments of all loops are the same but for rounding."""
    rng = np.random.default_rng(4)
    silence = rng.normal(size=12)
    of_loop = {}
    for row in range(N):
        values = np.repeat(silence[None], 40, axis=0)
        values[:8] = rng.normal(size=(8, 12)) * 3
        of_loop[str(row)] = values.astype(np.float16)
    of_loop[str(ODD)][3] += np.float16(30)
    own = PatchSet.gathered(of_loop, list(of_loop), "maker-1", 0.1)
    detector = make_detector("AEwRES", "local", 0, **FAST).fit(embeddings(), patches=own)
    assert np.isfinite(detector.scores_).all() and np.isfinite(detector.reference_scores_).all()
    assert isinstance(detector, LocalDetector)
    curve = detector.curve(own).reshape(N, 40)
    assert np.median(curve[:, :8]) == pytest.approx(1, abs=0.1)
    assert curve[:, 8:].max() < 0.1 and 5 < curve.max() < 50
    assert detector.components_[PATCH_PARTS[0]].argmax() == ODD


def test_the_order_of_loops_changes_nothing_and_the_seed_is_all_there_is_of_chance() -> None:
    order, own = np.random.default_rng(1).permutation(N), heard()
    shuffled = own.select([own.loop_ids[row] for row in order])
    again = make_detector("AEwRES", "local", 0, **FAST).fit(embeddings()[order], patches=shuffled)
    np.testing.assert_allclose(again.scores_, fitted().scores_[order], rtol=1e-6)
    np.testing.assert_allclose(again.latents_, fitted().latents_[order], rtol=1e-4, atol=1e-5)


def test_new_loops_are_scored_alike_alone_and_together() -> None:
    new, X = heard(12, seed=3), embeddings(12, seed=3)
    together = fitted().anomaly_scores(X, "clap", new)
    assert together.argmax() == ODD
    alone = [fitted().anomaly_scores(X[i : i + 1], "clap", new.select([new.loop_ids[i]]))[0] for i in range(12)]
    np.testing.assert_allclose(alone, together, rtol=1e-4)
    assert fitted().latents(X, patches=new).shape == (12, fitted().latents_.shape[1])
    assert list(fitted().component_scores(X, patches=new)) == list(fitted().components_)


def test_a_copy_does_not_vouch_for_its_twin() -> None:
    """Two loops that sound the same, odd moment included, are as odd as one."""
    own = heard()
    copies = {loop_id: own.of(loop_id) for loop_id in own.loop_ids} | {"copy": own.of(own.loop_ids[ODD])}
    with_copy = PatchSet.gathered(copies, list(copies), own.patch_id, own.patch_seconds)
    X = np.vstack([embeddings(), embeddings()[ODD]])
    detector = make_detector("AE", "local", 0, **FAST).fit(X, patches=with_copy)
    assert set(np.argsort(-detector.components_[PATCH_PARTS[0]])[:2]) == {ODD, N}
    assert detector.scores_[ODD] == pytest.approx(detector.scores_[N])


def test_neighbours_are_counted_by_loops() -> None:
    """One loop full of a sound is one neighbour, however many patches it has."""
    sounds = np.zeros((8, 40, 2), np.float32)
    sounds[:, :, 0] = np.arange(8)[:, None]
    starts = 40 * np.arange(9)
    bank = PatchBank.of(sounds.reshape(-1, 2), starts, np.arange(8), np.random.default_rng(0))
    distances = bank.distances(np.zeros((2, 2), np.float32), np.array([0, -1]))
    assert distances[0] == pytest.approx(np.mean(np.arange(1, N_NEAREST + 1)), abs=1e-3)
    assert distances[1] == pytest.approx(np.mean(np.arange(N_NEAREST)), abs=1e-3)


def test_sounds_are_told_apart_by_what_is_heard_and_summits_by_loop() -> None:
    own = heard(4, odd=False)
    twice = PatchSet.gathered({"a": own.of("0-0"), "b": own.of("0-1"), "c": own.of("0-0")}, ["a", "b", "c"], "p", 0.1)
    numbers = numbers_of(twice)
    assert numbers[0] == numbers[2] != numbers[1]
    highest, mean_of_high = summits(np.array([1.0, 3, 2, 0, 0, 0, 0, 0, 0, 0, 5]), np.array([0, 10, 11]))
    assert highest.tolist() == [3, 5]
    assert mean_of_high.tolist() == [2, 5]


def test_what_a_loop_plays_once_is_odd_in_it_though_other_loops_play_it() -> None:
    """Each loop goes through the sounds of its pack; one plays another pack's for a second, then its own again."""
    rng, packs = np.random.default_rng(0), np.random.default_rng(98).normal(size=(2, 4, 12))
    of_loop = {}
    for row in range(N):
        values = packs[row % 2][np.arange(40) % 4] + 0.2 * rng.normal(size=(40, 12))
        if row == ODD:
            values[16:26] = packs[1 - row % 2][np.arange(10) % 4] + 0.2 * rng.normal(size=(10, 12))
        of_loop[str(row)] = values.astype(np.float16)
    own = PatchSet.gathered(of_loop, list(of_loop), "maker-1", 0.1)
    detector = make_detector("AEwRES", "local", 0, **FAST).fit(embeddings(), patches=own)
    assert detector.components_[ScorePart.OWN_MOMENTS].argmax() == ODD
    others = np.delete(detector.components_[PATCH_PARTS[0]], ODD)
    assert detector.components_[PATCH_PARTS[0]][ODD] < others.max(), "no moment of it is far from all other loops"
    assert detector.scores_.argmax() == ODD


def test_moments_are_compared_with_those_of_their_loop_that_share_no_sound() -> None:
    steps = np.arange(40, dtype=np.float16)[:, None]
    values = np.concatenate([steps, np.float16([[3]]), np.full((9, 1), 5, np.float16)])
    found = from_own(values, np.array([0, 40, 41, 50]))
    assert found[20] == pytest.approx(np.mean([APART, APART, APART + 1]), abs=1e-3)
    assert np.isnan(found[40:]).all(), "in short loops those that are left share sound, or are hardly any"
    still = from_own(np.full((2 * SHORTEST - 1, 1), 5, np.float16), np.array([0, SHORTEST, 2 * SHORTEST - 1]))
    assert still[:SHORTEST] == pytest.approx(5 * 4e-3) and np.isnan(still[SHORTEST:]).all()
    curve = np.array([*np.zeros(10), *np.full(9, 2.0), *np.zeros(10), 3.0, 1.0])
    assert highest_stretch(curve, np.array([0, 29, 31])) == pytest.approx([2, 2])


def test_what_changes_with_every_note_says_less_than_what_else_never_changes_within_a_loop() -> None:
    """Notes move one value of a patch by far; for a second another value moves by little, as it otherwise does only
    from loop to loop."""
    rng = np.random.default_rng(0)
    loops = 0.05 * rng.normal(size=(50, 60, 6)) + 2 * rng.normal(size=(50, 1, 6))
    loops[:, :, 0] += 3 * rng.normal(size=(50, 60))
    loops[:, 30:40, 1] += 0.5 * (np.arange(50) == 7)[:, None]
    metric, starts = metric_of(loops.astype(np.float32)[:, ::2]), np.arange(51) * 60
    patches = loops.reshape(-1, 6).astype(np.float16)
    found = highest_stretch(from_own(patches, starts, metric), starts)
    assert found.argmax() == 7 and found[7] > 1.5 * np.delete(found, 7).max()
    assert highest_stretch(from_own(patches, starts), starts).argmax() != 7, "as they are, notes hide it"


def test_loops_that_are_too_short_for_it_are_judged_without_their_own_moments() -> None:
    """Neither steadier nor stranger than others by that alone; where hardly any is long enough, none is."""
    for n_long in (N // 2, LEAST_KNOWN - 1):
        of_loop = {
            str(row): heard(odd=False).of(f"0-{row}")[: 20 if row < n_long else 1 + row % 16] for row in range(N)
        }
        own = PatchSet.gathered(of_loop, list(of_loop), "maker-1", 0.1)
        detector = make_detector("AEwRES", "local", 0, **FAST).fit(embeddings(), patches=own)
        parts = dict(detector.components_)
        said = parts.pop(ScorePart.OWN_MOMENTS, None)
        assert (said is None) == (n_long < LEAST_KNOWN)
        without = fused(parts)
        assert np.isfinite(detector.scores_).all()
        np.testing.assert_allclose(detector.scores_[n_long:], without[n_long:])
        assert said is None or (np.isfinite(said[:n_long]).all() and np.isnan(said[n_long:]).all())
        loaded = load_model(save_model(detector, "short", {}))
        np.testing.assert_array_equal(loaded.scores_, detector.scores_)
        table = pd.DataFrame({"loop_id": own.loop_ids, "score": detector.scores_, "split": "train"})
        scored = ScoredLoops(loaded, table, loaded.latents_, loaded.components_)
        told = ["Oddest stretch" in {part.title for part in parts_of(scored, row)} for row in (0, N - 1)]
        assert told == [said is not None, False]


def test_one_part_alone_does_not_outweigh_all_else() -> None:
    """Where all loops but one are one sound throughout, that one is odd, and by no more than a part can say."""
    rng = np.random.default_rng(3)
    of_loop = {str(row): np.float16(rng.normal(size=12) + 0.1 * rng.normal(size=(30, 12))) for row in range(N)}
    of_loop[str(ODD)] = rng.normal(size=(30, 12)).astype(np.float16)
    own = PatchSet.gathered(of_loop, list(of_loop), "maker-1", 0.1)
    detector = make_detector("AEwRES", "local", 0, **FAST).fit(embeddings(), patches=own)
    part = detector.components_[ScorePart.OWN_MOMENTS]
    assert part[ODD] == HIGHEST == part.max()
    assert detector.state()["calibration"][N_FIRST:, 1].min() >= 0.25, "loops that hardly differ are not blown up"


def test_the_probe_of_a_saved_model_hears_own_moments_where_the_model_does() -> None:
    detector, older = fitted(), LocalDetector(True, "AEwRES", "local", 0, **FAST)
    state = detector.state()
    before = saved_format.probe_scores(detector)
    moved = state["calibration"] + 0.5 * (np.arange(len(state["calibration"])) >= N_FIRST)[:, None] * [1, 0]
    older.restore(detector.fitted, {**state, "calibration": moved})
    assert np.abs(saved_format.probe_scores(older) - before)[0] > 1e-3
    older.restore(detector.fitted, {**state, "own_metric": np.diag(np.logspace(0, 1, 12)).astype(np.float32)})
    assert np.abs(saved_format.probe_scores(older) - before)[0] > 1e-3
    older.restore(detector.fitted, {**state, "calibration": moved[:N_FIRST]})
    assert np.diff(older.made_up_patches(4).starts).tolist() == [1] * 4, "as files on disks were probed"


def test_a_model_of_before_there_were_own_moments_opens_and_scores_without_them() -> None:
    new, X, state = heard(12, seed=3), embeddings(12, seed=3), fitted().state()
    older = LocalDetector(True, "AEwRES", "local", 0, **FAST)
    of_then = {name: part for name, part in fitted().components_.items() if name != ScorePart.OWN_MOMENTS}
    before = replace(fitted().fitted, components=of_then)
    older.restore(before, {**state, "calibration": state["calibration"][:-3]})
    found, now = older.judge(X, patches=new), fitted().judge(X, patches=new)
    assert list(found.components) == list(of_then)
    for name, part in found.components.items():
        np.testing.assert_array_equal(part, now.components[name])
    np.testing.assert_allclose(found.scores, fused(found.components))


def test_a_model_that_compares_moments_as_they_are_still_does() -> None:
    state = fitted().state()
    del state["own_metric"]
    older = LocalDetector(True, "AEwRES", "local", 0, **FAST)
    older.restore(fitted().fitted, state)
    assert "own_metric" not in older.state()
    own = heard(12, seed=3)
    found = older.component_scores(embeddings(12, seed=3), patches=own)[ScorePart.OWN_MOMENTS]
    now = fitted().component_scores(embeddings(12, seed=3), patches=own)[ScorePart.OWN_MOMENTS]
    assert np.abs(found - now).max() > 0.1
    older.restore(fitted().fitted, {**state, "own_metric": np.eye(12, dtype=np.float32)})
    same = older.component_scores(embeddings(12, seed=3), patches=own)[ScorePart.OWN_MOMENTS]
    np.testing.assert_allclose(found, same, rtol=1e-5)


def test_the_quality_checks_say_how_losses_went_and_what_the_networks_added() -> None:
    report = fitted().report_
    assert {phase.phase for phase in report.history} == {"pretrain", "finetune"}
    for phase in ("pretrain", "finetune"):
        assert report.measures[f"{phase}_loss_held_out"] < report.measures[f"{phase}_loss_start"]
    titles = {check.title: check for check in quality_checks(report.measures)}
    assert "→" in titles["Held-out loss, start → end (training)"].value
    assert "ρ" in titles["Networks beside their linear start"].value
    untrained = make_detector("AE", "local", 0, **FAST | {"steps": 10, "learning_rate": 1e-9, "finetuning_rate": 1e-9})
    said = " ".join(untrained.fit(embeddings(), patches=heard()).report_.warnings)
    assert "add nothing to PCA" in said


def test_what_is_saved_scores_the_same_and_nothing_else_is_let_in() -> None:
    new, X, detector = heard(12, seed=3), embeddings(12, seed=3), fitted()
    path = save_model(detector, "inside", {})
    for check in (True, False):
        loaded = load_model(path, check=check)
        np.testing.assert_allclose(
            loaded.anomaly_scores(X, "clap", new), detector.anomaly_scores(X, "clap", new), rtol=1e-5
        )
        np.testing.assert_array_equal(loaded.scores_, detector.scores_)
        np.testing.assert_allclose(
            loaded.latents(X, patches=new), detector.latents(X, patches=new), rtol=1e-4, atol=1e-5
        )
    for wrong in (
        {"bank": np.zeros((400, 32, 12), np.float32)},
        {"bank": np.zeros((60, 32, 10**4), np.float32)},
        {"locations": np.zeros((50, 2))},
        {"calibration": np.zeros((8, 2))},
        {"own_metric": np.eye(11, dtype=np.float32)},
        {"reference": np.zeros((3, 5))},
        {"members.encoder.0.weight": np.zeros((5, 12, 10**4), np.float32)},
    ):
        again = LocalDetector(True, "AEwRES", "local", 0, **FAST)
        with pytest.raises((ValueError, RuntimeError, DataError)):
            again.restore(detector.fitted, {**detector.state(), **wrong})
    with pytest.raises(ValueError, match="which patches"):
        LocalDetector(True, "AEwRES", "local", 0, **FAST).restore(
            replace(detector.fitted, patch_id=""), detector.state()
        )


def test_the_networks_see_a_few_thousand_moments_at_once_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder of 50,000 loops took a gigabyte more than it needs: all that were learnt from, and one of each loop."""
    seen = [0]
    forward = Layer.forward

    def watched(layer: Layer, x: torch.Tensor) -> torch.Tensor:
        seen.append(x.shape[1])
        return forward(layer, x)

    monkeypatch.setattr(Layer, "forward", watched)
    n = 1 + linear_members.ROWS // 32
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n * 64, 8)).astype(np.float16)
    many = PatchSet(tuple(map(str, range(n))), values, np.arange(n + 1) * 64, "made up", 0.093)
    detector = make_detector("AEwRES", "local", steps=2, steps_shown=1, layer_sizes=(16, 8), k=8)
    detector.fit(embeddings(n), many.loop_ids, "made up", patches=many)
    assert max(seen) == linear_members.ROWS
    n = 1 + linear_members.ROWS
    short = PatchSet(tuple(map(str, range(n))), values[:n], np.arange(n + 1), "made up", 0.093)
    assert len(detector.judge(embeddings(n), "made up", patches=short).latents) == n
    assert max(seen) == linear_members.ROWS


def test_what_cannot_be_heard_is_said_in_one_sentence() -> None:
    with pytest.raises(DataError, match="give the patches"):
        make_detector("AEwRES", "local").fit(embeddings())
    with pytest.raises(DataError, match="give the patches"):
        make_detector("AEwRES", "local").fit(embeddings(), patches=heard(12))
    with pytest.raises(ModelError, match="give the patches"):
        fitted().anomaly_scores(embeddings())
    with pytest.raises(ModelError, match="other patches than maker-2"):
        fitted().anomaly_scores(embeddings(), patches=replace(heard(), patch_id="maker-2"))
    with pytest.raises(DataError, match="no preset named 'local'"):
        make_detector("knn", "local")


def test_stop_is_heard() -> None:
    with pytest.raises(Cancelled):
        make_detector("AEwRES", "local", **FAST).fit(embeddings(), patches=heard(), should_stop=lambda: True)
    seen: list[object] = []
    stopped = make_detector("AEwRES", "local", **FAST)
    stopped.fit(embeddings(), patches=heard(), on_epoch=seen.append, should_stop=lambda: len(seen) >= 2)
    assert "stopped" in stopped.unfinished
    assert not stopped.finish().report_.complete
    assert len(stopped.scores_) == N
    assert "stopped" in stopped.report_.warnings[0]


@pytest.mark.usefixtures("aisfx_weights")
def test_a_folder_is_heard_inside_and_its_model_hears_the_next(tmp_path: Path) -> None:
    """Without a screen, from files to scores; with a saved model, which needs patches of the new loops too."""
    encoder = load()  # once: its precision is found by a trial
    for number in range(10):
        soundfile.write(tmp_path / f"{number}.wav", plucked(1.0 + 0.1 * number, 22_050, seed=number), 22_050)
    with Store(tmp_path / "store.sqlite3") as store:
        first = analyse_folder(tmp_path, encoder, preset="local", store=store)
        assert len(first.table) == 10
        assert set(PATCH_PARTS) <= set(first.detector.components_)
        model = load_model(save_model(first.detector, "inside", {}))
        soundfile.write(tmp_path / "new.wav", plucked(1.3, 22_050, seed=77), 22_050)
        second = analyse_folder(tmp_path, encoder, store=store, model=model)
    assert second.scored.is_new.sum() == 1
    assert np.isfinite(second.table["score"]).all()
