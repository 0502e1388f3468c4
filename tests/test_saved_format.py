"""How a model lies on the disk: names and numbers that files of earlier versions have, and that stay."""

import datetime
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from loopscope.detection import saved_format
from loopscope.detection.base import BaseDetector
from loopscope.detection.fitted import Fitted
from loopscope.detection.quality import quality_checks
from loopscope.detection.registry import make_detector

X = np.random.default_rng(0).normal(size=(40, 24)).astype(np.float32)
IDS = tuple(f"loop{number:02d}" for number in range(40))


@pytest.fixture(scope="module", params=["knn", "pca"])
def detector(request: pytest.FixtureRequest) -> BaseDetector:
    return make_detector(request.param, "robust", seed=3).fit(X, loop_ids=IDS, encoder_id="clap")


def test_arrays_on_the_disk_are_named_as_earlier_versions_named_them(detector: BaseDetector) -> None:
    arrays = saved_format.arrays_of(detector)
    own = {name for name in arrays if name.partition(".")[0] not in ("state", "component", "collection")}
    assert own - {"probe_scores"} <= Fitted.__dataclass_fields__.keys() and "probe_scores" in own
    assert {name.removeprefix("state.") for name in arrays if name.startswith("state.")} == set(detector.state())
    assert {name.removeprefix("component.") for name in arrays if name.startswith("component.")} == set(
        detector.fitted.components
    )
    assert all(array.flags["C_CONTIGUOUS"] for array in arrays.values())
    state = saved_format.state_from(arrays)
    assert state.keys() == detector.state().keys()
    assert all(np.array_equal(state[name], array) for name, array in detector.state().items())


def test_the_card_tells_thresholds_and_when_it_was_written(detector: BaseDetector) -> None:
    card = saved_format.card_of(detector, "mine", {"loops": 40}, "digest")
    assert list(card["thresholds"]) == ["90", "95", "97.5", "99"]
    flagged = [int((detector.fitted.reference_scores > value).sum()) for value in card["thresholds"].values()]
    assert flagged == sorted(flagged, reverse=True) and card["threshold_95"] == card["thresholds"]["95"]
    saved = datetime.datetime.fromisoformat(card["saved"])
    assert saved.utcoffset() == datetime.timedelta(0)
    assert (card["format"], card["name"], card["n_loops"], card["arrays_sha256"]) == (2, "mine", 40, "digest")


def test_what_was_written_is_read_with_a_collection_and_without(detector: BaseDetector) -> None:
    arrays, card = saved_format.arrays_of(detector), saved_format.card_of(detector, "mine", {}, "")
    found = saved_format.fitted_from(card, arrays)
    if detector.fitted.collection is None:
        assert found.collection is None
        assert not any(name.startswith("collection.") for name in arrays)
        return
    for name, array in detector.fitted.collection._asdict().items():
        assert np.array_equal(arrays[f"collection.{name}"], array)
        assert found.collection is not None and np.array_equal(getattr(found.collection, name), array)
    bare = {name: array for name, array in arrays.items() if not name.startswith("collection.")}
    assert saved_format.fitted_from(card, bare).collection is None, "older files have none"


def test_a_card_tells_of_the_loops_and_checks_and_an_older_one_of_no_patches(detector: BaseDetector) -> None:
    arrays = saved_format.arrays_of(detector)
    card = saved_format.card_of(detector, "mine", {"folder": "bass"}, "")
    assert card["data"] == {"folder": "bass"}
    assert card["quality_checks"] == [asdict(check) for check in quality_checks(detector.report_.measures)]
    for name, value, without in (("patch_id", "made by", ""), ("patch_seconds", 0.5, 0.0)):
        assert getattr(saved_format.fitted_from(card | {name: value}, arrays), name) == value
        older = {field: known for field, known in card.items() if field not in (name, "collection")}
        assert getattr(saved_format.fitted_from(older, arrays), name) == without
    alone: Any = SimpleNamespace(collection=None)
    assert saved_format._collection_arrays(alone) == {}


def test_models_are_probed_with_what_files_on_disks_were_probed_with() -> None:
    asked: list[Any] = []
    probed = SimpleNamespace(
        fitted=SimpleNamespace(n_features=2),
        made_up_patches=lambda n_loops: n_loops,
        anomaly_scores=lambda X, patches: asked.append((X, patches)),
    )
    saved_format.probe_scores(probed)  # type: ignore[arg-type]
    ((embeddings, patches),) = asked
    assert embeddings.shape == (4, 2) and patches == 4
    np.testing.assert_allclose(embeddings[0], [0.12573022, -0.13210486], atol=1e-8)


def test_the_first_format_is_read_with_its_layers_turned_and_renamed() -> None:
    card = {
        "format": 1,
        "collapsed": False,
        "warnings": ["w"],
        "measures": {"m": 1},
        "training": {"seconds": 2.5, "history": []},
    }
    arrays = {
        "scores": np.zeros(5),
        "state.member.layers.0.weight": np.arange(6.0).reshape(2, 3),
        "state.member.layers.1.weight": np.arange(12.0).reshape(1, 3, 4),
        "state.mean": np.arange(6.0).reshape(2, 3),
        "state.member.layers.0.bias": np.arange(2.0),
    }
    new, found = saved_format.up_to_date(dict(card), dict(arrays))
    assert new["format"] == 2
    assert new["report"] == {"collapsed": False, "warnings": ["w"], "measures": {"m": 1}, "seconds": 2.5, "history": []}
    assert found.keys() == {
        "scores",
        "repeat_scores",
        "state.member.0.weight",
        "state.member.1.weight",
        "state.mean",
        "state.member.0.bias",
    }
    assert found["repeat_scores"].shape == (0, 5)
    assert np.array_equal(found["state.member.0.weight"], np.arange(6.0).reshape(2, 3).T[None])
    assert found["state.member.1.weight"].shape == (1, 3, 4)
    assert found["state.mean"].shape == (2, 3) and found["state.member.0.bias"].shape == (2,)
