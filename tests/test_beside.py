"""Scores side by side: differences have the sign and the certainty that the labels give them."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from loopscope.analysis.beside import beside
from loopscope.analysis.scoring import ScoredLoops
from loopscope.detection.evaluation import LabelledSet
from loopscope.detection.paired import LARGEST_KIND, side_by_side
from loopscope.detection.parts import ScorePart
from loopscope.detection.registry import make_detector
from loopscope.errors import DataError
from loopscope.ui.views import evaluation

N, N_ODD = 200, 40
LABELS = (np.arange(N) < N_ODD).astype(int)


def scores(shift: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=N) + shift * LABELS


def test_a_difference_has_an_interval_that_says_whether_it_is_chance() -> None:
    table = side_by_side(
        LABELS, {"one": scores(1), "same": np.exp(scores(1)), "worse": scores(0, 1), "other": scores(1, 2)}
    )
    table = table.set_index("score")
    assert np.isnan(table.loc["one", ["difference", "low", "high"]].to_numpy(float)).all()
    assert (table.loc["same", ["difference", "low", "high"]] == 0).all(), (
        "the same order loop by loop: nothing is drawn"
    )
    assert table.loc["worse", "high"] < 0 and table.loc["other", "low"] < 0 < table.loc["other", "high"]
    assert table.loc["worse", "difference"] == pytest.approx(table.loc["worse", "auroc"] - table.loc["one", "auroc"])
    assert table.loc["one", "partial_auroc"] == roc_auc_score(LABELS, scores(1), max_fpr=0.1)
    assert table.loc["one", "precision_at_20"] == LABELS[np.argsort(-scores(1))[:20]].mean()


def test_the_interval_is_that_of_a_paired_bootstrap_and_pairs_make_it_narrow() -> None:
    first, noise = scores(1), 0.2 * np.random.default_rng(3).normal(size=N)
    found = side_by_side(LABELS, {"first": first, "near": first + noise}).iloc[1]
    odd, normal = np.flatnonzero(LABELS == 1), np.flatnonzero(LABELS == 0)
    rng = np.random.default_rng(4)

    def difference() -> float:
        rows = np.concatenate([rng.choice(odd, len(odd)), rng.choice(normal, len(normal))])
        return float(roc_auc_score(LABELS[rows], (first + noise)[rows]) - roc_auc_score(LABELS[rows], first[rows]))

    drawn = [difference() for _ in range(400)]
    assert found["high"] - found["low"] == pytest.approx(np.subtract(*np.percentile(drawn, [97.5, 2.5])), rel=0.2)
    alone = stats.norm.ppf(0.975) * 2 * np.sqrt(2) * 0.04  # were they of different loops
    assert found["high"] - found["low"] < alone / 2


def test_many_loops_are_compared_by_some_and_no_score_at_all_ties() -> None:
    labels = np.arange(5 * LARGEST_KIND) % 2
    table = side_by_side(labels, {"first": labels.astype(float), "nothing": np.zeros(len(labels))})
    assert table["auroc"].tolist() == [1.0, 0.5]
    assert table.loc[1, ["low", "high"]].tolist() == pytest.approx([-0.5, -0.5])


def test_the_interval_lies_around_the_figure_beside_it_also_where_it_is_drawn_from_some() -> None:
    rng, labels = np.random.default_rng(1), (np.arange(20 * LARGEST_KIND) < LARGEST_KIND // 4).astype(int)
    for _ in range(4):
        first, other = rng.normal(size=(2, len(labels))) + labels
        row = side_by_side(labels, {"first": first, "other": other}).iloc[1]
        assert row["low"] + row["high"] == pytest.approx(2 * row["difference"], abs=0.008)


def model(ids: list[str], parts: dict[str, np.ndarray]) -> ScoredLoops:
    values = np.sum(list(parts.values()), axis=0)
    table = pd.DataFrame({"loop_id": ids, "score": values, "split": "train"})
    return ScoredLoops(make_detector("AEwRES"), table, np.zeros((len(ids), 2), np.float32), parts)


def test_parts_and_other_models_are_joined_by_loop_and_named_as_in_why() -> None:
    ids = [str(i) for i in range(N)]
    data = LabelledSet(tuple(ids), np.zeros((N, 2)), LABELS, np.full(N, "", object))
    order = np.random.default_rng(5).permutation(N)
    own = model(
        [ids[i] for i in order],
        {ScorePart.PATCH_DISTANCE: scores(2)[order], ScorePart.OWN_MOMENTS: scores(0, 6)[order]},
    )
    other = model(ids[5:], {ScorePart.DISTANCE: scores(2)[5:]})
    table, n = beside(data, {"other": other, "own": own}, "own")
    assert n == N - 5
    assert table["score"].tolist() == ["own", "· Oddest moments", "· Oddest stretch", "other"]
    assert table["auroc"].iloc[1] == table["auroc"].iloc[3] == roc_auc_score(LABELS[5:], scores(2)[5:])
    hardly = {**own.components, ScorePart.OWN_MOMENTS: np.where(np.arange(N) < N // 3, 1.0, np.nan)}
    table, n = beside(data, {"own": dataclasses.replace(own, components=hardly)}, "own")
    assert n == N and table["score"].tolist() == ["own", "· Oddest moments"]
    with pytest.raises(DataError, match="cannot be compared"):
        beside(data, {"own": own, "few": model(ids[:5], {ScorePart.DISTANCE: scores(0)[:5]})}, "own")


def test_of_one_category_the_other_odd_loops_are_left_out() -> None:
    ids = tuple(map(str, range(N)))
    kinds = np.where(LABELS == 1, np.where(np.arange(N) % 2, "click", "hum"), "").astype(object)
    data = LabelledSet(ids, np.zeros((N, 2)), LABELS, kinds)
    assert data.kinds == ["click", "hum"]
    own, other = (model(list(ids), {ScorePart.DISTANCE: scores(seed)}) for seed in (1, 2))
    for kind in data.kinds:
        chosen = (LABELS == 0) | (kinds == kind)
        table, n = beside(data, {"own": own, "other": other}, "own", kind)
        expected = side_by_side(LABELS[chosen], {"own": scores(1)[chosen], "other": scores(2)[chosen]})
        assert n == chosen.sum() < N
        pd.testing.assert_frame_equal(table, expected)
    with pytest.raises(DataError, match="cannot be compared"):
        beside(data, {"own": own, "other": other}, "own", "no such")


def test_the_page_compares_once_as_long_as_labels_and_models_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    kept: dict[str, Any] = {}
    monkeypatch.setattr(evaluation, "beside", lambda *asked: (made.append(asked), (pd.DataFrame(), 0))[1])
    monkeypatch.setattr("loopscope.ui.state.session", lambda: SimpleNamespace(made=kept))
    own = model([str(i) for i in range(N)], {ScorePart.DISTANCE: scores(1), ScorePart.OWN_MOMENTS: scores(0)})
    state: Any = SimpleNamespace(
        active="own", models={"own": own}, project=SimpleNamespace(key="p"), seen=SimpleNamespace(serial=1)
    )
    data = LabelledSet(tuple(map(str, range(N))), np.zeros((N, 2)), LABELS, np.full(N, "", object))
    for expected, changed in ((1, data), (1, data), (2, dataclasses.replace(data, labels=1 - LABELS)), (3, data)):
        evaluation._beside_each_other(state, changed)
        assert len(made) == expected
    state.models = {"own": own, "other": own}
    evaluation._beside_each_other(state, data)
    assert len(made) == 4
