"""The order joins both kinds of evidence, explains itself, and keeps the parts apart."""

import numpy as np
import pandas as pd
import pytest

from loopscope.analysis.triage import (
    FAULTY,
    INTERESTING,
    NORMAL,
    TRIAGE_COLUMNS,
    detector_evidence,
    percentile_in_words,
    triage_rank,
)
from loopscope.errors import DataError
from loopscope.faults import faults_frame


def table_of(**percentiles: float) -> pd.DataFrame:
    return pd.DataFrame({"loop_id": list(percentiles), "percentile": list(percentiles.values()), "score": 1.0})


def finding(loop_id: str, strength: float, verdict: str = "fault", kind: str = "click") -> dict[str, object]:
    sentence = f"{kind} of {loop_id}."
    return dict(loop_id=loop_id, kind=kind, strength=strength, verdict=verdict, sentence=sentence, times=(0.1,))


def ranked(table: pd.DataFrame, *findings: dict[str, object]) -> pd.DataFrame:
    return triage_rank(table, faults_frame(list(findings))).set_index("loop_id")


def test_without_faults_the_order_is_the_detectors() -> None:
    percentiles = dict(zip("abcdefgh", [3.0, 99.5, 50.0, 97.0, 81.0, 12.0, 100.0, 94.0], strict=True))
    order = ranked(table_of(**percentiles)).index.tolist()
    assert order == sorted(percentiles, key=lambda loop_id: -percentiles[loop_id])


def test_a_fault_lifts_an_unremarkable_loop_above_the_threshold() -> None:
    order = ranked(table_of(quiet=95.0, broken=10.0, odd=100.0), finding("broken", 0.9))
    assert order.index.tolist() == ["odd", "broken", "quiet"]


def test_both_kinds_of_evidence_add_up_and_stay_apart() -> None:
    result = ranked(table_of(both=96.0, fault=10.0, odd=96.0), finding("both", 0.6), finding("fault", 0.6))
    assert result.index.tolist() == ["both", "fault", "odd"]
    both = result.loc["both"]
    assert both["fault_evidence"] == 0.6
    assert both["detector_evidence"] == pytest.approx(detector_evidence(np.array([96.0]))[0])
    assert both["triage_score"] == pytest.approx(1 - 0.4 * (1 - both["detector_evidence"]))


def test_groups() -> None:
    findings = [finding("a", 0.7), finding("c", 0.3, "suspect"), finding("d", 0.3, "suspect", "duplicate")]
    result = ranked(table_of(a=99.0, b=99.0, c=40.0, d=40.0, e=40.0), *findings)
    assert result["triage"].to_dict() == {"a": FAULTY, "b": INTERESTING, "c": NORMAL, "d": NORMAL, "e": NORMAL}
    assert result.loc["c", "triage_score"] > result.loc["e", "triage_score"]
    assert result.loc["d", "fault_evidence"] == 0
    assert result.loc["d", "fault_kinds"] == "Duplicate"


def test_the_reason_names_everything_strongest_first() -> None:
    findings = [finding("a", 0.3, "suspect", "hum"), finding("a", 0.9, "fault", "click")]
    result = ranked(table_of(a=97.2, b=20.0), *findings)
    assert result.loc["a", "reason"] == "click of a. Perhaps: hum of a. More unusual than 97 % of the collection."
    assert result.loc["a", "fault_kinds"] == "Clicks, Mains hum"
    assert result.loc["b", "reason"] == "More unusual than 20 % of the collection."


def test_percentiles_in_words() -> None:
    assert percentile_in_words(100.0) == "More unusual than anything in the collection."
    assert percentile_in_words(99.62) == "More unusual than 99.6 % of the collection."
    assert percentile_in_words(float("nan")) == "Not scored by the detector."


def test_copies_share_their_rank_and_every_row_is_kept() -> None:
    table = pd.concat([table_of(a=10.0, b=99.0), table_of(a=10.0)], ignore_index=True)
    result = triage_rank(table, faults_frame([finding("elsewhere", 1.0)]))
    assert result["loop_id"].tolist() == ["b", "a", "a"]
    assert result["triage_rank"].tolist() == [1, 2, 2]
    assert set(table.columns) | set(TRIAGE_COLUMNS) == set(result.columns)


def test_ranking_twice_changes_nothing() -> None:
    faults = faults_frame([finding("a", 0.7)])
    once = triage_rank(table_of(a=1.0, b=96.0), faults)
    pd.testing.assert_frame_equal(triage_rank(once, faults), once, check_like=True)


def test_row_order_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    table = table_of(**{f"loop{i}": float(p) for i, p in enumerate(rng.integers(0, 100, 40))})
    shuffled = table.sample(frac=1, random_state=1)
    assert triage_rank(table, faults_frame([]))["loop_id"].tolist() == (
        triage_rank(shuffled, faults_frame([]))["loop_id"].tolist()
    )


def test_a_loop_without_score_is_ranked_by_its_faults_alone() -> None:
    result = ranked(table_of(a=float("nan"), b=96.0), finding("a", 1.0, kind="unreadable"))
    assert result.index.tolist() == ["a", "b"]
    assert result.loc["a", "reason"] == "unreadable of a. Not scored by the detector."


def test_the_evidence_of_the_detector_never_falls_and_decides_at_95() -> None:
    evidence = detector_evidence(np.linspace(0, 100, 501))
    assert (np.diff(evidence) > 0).all()
    assert detector_evidence(np.array([95.0]))[0] == 0.5


def test_missing_columns_are_named() -> None:
    with pytest.raises(DataError, match="percentile"):
        triage_rank(pd.DataFrame({"loop_id": ["a"]}), faults_frame([]))
