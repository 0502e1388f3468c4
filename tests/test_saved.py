"""Saved models as folders: their names, what is listed of them, and how much of what lies there is read."""

import errno
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from loopscope import config
from loopscope.detection import saved
from loopscope.detection.base import BaseDetector
from loopscope.detection.registry import make_detector
from loopscope.detection.restored import RestoredDetector
from loopscope.detection.saved import ARRAYS, CARD, damaged, delete_model, list_models, load_model, save_model
from loopscope.errors import ModelError
from loopscope.files import file_sha256

X = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
IDS = tuple(f"loop{number:02d}" for number in range(30))


@pytest.fixture(scope="module")
def detector() -> BaseDetector:
    return make_detector("knn", "robust", seed=3).fit(X, loop_ids=IDS, encoder_id="clap")


def says(place: Path, **changes: Any) -> None:
    card = json.loads((place / CARD).read_text()) | changes
    (place / CARD).write_text(json.dumps(card))


def holds(place: Path, **changes: np.ndarray) -> None:
    """Other arrays, and the card with their checksum."""
    arrays = load_file(place / ARRAYS)
    save_file({name: changes.get(name, array) for name, array in arrays.items()}, place / ARRAYS)
    says(place, arrays_sha256=file_sha256(place / ARRAYS))


def reason_of(place: Path) -> str:
    """Why a model is set aside; it has not moved."""
    with pytest.raises(ModelError) as caught:
        load_model(place, set_aside=False)
    assert place.is_dir()
    found = re.fullmatch(rf"The model {place.name} does not read \((.*)\); train it again\.", str(caught.value))
    assert found is not None, caught.value
    return found[1]


def test_a_folder_is_named_after_its_model_in_letters_that_every_system_has(
    detector: BaseDetector, tmp_path: Path
) -> None:
    names = {
        "Deep  House / 120 BPM!": "deep-house-120-bpm",
        "Größe_1-a": "gr-e_1-a",
        "...": "model",
        "": "model",
        "-X-Ray-": "x-ray",
        "x" * 70: "x" * 60,
        "Damaged!": "damaged (2)",
    }
    for number, (name, folder) in enumerate(names.items()):
        place = save_model(detector, name, {}, tmp_path / f"Home {number}")
        assert place == tmp_path / f"Home {number}" / folder
        assert {file.name for file in place.iterdir()} == {ARRAYS, CARD}
    assert save_model(detector, "mine", {}, tmp_path).name == "mine"
    assert save_model(detector, "mine", {}, tmp_path).name == "mine (2)"
    assert save_model(detector, "mine", {}).parent == config.paths().models


def test_the_newest_is_listed_first_with_what_its_card_says(detector: BaseDetector, tmp_path: Path) -> None:
    home = tmp_path / "models"
    assert list_models(home).empty
    for name, day in (("b", 2), ("a", 2), ("c", 3)):
        says(save_model(detector, name, {}, home), saved=f"2026-01-0{day}T10:00:00+00:00")
    report = json.loads((home / "c" / CARD).read_text())["report"]
    says(home / "a", report=report | {"complete": False})
    says(home / "b", report={name: value for name, value in report.items() if name != "complete"})
    shutil.copytree(home / "a", home / "damaged")
    (home / ".hidden").mkdir()
    (home / "a file").touch()
    table = list_models(home)
    columns = "path name saved detector preset seed encoder_id n_loops threshold_95 collapsed complete"
    assert list(table.columns) == columns.split() == list(list_models(tmp_path / "none").columns)
    assert list(table["name"]) == ["c", "a", "b"] and table["path"][0] == str(home / "c")
    card = json.loads((home / "c" / CARD).read_text())
    assert all(card[name] == table[name][0] for name in columns.split()[1:-1]) and list(table["complete"]) == [
        True,
        False,
        True,
    ]
    assert (home / ".hidden").is_dir() and list_models().empty
    save_model(detector, "mine", {})
    assert list(list_models()["name"]) == ["mine"]


def test_what_does_not_read_is_listed_with_its_reason_and_no_other_is_moved(
    detector: BaseDetector, tmp_path: Path
) -> None:
    home = tmp_path / os.fsdecode(b"mod\xe8ls")
    save_model(detector, "sound", {}, home)
    for _ in range(2):
        says(save_model(detector, "odd", {}, home), preset=5)
        (home / "odd" / "reason.txt").symlink_to(home / "sound" / CARD)
        assert list(list_models(home)["name"]) == ["sound"]
    table = damaged(home)
    assert list(table.columns) == ["path", "reason"]
    assert list(table["path"]) == [str(tmp_path / "mod\\xe8ls" / "damaged" / name) for name in ("odd", "odd (2)")]
    assert list(table["reason"]) == [
        f"The model odd does not read (the card has 5 as preset) and was set aside in {path}; train it again."
        for path in table["path"]
    ]
    assert damaged().empty
    (home / "damaged" / "odd" / "reason.txt").write_bytes(b"\xffx" + b"y" * (2**16 - 2))
    (home / "damaged" / "odd (2)" / "reason.txt").write_bytes(b"y" * (2**16 + 1))
    assert list(damaged(home)["reason"]) == ["\ufffdx" + "y" * (2**16 - 2), "unknown"]
    says(save_model(detector, "mine", {}), preset=5)
    assert list_models().empty and len(damaged()) == 1


def test_what_cannot_be_moved_is_said(detector: BaseDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    place = save_model(detector, "odd", {})
    says(place, preset=5)

    def refuse(_path: Path, _target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ModelError) as caught:
        load_model(place)
    assert str(caught.value) == (
        "The model odd does not read (the card has 5 as preset) and could not be set aside (Permission denied); "
        "train it again."
    )


def test_no_more_is_read_than_a_model_has(detector: BaseDetector) -> None:
    place = save_model(detector, "mine", {})
    card = (place / CARD).read_text()
    (place / CARD).write_text(card + " " * (2**24 - len(card)))
    assert load_model(place).loop_ids_ == IDS
    (place / CARD).write_text(card + " " * (2**24 + 1 - len(card)))
    assert "larger than" in reason_of(place)
    (place / CARD).write_text(card)
    whole = (place / ARRAYS).read_bytes()
    for n_header, is_too_long in ((2**20, False), (2**20 + 1, True)):
        (place / ARRAYS).write_bytes(n_header.to_bytes(8, "little") + whole[8:])
        said = f"the arrays are {len(whole):,} bytes long, {n_header:,} of them names"
        assert (reason_of(place) == said) == is_too_long
    (place / ARRAYS).write_bytes(whole)
    for n_bytes, is_too_long in ((2**32, False), (2**32 + 1, True)):
        os.truncate(place / ARRAYS, n_bytes)
        assert reason_of(place).startswith(f"the arrays are {n_bytes:,} bytes long") == is_too_long


def test_each_reason_says_what_is_wrong(detector: BaseDetector) -> None:
    place = save_model(detector, "mine", {})
    says(place, arrays_sha256="0" * 64)
    assert reason_of(place) == "the arrays are not the ones that were saved (checksum)"
    holds(place, scores=np.zeros(29))
    assert reason_of(place).startswith("scores has the shape (29,)")
    holds(place, scores=np.full(30, np.nan))
    assert reason_of(place) == "scores holds values that are no numbers or too large"
    (place / ARRAYS).unlink()
    assert reason_of(place) == "No such file or directory"
    assert saved._in_words(KeyError("name")) == "'name' is missing"
    assert saved._in_words(ValueError("first line:.\nsecond")) == "first line"
    assert saved._in_words(OSError("no number")) == "no number"
    with pytest.raises(ModelError, match=r"^There is no saved model at .*/gone; choose one of the list\.$"):
        load_model(place.with_name("gone"))


def test_a_card_of_the_first_format_is_looked_at_again_in_the_present_one(detector: BaseDetector) -> None:
    place = save_model(detector, "mine", {})
    report = json.loads((place / CARD).read_text())["report"]
    older = {"format": 1, "warnings": [], "measures": report["measures"], "report": None}
    says(place, **older, training={"seconds": 1.0, "history": []})
    assert load_model(place).loop_ids_ == IDS
    says(place, **older, training={"seconds": -1.0, "history": []})
    assert re.fullmatch(r"the card has .* as report", reason_of(place))
    says(place, **older, training={"seconds": 1.0, "history": []}, collapsed=True)
    assert load_model(place).report_.collapsed


def test_a_model_is_built_where_it_is_to_be_checked(detector: BaseDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    place, built = save_model(detector, "mine", {}), []
    whole = RestoredDetector.whole
    monkeypatch.setattr(RestoredDetector, "whole", lambda restored: built.append(1) or whole(restored))
    assert isinstance(load_model(place, check=False), RestoredDetector) and not built
    assert not isinstance(load_model(place), RestoredDetector) and built


def test_saving_and_setting_aside_are_a_line_of_the_log_each(
    detector: BaseDetector, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "loopscope"):
        says(save_model(detector, "mine", {}), preset=5)
        assert list_models().empty
    assert caplog.messages == [
        "save: a model of 30 loops, knn, robust",
        "A saved model does not read and was set aside.",
    ]


def test_a_model_may_score_a_little_differently_here(detector: BaseDetector) -> None:
    place = save_model(detector, "mine", {})
    probe = load_file(place / ARRAYS)["probe_scores"]
    tolerated = 1e-4 * (1 + np.abs(probe))
    for share, is_taken in ((0.95, True), (1.05, False)):
        holds(place, probe_scores=probe + share * tolerated)
        if is_taken:
            assert load_model(place).loop_ids_ == IDS
            continue
        with pytest.raises(ModelError, match=r"scores differently here than when saved \(by \d\.\de-0\d\); train"):
            load_model(place)
        assert place.is_dir() and load_model(place, check=False).loop_ids_ == IDS, "which is not asked then"
    assert np.allclose(load_model(place, check=False).scores_, detector.scores_)


def test_options_are_those_of_the_detector(detector: BaseDetector) -> None:
    fitted = make_detector("pca", "robust", seed=1, n_components=2).fit(X, loop_ids=IDS)
    assert load_model(save_model(fitted, "two", {})).options == fitted.options
    assert saved._options({"options": {"layer_sizes": [3, 2], "n": 1}}) == {"layer_sizes": (3, 2), "n": 1}


@pytest.mark.parametrize("error", [OSError("full"), SafetensorError("full")])
def test_a_failure_to_save_is_one_sentence(
    error: Exception, detector: BaseDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(saved, "save_file", fail)
    with pytest.raises(ModelError) as caught:
        save_model(detector, "mine", {}, tmp_path / "models")
    assert str(caught.value) == f"The model 'mine' was not saved in {tmp_path / 'models'} (full); free some space."
    assert not list((tmp_path / "models").iterdir())


def test_only_a_model_is_deleted_and_a_failure_is_one_sentence(
    detector: BaseDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match=r"is not a saved model, so it was not deleted; choose one of the list\.$"):
        delete_model(tmp_path)
    place = save_model(detector, "mine", {}, tmp_path)

    def fail(folder: Path) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(saved, "remove_folder", fail)
        with pytest.raises(ModelError, match=r"was not deleted \(Permission denied\); delete that folder\.$"):
            delete_model(str(place))
    delete_model(str(place))
    assert not list(tmp_path.iterdir())
