"""Saved models: the same scores in a fresh process, complete or absent, never trusted when damaged."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from loopscope import config
from loopscope.detection import registry, saved_format
from loopscope.detection.base import BaseDetector
from loopscope.detection.fitted import FitReport, Fitted
from loopscope.detection.registry import DETECTORS, LOCAL, detector_info, detector_names, make_detector
from loopscope.detection.saved import damaged, delete_model, list_models, load_model, save_model
from loopscope.errors import DataError, ModelError

ROOT = Path(__file__).resolve().parents[1]
FAST = {"robust": {"min_steps": 10, "min_passes": 1}, "paper": {"max_epochs": 5}}
ALL = [
    (info.name, preset) for info in DETECTORS for preset in info.presets if preset != LOCAL
]  # see test_local_detector
X = np.random.default_rng(0).normal(size=(40, 24)).astype(np.float32)
NEW = np.random.default_rng(1).normal(size=(10, 24)).astype(np.float32)
IDS = tuple(f"loop{i:02d}" for i in range(40))
FRESH = """
import sys, numpy as np
from loopscope.detection.saved import load_model
detector = load_model(sys.argv[1])
np.savez(sys.argv[2], scores=detector.anomaly_scores(np.load(sys.argv[3])), own=detector.scores_)
"""


def fitted(name: str = "knn", preset: str = "robust"):
    options = FAST[preset] if detector_info(name).is_deep else {}
    return make_detector(name, preset, seed=3, **options).fit(X, loop_ids=IDS, encoder_id="clap")


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_a_loaded_model_is_the_saved_one(name, preset):
    detector = fitted(name, preset)
    loaded = load_model(save_model(detector, "My pack", {"folder": "pack", "loops": 40}))
    np.testing.assert_allclose(loaded.anomaly_scores(NEW), detector.anomaly_scores(NEW), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(loaded.latents(NEW), detector.latents(NEW), rtol=1e-5, atol=1e-6)
    for field in fields(Fitted):
        np.testing.assert_equal(getattr(loaded.fitted, field.name), getattr(detector.fitted, field.name))
    np.testing.assert_array_equal(loaded.split_, detector.split_)
    np.testing.assert_array_equal(loaded.reference_scores_, detector.reference_scores_)
    assert list(loaded.components_) == list(detector.components_)
    assert (loaded.name, loaded.preset, loaded.seed) == (name, preset, 3)
    assert (loaded.loop_ids_, loaded.encoder_id, loaded.options) == (IDS, "clap", detector.options)
    assert loaded.report_ == detector.report_


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preset"), [("AEwRES", "robust"), ("AE", "paper"), ("isolation-forest", "robust")])
def test_a_fresh_process_gives_the_same_scores(name, preset, tmp_path):
    detector = fitted(name, preset)
    path = save_model(detector, "fresh", {})
    np.save(tmp_path / "new.npy", NEW)
    command = [sys.executable, "-c", FRESH, str(path), str(tmp_path / "out.npz"), str(tmp_path / "new.npy")]
    subprocess.run(command, check=True, cwd=ROOT, timeout=120)
    with np.load(tmp_path / "out.npz") as out:
        np.testing.assert_allclose(out["scores"], detector.anomaly_scores(NEW), rtol=1e-6)
        np.testing.assert_array_equal(out["own"], detector.scores_)


def test_the_card_says_what_the_model_is():
    detector = fitted("AEwRES")
    path = save_model(detector, "Bass", {"folder": "bass", "loops": 40})
    card = json.loads((path / "card.json").read_text())
    assert card["data"] == {"folder": "bass", "loops": 40}
    assert card["thresholds"]["95"] == np.percentile(detector.reference_scores_, 95)
    assert card["report"]["measures"] == dict(detector.report_.measures)
    assert card["report"]["warnings"] == list(detector.report_.warnings)
    assert card["collapsed"] is False
    assert card["loop_ids"] == list(IDS)
    assert [check["outcome"] for check in card["quality_checks"]] == ["passed"] * len(card["quality_checks"])
    assert card["report"]["complete"] is True


def test_a_model_whose_training_was_stopped_stays_incomplete():
    seen: list[object] = []
    stopped = make_detector("AEwRES", **FAST["robust"])
    stopped.fit(X, loop_ids=IDS, on_epoch=seen.append, should_stop=lambda: bool(seen))
    path = save_model(stopped, "stopped", {})
    assert load_model(path).report_ == stopped.report_
    assert not load_model(path).report_.complete
    save_model(fitted(), "whole", {})
    assert list_models().set_index("name")["complete"].to_dict() == {"stopped": False, "whole": True}


def test_a_card_that_knows_of_no_stop_is_complete():
    path = save_model(fitted(), "older", {})
    report = json.loads((path / "card.json").read_text())["report"]
    edit_card(path, report={name: value for name, value in report.items() if name != "complete"})
    assert load_model(path).report_.complete
    assert list_models()["complete"].tolist() == [True]


def test_models_never_score_embeddings_of_another_encoder():
    loaded = load_model(save_model(fitted(), "pack", {}))
    with pytest.raises(ModelError, match="embeddings of clap, these are of aisfx"):
        loaded.anomaly_scores(NEW, encoder_id="aisfx")


def test_of_models_saved_within_one_second_the_last_is_listed_first():
    """Whatever their folders are called: a name alone stands for the newest one."""
    saved = [str(save_model(fitted(), "pack", {})) for _ in range(4)]
    assert list_models()["path"].tolist() == saved[::-1]


def test_listing_and_deleting():
    assert list_models().empty
    first, second = save_model(fitted(), "Pack: one/two", {}), save_model(fitted(), "Pack: one/two", {})
    assert first != second
    assert {first.parent, second.parent} == {config.paths().models}
    table = list_models()
    assert sorted(table["path"]) == sorted([str(first), str(second)])
    assert table["n_loops"].tolist() == [40, 40]
    delete_model(first)
    assert list_models()["path"].tolist() == [str(second)]
    with pytest.raises(ModelError, match="no saved model"):
        load_model(first)
    with pytest.raises(ModelError, match="is not a saved model"):
        delete_model(config.paths().models)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "arrays.safetensors").write_bytes(b"\x00" * 100),
        lambda path: (path / "arrays.safetensors").unlink(),
        lambda path: (path / "card.json").write_text("{"),
        lambda path: (path / "card.json").write_text("[]"),
        lambda path: (path / "card.json").unlink(),
        lambda path: (path / "card.json").write_bytes(b"\xff\xfe\x00"),
        lambda path: edit_card(path, format=0),
        lambda path: edit_card(path, detector="svm"),
        lambda path: edit_card(path, options={"depth": 3}),
        lambda path: edit_card(path, report=None),
    ],
)
def test_damaged_models_are_set_aside_with_the_reason(damage):
    path, sound = save_model(fitted(), "broken", {}), save_model(fitted(), "sound", {})
    damage(path)
    with pytest.raises(ModelError, match="was set aside in"):
        load_model(path)
    assert list_models()["path"].tolist() == [str(sound)]
    (aside,) = damaged().itertuples()
    assert Path(aside.path).is_dir()
    assert "does not read" in aside.reason


def test_a_model_of_a_newer_version_is_refused_in_one_sentence_and_stays_where_it_is():
    path = save_model(fitted(), "newer", {})
    edit_card(path, format=99, report="in other words")
    for check in (True, False):
        with pytest.raises(
            ModelError, match=r"^The model newer was saved by a newer loopscope \(format 99, .*; update"
        ):
            load_model(path, check=check)
    assert list_models().empty and damaged().empty and path.is_dir()


def test_listing_sets_aside_what_has_no_readable_card():
    path = save_model(fitted(), "broken", {})
    (path / "card.json").write_text("not json")
    assert list_models().empty
    assert len(damaged()) == 1


def edit_card(path: Path, **changes) -> None:
    card = json.loads((path / "card.json").read_text())
    (path / "card.json").write_text(json.dumps({**card, **changes}))


def test_a_model_that_scores_differently_here_is_refused():
    path = save_model(fitted("pca"), "drifted", {})
    edit_card(path, seed=3, options={"n_components": 2})
    with pytest.raises(ModelError, match="scores differently here"):
        load_model(path)


def test_a_full_disk_leaves_no_half_written_model(monkeypatch):
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("loopscope.detection.saved.flush", full)
    with pytest.raises(ModelError, match="No space left on device"):
        save_model(fitted(), "too big", {})
    assert list_models().empty
    assert not list(config.paths().models.iterdir())


def test_only_fitted_detectors_are_saved():
    with pytest.raises(ModelError, match="has not been fitted"):
        save_model(make_detector("AE"), "empty", {})


class Length(BaseDetector):
    """A toy: the length of an embedding against the mean length."""

    def _fit(self, X, groups, on_epoch, should_stop):
        self._mean = np.linalg.norm(X, axis=1).mean()
        scores = self._scores(X)
        return Fitted(scores, np.arange(len(X)) % 5 == 0, X, FitReport(), {"length": scores})

    def _scores(self, X):
        return np.linalg.norm(X, axis=1) / self._mean

    def _latents(self, X):
        return X

    def state(self):
        return {"mean": np.array(self._mean)}

    def _restore(self, state):
        self._mean = state["mean"].item()


def test_a_new_detector_is_one_class_and_one_line_of_the_registry(monkeypatch):
    info = registry.DetectorInfo("length", "Length", "length over mean", False, {"robust": Length})
    monkeypatch.setattr(registry, "DETECTORS", (*DETECTORS, info))
    assert detector_names()[-1] == "length"
    with pytest.raises(ModelError, match="length has not been fitted"):
        _ = make_detector("length").scores_
    detector = make_detector("length").fit(X, loop_ids=IDS, encoder_id="clap")
    loaded = load_model(save_model(detector, "Toy", {}))
    np.testing.assert_allclose(loaded.anomaly_scores(NEW), np.linalg.norm(NEW, axis=1) / detector._mean, rtol=1e-6)
    np.testing.assert_array_equal(loaded.split_, detector.split_)
    with pytest.raises(DataError, match="no preset named 'paper'; choose one of robust"):
        make_detector("length", "paper")


def test_files_without_repeats_of_the_first_format_open():
    detector = fitted("knn")
    arrays, card = saved_format.arrays_of(detector), saved_format.card_of(detector, "old", {}, "")
    report = card.pop("report")
    card["training"] = {"seconds": report["seconds"], "epochs": 0, "history": []}
    old = {**card, "format": 1, **{name: report[name] for name in ("warnings", "measures")}, "guards": []}
    del arrays["repeat_scores"]
    found = saved_format.fitted_from(*saved_format.up_to_date(old, arrays))
    assert found.repeat_scores.shape == (0, 40)
    assert found.report == detector.report_
