"""Saved models lie where others may write. Whatever is in a folder, it loads or is set aside with one sentence.

Each case runs with little memory, so that what would ask for gigabytes fails here too.
"""

import copy
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import streamlit as st_app
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from loopscope import config
from loopscope.analysis.scoring import score_library
from loopscope.detection.quality import quality_checks
from loopscope.detection.registry import make_detector
from loopscope.detection.saved import (
    ARRAYS,
    CARD,
    DAMAGED,
    REASON,
    damaged,
    delete_model,
    list_models,
    load_model,
    save_model,
)
from loopscope.detection.thresholds import threshold_at
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import LoopscopeError, ModelError
from loopscope.files import file_sha256

SMALL = {"layer_sizes": (12, 6)}
KINDS: dict[str, dict[str, Any]] = {
    "knn robust": {},
    "AEwRES robust": {**SMALL, "min_steps": 5, "min_passes": 1, "n_folds": 2},
    "AE paper": {**SMALL, "max_epochs": 2},
}
N, F = 24, 10
X = np.random.default_rng(0).normal(size=(N, F)).astype(np.float32)
IDS = tuple(f"loop{i:02d}" for i in range(N))
NEW = EmbeddingSet((*IDS[:5], "new 1", "new 2"), np.concatenate([X[:5], X[:2] + 1]), "encoder-a")
pytestmark = pytest.mark.usefixtures("little_memory")


class Saved(NamedTuple):
    """A model as it was saved."""

    card: dict[str, Any]
    arrays: dict[str, np.ndarray]


Change = Callable[[Path, dict[str, Any], dict[str, np.ndarray]], object]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Saved]:
    home = tmp_path_factory.mktemp("models")
    found = {}
    for kind, options in KINDS.items():
        name, preset = kind.split()
        detector = make_detector(name, preset, seed=3, **options).fit(X, loop_ids=IDS, encoder_id="encoder-a")
        place = save_model(detector, kind, {"loops": N}, home)
        found[kind] = Saved(json.loads((place / CARD).read_text()), load_file(place / ARRAYS))
    return found


def written(saved: Saved, *, name: str = "tampered", signed: bool = True) -> Path:
    """The model in a folder of its own; `signed`: the card has the checksum of the arrays, whatever they are."""
    path = config.paths().models / name
    path.mkdir(parents=True)
    save_file({name: np.ascontiguousarray(array) for name, array in saved.arrays.items()}, path / ARRAYS)
    card = saved.card | ({"arrays_sha256": file_sha256(path / ARRAYS)} if signed else {})
    (path / CARD).write_text(json.dumps(card))
    return path


def tampered(saved: Saved, change: Change, name: str = "tampered") -> Path:
    card, arrays = copy.deepcopy(saved.card), dict(saved.arrays)
    path = written(saved, name=name)
    change(path, card, arrays)
    if (path / CARD).is_file() and card != saved.card:
        (path / CARD).write_text(json.dumps(card))
    if any(arrays.get(name) is not array for name, array in saved.arrays.items()) or len(arrays) > len(saved.arrays):
        shutil.rmtree(path)
        path = written(Saved(card, arrays), name=name)
    return path


def says(*path: str | int, value: object) -> Change:
    """A field of the card, however deep, has another value."""

    def change(_: Path, card: Any, __: object) -> None:
        for step in path[:-1]:
            card = card[step]
        card[path[-1]] = value

    return change


def lacks(*path: str | int) -> Change:
    def change(_: Path, card: Any, __: object) -> None:
        for step in path[:-1]:
            card = card[step]
        del card[path[-1]]

    return change


def holds(name: str, make: Callable[[np.ndarray], np.ndarray]) -> Change:
    """An array is another, and the checksum is its own."""

    def change(_: Path, __: object, arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = make(arrays[name]) if name in arrays else make(np.zeros(1))

    return change


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def make(array: np.ndarray) -> np.ndarray:
        other = array.copy()
        other.flat[len(other) // 2] = value
        return other

    return make


def drops(name: str) -> Change:
    return lambda _, __, arrays: arrays.pop(name)


def replaces(file: str, make: Callable[[Path], object]) -> Change:
    """Something else lies in the place of a file."""

    def change(path: Path, _: object, __: object) -> None:
        (path / file).unlink()
        make(path / file)

    return change


def sparse(size: int, start: bytes = b"") -> Callable[[Path], object]:
    def make(file: Path) -> None:
        file.write_bytes(start)
        with file.open("r+b") as out:
            out.truncate(size)

    return make


WEIGHT = "state.repeat0.encoder.0.weight"
ANY: dict[str, Change] = {  # of whatever detector
    "a pipe for a card": replaces(CARD, os.mkfifo),
    "a pipe for arrays": replaces(ARRAYS, os.mkfifo),
    "a folder for a card": replaces(CARD, Path.mkdir),
    "a folder for arrays": replaces(ARRAYS, Path.mkdir),
    "a device for a card": replaces(CARD, lambda file: file.symlink_to("/dev/zero")),
    "a device for arrays": replaces(ARRAYS, lambda file: file.symlink_to("/dev/zero")),
    "a card that links to itself": replaces(CARD, lambda file: file.symlink_to(file)),
    "a card of a terabyte": replaces(CARD, sparse(2**40)),
    "arrays of a terabyte": replaces(ARRAYS, sparse(2**40)),
    "arrays of a terabyte of names": replaces(ARRAYS, sparse(2**40, (2**40 - 8).to_bytes(8, "little"))),
    "99 MB of names": replaces(ARRAYS, sparse(10**8, (99 * 10**6).to_bytes(8, "little"))),
    "no arrays": replaces(ARRAYS, lambda file: None),
    "a deep card": replaces(CARD, lambda file: file.write_text('{"a":' * 90_000 + "1" + "}" * 90_000)),
    "a card with a number of 9,999 digits": replaces(
        CARD, lambda file: file.write_text(f'{{"format": {"9" * 9_999}}}')
    ),
    "a format that is a list": says("format", value=[2]),
    "a format that is true": says("format", value=True),
    "minus one loop": says("n_loops", value=-1),
    "no loop": says("n_loops", value=0),
    "a billion loops": says("n_loops", value=10**9),
    "one loop more": says("n_loops", value=N + 1),
    "a word for a number of loops": says("n_loops", value="24"),
    "half a loop": says("n_loops", value=N + 0.5),
    "loops to the power of 300": says("n_loops", value=1e300),
    "a billion features": says("n_features", value=10**9),
    "minus one feature": says("n_features", value=-1),
    "one feature less": says("n_features", value=F - 1),
    "features that are true": says("n_features", value=True),
    "a list of features": says("n_features", value=[F]),
    "a negative seed": says("seed", value=-1),
    "a seed of 60 digits": says("seed", value=10**60),
    "a seed that is no integer": says("seed", value=3.5),
    "no name": says("name", value=None),
    "a name that is a list": says("name", value=["a"]),
    "a name with half a surrogate": says("name", value="\ud800"),
    "a name of a megabyte": says("name", value="a" * 10**6),
    "a time that is a number": says("saved", value=5),
    "a time that is none": says("saved", value="yesterday"),
    "a threshold that is no number": says("threshold_95", value=math.nan),
    "an endless threshold": says("threshold_95", value=math.inf),
    "a threshold that is a word": says("threshold_95", value="high"),
    "a detector that is a list": says("detector", value=["knn"]),
    "a detector that nobody knows": says("detector", value="svm"),
    "a preset that nobody knows": says("preset", value="best"),
    "an encoder that is a number": says("encoder_id", value=3),
    "options that are a list": says("options", value=[1]),
    "an option that nobody knows": says("options", value={"depth": 3}),
    "loop_ids that are a number": says("loop_ids", value=5),
    "loop_ids that are numbers": says("loop_ids", value=list(range(N))),
    "one loop_id less": lacks("loop_ids", 0),
    "a loop_id twice": says("loop_ids", 0, value=IDS[1]),
    "components that are a number": says("components", value=1),
    "a component that is missing": says("components", value=["distance", "smell"]),
    "a report that is missing": lacks("report"),
    "a report that is a list": says("report", value=[]),
    "a history that is a number": says("report", "history", value=3),
    "an epoch that lacks its losses": says("report", "history", value=[{"phase": "pretrain"}]),
    "measures that are words": says("report", "measures", value={"held_out_loops": "many"}),
    "a billion loops held out": says("report", "measures", "held_out_loops", value=4e9),
    "fewer than no loops held out": says("report", "measures", "held_out_loops", value=-5.0),
    "loops held out that are no number": says("report", "measures", "held_out_loops", value=math.nan),
    "an endless share": says("report", "measures", "held_out_exceedance", value=math.inf),
    "a spread without its fellows": says("report", "measures", value={"spread_before": 1.0, "effective_rank": 3.0}),
    "warnings that are a word": says("report", "warnings", value="none"),
    "complete that is a word": says("report", "complete", value="yes"),
    "a checksum that is a number": says("arrays_sha256", value=1),
    "another checksum": says("arrays_sha256", value="0" * 64),
    "scores that are NaN": holds("scores", with_value(math.nan)),
    "scores that are endless": holds("scores", with_value(math.inf)),
    "scores beyond all measure": holds("scores", with_value(1e300)),
    "one score less": holds("scores", lambda array: array[1:]),
    "scores in a table": holds("scores", lambda array: array[None]),
    "scores that are whole numbers": holds("scores", lambda array: array.astype(np.int64)),
    "no scores": drops("scores"),
    "no probe": drops("probe_scores"),
    "a probe that is NaN": holds("probe_scores", with_value(math.nan)),
    "a probe of three": holds("probe_scores", lambda array: array[1:]),
    "latents of fewer loops": holds("latents", lambda array: array[1:]),
    "latents of another width": holds("latents", lambda array: np.pad(array, ((0, 0), (0, 3)))),
    "latents of no width": holds("latents", lambda array: array[:, :0]),
    "flat latents": holds("latents", np.ravel),
    "latents that are NaN": holds("latents", with_value(math.nan)),
    "only held-out loops": holds("validation", np.ones_like),
    "a split of numbers": holds("validation", lambda array: array.astype(np.float32)),
    "repeats of other loops": holds("repeat_scores", lambda array: np.zeros((2, N + 1))),
    "an array that hides a field": holds("encoder_id", np.asarray),
    "an array that hides the report": holds("report", np.asarray),
    "an array of nobody's": holds("smell", np.asarray),
    "half a collection": drops("collection.axes"),
    "a collection of other features": holds("collection.mean", lambda array: array[1:]),
    "no state": lambda _, __, arrays: [arrays.pop(name) for name in list(arrays) if name.startswith("state.")],
    "a state of nobody's": lambda _, __, arrays: [
        arrays.update({"state.smell": arrays.pop(name)}) for name in list(arrays) if name.startswith("state.")
    ],
}
BASELINE: dict[str, Change] = {
    "rows of fewer features": holds("state.X", lambda array: array[:, 1:]),
    "fewer rows": holds("state.X", lambda array: array[1:]),
    "rows that are NaN": holds("state.X", with_value(math.nan)),
    "rows that are too large": holds("state.X", with_value(1e20)),
    "members that learnt from nothing": holds("state.train_rows", np.zeros_like),
    "members of fewer rows": holds("state.train_rows", lambda array: array[:, 1:]),
    "a thousand members": holds("state.train_rows", lambda array: np.ones((1_000, N), bool)),
    "no member": holds("state.train_rows", lambda array: array[:0]),
    "minus three neighbours": says("options", value={"n_neighbours": -3}),
    "neighbours that are words": says("options", value={"n_neighbours": "all"}),
    "a billion neighbours": says("options", value={"n_neighbours": 10**9}),
}
ENSEMBLE: dict[str, Change] = {
    "a million members": holds("state.locations", lambda array: np.zeros((2, 10**6, 2, 1))),
    "a million repeats": holds("state.locations", lambda array: np.zeros((10**6, 2, 2, 1))),
    "no repeat": holds("state.locations", lambda array: array[:0]),
    "flat locations": holds("state.locations", np.ravel),
    "scales of nothing": holds("state.scales", np.zeros_like),
    "negative scales": holds("state.density_calibration", np.negative),
    "a reference of other features": holds("state.reference", lambda array: array[:, 1:]),
    "an empty reference": holds("state.reference", lambda array: array[:0]),
    "a long reference": holds("state.reference", lambda array: np.zeros((20_000, F), np.float32)),
    "weights of another shape": holds(WEIGHT, lambda array: array[:, :, 1:]),
    "weights that are NaN": holds(WEIGHT, with_value(math.nan)),
    "weights that are missing": drops(WEIGHT),
    "huge layers": says("options", "layer_sizes", value=[65_536, 65_536]),
    "layers beyond all measure": says("options", "layer_sizes", value=[10**12, 10**12]),
    "negative layers": says("options", "layer_sizes", value=[-12, 6]),
    "no layers": says("options", "layer_sizes", value=[]),
    "a million layers": says("options", "layer_sizes", value=[1] * 10**6),
    "minus three neighbours": says("options", "density_neighbours", value=-3),
}
NETWORK: dict[str, Change] = {
    "a centre of another size": holds("state.centre", lambda array: array[1:]),
    "huge layers": says("options", "layer_sizes", value=[65_536, 65_536]),
    "layers that are a word": says("options", "layer_sizes", value="large"),
    "weights of another shape": holds("state.network.encoder.0.weight", np.ravel),
}
CASES = [
    *(("knn robust", name, change) for name, change in (ANY | BASELINE).items()),
    *(("AEwRES robust", name, change) for name, change in ENSEMBLE.items()),
    *(("AE paper", name, change) for name, change in NETWORK.items()),
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("kind", "change"), [case[::2] for case in CASES], ids=[": ".join(case[:2]) for case in CASES])
def test_a_tampered_model_is_set_aside_with_the_reason(models: dict[str, Saved], kind: str, change: Change) -> None:
    path = tampered(models[kind], change)
    with pytest.raises(ModelError) as error:
        load_model(path, check=False).latents(X[:1])  # what is built only when it is needed is refused then
    said = str(error.value)
    assert "was set aside in" in said and said.endswith("train it again.") and "\n" not in said and len(said) < 1_000
    assert "llocat" not in said, "more memory was asked for than there is"
    assert not path.exists() and damaged()["reason"].tolist() == [said]
    assert list_models().empty


def test_listing_fails_for_no_tampered_model(models: dict[str, Saved]) -> None:
    sound = written(models["knn robust"], name="sound", signed=False)
    for number, (kind, _, change) in enumerate(CASES):
        tampered(models[kind], change, name=f"{number:03d}")
    listed = list_models()
    assert str(sound) in listed["path"].tolist()
    assert len(listed) + len(damaged()) == len(CASES) + 1
    st_app.dataframe(listed)  # which is where values that no table takes show themselves


def test_a_name_like_that_of_the_folder_of_the_damaged_is_a_name() -> None:
    detector = make_detector("knn").fit(X)
    for name in ("Damaged!", "damaged", "DAMAGED?"):
        place = save_model(detector, name, {})
        assert load_model(place).scores_.shape == (N,)
    assert len(list_models()) == 3 and damaged().empty
    assert not (config.paths().models / DAMAGED).exists()


def test_what_cannot_be_set_aside_is_left_out_and_said(models: dict[str, Saved]) -> None:
    path = tampered(models["knn robust"], says("n_loops", value=-1))
    (config.paths().models / DAMAGED).write_text("a file where the folder should be")
    assert list_models().empty and damaged().empty
    with pytest.raises(ModelError, match="could not be set aside"):
        load_model(path)
    assert path.is_dir()


@pytest.mark.timeout(120)
def test_whatever_lies_among_the_damaged_is_listed(models: dict[str, Saved]) -> None:
    for name, make in {"pipe": os.mkfifo, "folder": Path.mkdir, "large": sparse(2**40)}.items():
        folder = config.paths().models / DAMAGED / name
        folder.mkdir(parents=True)
        make(folder / REASON)
    binary = config.paths().models / DAMAGED / os.fsdecode(b"caf\xe9")
    binary.mkdir()
    (binary / REASON).write_bytes(b"\xff\xfe")
    assert damaged()["reason"].tolist().count("unknown") == 3
    st_app.dataframe(damaged())


def test_folders_with_names_that_are_no_text_are_listed(models: dict[str, Saved]) -> None:
    path = written(models["knn robust"], name=os.fsdecode(b"caf\xe9"), signed=False)
    broken = written(models["knn robust"], name=os.fsdecode(b"th\xe9"), signed=False)
    (broken / CARD).unlink()
    assert list_models()["path"].tolist() == [str(path)]
    assert len(damaged()) == 1
    delete_model(path)
    assert list_models().empty


VALUES = st.one_of(
    st.sampled_from([None, True, [], {}, "", "\ud800", "\0", -1, 0, 1, 10**9, 2**63, 10**60, -(2**70)]),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -0.5, 5e-324]),
    st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)),
)


@st.composite
def changed_cards(draw: st.DrawFn, card: dict[str, Any]) -> dict[str, Any]:
    """The card with one to three values, at any depth, replaced, removed, doubled or exchanged."""
    card = copy.deepcopy(card)
    for _ in range(draw(st.integers(1, 3))):
        inside: Any = card
        while True:
            steps = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            step = draw(st.sampled_from(steps)) if steps else None
            if step is None or not isinstance(inside[step], dict | list) or draw(st.booleans()):
                break
            inside = inside[step]
        if step is None:
            continue
        match draw(st.sampled_from(["replace", "remove", "exchange", "wrap"])):
            case "replace":
                inside[step] = draw(VALUES)
            case "remove":
                del inside[step]
            case "exchange":
                other = draw(st.sampled_from(steps))
                inside[step], inside[other] = inside[other], inside[step]
            case "wrap":
                inside[step] = [inside[step]] * draw(st.integers(1, 3))
    return card


@st.composite
def changed_arrays(draw: st.DrawFn, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One or two arrays of other values, shapes, kinds or names."""
    arrays = dict(arrays)
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(arrays)))
        array = arrays[name].copy()
        match draw(st.sampled_from(["value", "shape", "kind", "rename", "remove", "length", "exchange"])):
            case "value" if array.size and array.dtype.kind == "f":
                array.flat[draw(st.integers(0, array.size - 1))] = draw(
                    st.sampled_from([math.nan, math.inf, -1.0, 0.0, 1e10, -3e38, 1e-45])
                )
            case "shape":
                array = draw(st.sampled_from([array[None], array.ravel(), array.T, array[:0], array[..., :1]]))
            case "kind":
                array = array.astype(draw(st.sampled_from(["f2", "f4", "f8", "i8", "u1", "?"])))
            case "length" if array.ndim:
                array = np.resize(array, (draw(st.integers(0, 40)), *array.shape[1:]))
            case "exchange":
                other = draw(st.sampled_from(sorted(arrays)))
                arrays[other], array = array, arrays[other].copy()
            case "rename":
                arrays.pop(name)
                name = draw(st.sampled_from(["scores", "report", "state.X", "state.", "component.", "collection.x"]))
            case "remove":
                arrays.pop(name)
                continue
        arrays[name] = array
    return arrays


def used(path: Path, check: bool) -> bool:
    """Whether it loaded; then every page can use it. All errors are sentences."""
    try:
        detector = load_model(path, check=check)
        list_models()
    except ModelError as error:
        said = str(error)
        assert ("set aside" in said or "scores differently" in said) and len(said) < 1_000 and "llocat" not in said
        return False
    quality_checks(detector.report_.measures)
    assert np.isfinite(threshold_at(detector.reference_scores_, 95))
    try:
        scored = score_library(NEW, detector)
    except LoopscopeError:
        return True
    assert np.isfinite(scored.scores["score"]).all() and np.isfinite(scored.latents).all()
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("check", [True, False])
def test_a_fuzzed_card_loads_or_is_set_aside(models: dict[str, Saved], kind: str, check: bool) -> None:
    saved, loaded = models[kind], []

    @settings(max_examples=50, deadline=None, derandomize=True, database=None)
    @given(changed_cards(saved.card))
    def try_one(card: dict[str, Any]) -> None:
        path = written(Saved(card, saved.arrays), signed=False)
        loaded.append(used(path, check))
        shutil.rmtree(config.paths().models)

    try_one()
    assert any(loaded) and not all(loaded)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("check", [True, False])
def test_fuzzed_arrays_load_or_are_set_aside(models: dict[str, Saved], kind: str, check: bool) -> None:
    saved, loaded = models[kind], []

    @settings(max_examples=50, deadline=None, derandomize=True, database=None)
    @given(changed_arrays(saved.arrays))
    @example(saved.arrays)
    def try_one(arrays: dict[str, np.ndarray]) -> None:
        path = written(Saved(saved.card, arrays))
        loaded.append(used(path, check))
        shutil.rmtree(config.paths().models)

    try_one()
    assert any(loaded) and not all(loaded)
