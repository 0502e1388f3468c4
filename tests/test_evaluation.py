"""Metrics on rankings made by hand, labels joined on loop_id, both protocols."""

import doctest
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loopscope.detection import evaluation
from loopscope.detection.evaluation import (
    LabelledSet,
    evaluate_detectors,
    evaluate_scores,
    label_loops,
    label_marks,
    metrics_by_category,
    ranking_metrics,
    read_labels,
    summarise,
)
from loopscope.errors import DataError
from loopscope.user_files import UserFile


def test_the_examples_in_the_documentation_hold():
    assert doctest.testmod(evaluation).failed == 0


def test_perfect_reversed_and_useless_rankings():
    y = [0, 0, 0, 1, 1]
    assert set(ranking_metrics(y, [1, 2, 3, 4, 5]).values()) == {1.0}
    assert ranking_metrics(y, [5, 4, 3, 2, 1])["auroc"] == 0
    assert ranking_metrics(y, [1] * 5)["auroc"] == 0.5
    assert ranking_metrics(y, [1, 2, 9, 4, 8], k=1)["precision_at_k"] == 0


def test_each_category_is_held_against_all_normal_loops():
    table = metrics_by_category([0, 0, 1, 1], [1, 3, 4, 2], ["", "", "click", "hum"]).set_index("category")
    assert table.loc["click", "auroc"] == 1.0
    assert table.loc["hum", "auroc"] == 0.5
    assert table.loc["all", "auroc"] == 0.75
    assert table["n"].to_dict() == {"all": 2, "click": 1, "hum": 1}


def labelled(n: int = 60, n_odd: int = 8) -> LabelledSet:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 16)).astype(np.float32)
    X[:n_odd] *= 5
    labels = (np.arange(n) < n_odd).astype(int)
    kinds = np.where(labels == 1, np.where(np.arange(n) % 2, "click", "hum"), "")
    return LabelledSet(tuple(map(str, range(n))), X, labels, kinds)


@pytest.mark.parametrize("protocol", ["contaminated", "clean"])
def test_detectors_side_by_side_over_seeds(protocol):
    runs = evaluate_detectors(labelled(), [("knn", "robust"), ("pca", "robust")], seeds=(0, 1), protocol=protocol)
    assert len(runs) == 2 * 2 * 3  # detectors, seeds, categories with "all"
    table = summarise(runs)
    assert table["detector"].tolist() == ["knn"] * 3 + ["pca"] * 3
    assert table["auroc"].min() > 0.95
    assert table["auroc_sd"].max() < 0.05


def test_an_evaluation_can_be_stopped_and_keeps_what_was_done():
    reports = []
    runs = evaluate_detectors(
        labelled(), [("knn", "robust")], on_progress=reports.append, should_stop=lambda: len(reports) == 2
    )
    assert runs["seed"].unique().tolist() == [0, 1]


def test_evaluation_needs_both_kinds_of_loops_and_a_known_protocol():
    with pytest.raises(DataError, match="0 of 3 labelled loops are anomalies"):
        LabelledSet(("a", "b", "c"), np.zeros((3, 2)), np.zeros(3), np.zeros(3))
    with pytest.raises(DataError, match="no protocol named 'dirty'"):
        evaluate_detectors(labelled(), protocol="dirty")


def test_labels_are_read_and_joined_by_path_then_by_loop_id(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("path,label,category\nbass/a.wav,normal,\nbass\\b.wav,Anomaly,click\nbass/gone.wav,normal,\n")
    loops = pd.DataFrame(
        {
            "loop_id": ["B", "A", "B", "C"],
            "path": [str(tmp_path / "bass" / name) for name in ("b.wav", "a.wav", "copy of b.wav", "unlabelled.wav")],
        }
    )
    X = np.arange(6, dtype=np.float32).reshape(3, 2)
    data = label_loops(loops, tmp_path, read_labels(file), ["C", "A", "B"], X)
    found = dict(zip(data.loop_ids, data.labels, strict=True))
    assert found == {"B": 1, "A": 0}
    np.testing.assert_array_equal(data.X[data.loop_ids.index("B")], X[2])
    assert data.categories[data.loop_ids.index("B")] == "click"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na,normal\n", "no column path"),
        ("path,label\na,odd\n", "contain 'odd'"),
        ("", "cannot be read"),
    ],
)
def test_unusable_labels_are_one_sentence(tmp_path, text, message):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels(file)


def test_labels_that_lead_out_of_the_folder_or_never_end_are_refused(tmp_path):
    (tmp_path / "outside.csv").write_text("path,label\na,normal\n")
    folder = tmp_path / "loops"
    folder.mkdir()
    file = UserFile(str(folder / "labels.csv"), str(folder))
    Path(file).symlink_to(tmp_path / "outside.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(file)
    Path(file).unlink()
    os.mkfifo(file)  # whoever opens it waits for a writer that never comes
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(file)


def test_labels_of_another_folder_do_not_join(tmp_path):
    loops = pd.DataFrame({"loop_id": ["A"], "path": [str(tmp_path / "a.wav")]})
    labels = pd.DataFrame({"path": ["b.wav"], "label": [1], "category": [""]})
    with pytest.raises(DataError, match="None of the 1 labelled paths"):
        label_loops(loops, tmp_path, labels, ["A"], np.zeros((1, 2)))


def test_labels_join_through_a_link_to_the_folder(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    paths = [real / "a.wav", real / "b.wav", tmp_path / "elsewhere.wav"]
    loops = pd.DataFrame({"loop_id": ["A", "B", "C"], "path": [str(path) for path in paths]})
    labels = pd.DataFrame({"path": ["a.wav", "b.wav"], "label": [1, 0], "category": ["click", ""]})
    data = label_loops(loops, link, labels, ["A", "B", "C"], np.zeros((3, 2)))
    assert dict(zip(data.loop_ids, data.labels, strict=True)) == {"A": 1, "B": 0}


def test_triage_marks_are_labels():
    marks = {"a": "quarantine", "b": "keep", "c": "love", "d": None}
    data = label_marks(marks, ["d", "c", "b", "a", "e"], np.arange(5, dtype=np.float32)[:, None])
    assert dict(zip(data.loop_ids, data.labels, strict=True)) == {"c": 0, "b": 0, "a": 1}
    assert data.X[:, 0].tolist() == [1, 2, 3]


def test_only_loops_with_a_score_and_a_label_count_and_the_others_are_counted():
    data = labelled(6, 2)
    scores = pd.DataFrame({"loop_id": ["5", "x", "0", "1", "4"], "score": [1.0, 99.0, 4.0, 3.0, np.nan]})
    table, n_unscored = evaluate_scores(data, scores)
    assert n_unscored == 3  # "2" and "3" are unknown to the model, "4" has no score
    assert table.set_index("category")["n"].to_dict() == {"all": 2, "click": 1, "hum": 1}
    assert set(table["auroc"]) == {1.0}
    everything, none_left_out = evaluate_scores(data, pd.DataFrame({"loop_id": list("012345"), "score": range(6)}))
    assert none_left_out == 0 and everything.loc[0, "auroc"] == 0.0


@pytest.mark.parametrize("known", ["01", "2345", "x"])
def test_a_model_that_scores_one_kind_of_label_only_cannot_be_judged(known):
    scores = pd.DataFrame({"loop_id": list(known), "score": 1.0})
    with pytest.raises(DataError, match="an evaluation needs at least one of each kind"):
        evaluate_scores(labelled(6, 2), scores)


def test_contradicting_labels_are_left_out_and_said(tmp_path):
    names = ["good.wav", "odd.wav", "both.wav", "copy.wav", "copy of copy.wav", "twice.wav"]
    loops = pd.DataFrame({"loop_id": list("GOBCCT"), "path": [str(tmp_path / name) for name in names]})
    file = tmp_path / "labels.csv"
    rows = ["good.wav,normal", "odd.wav,anomaly", "both.wav,normal", "copy.wav,0", "copy of copy.wav,1"]
    file.write_text("\n".join(["path,label", *rows, "both.wav,anomaly", "twice.wav,1", "twice.wav,1"]))
    data = label_loops(loops, tmp_path, read_labels(file), list("GOBCT"), np.zeros((5, 2)))
    assert dict(zip(data.loop_ids, data.labels, strict=True)) == {"G": 0, "O": 1, "T": 1}
    assert data.remark == (
        '2 loops are labelled both normal and anomaly, "both.wav" first, and not counted: give each one label.'
    )
    consistent = read_labels(file).iloc[:2]
    assert label_loops(loops, tmp_path, consistent, list("GOBCT"), np.zeros((5, 2))).remark == ""
