"""The order joins both kinds of evidence, explains itself, and keeps the parts apart."""

import numpy as np
import pandas as pd
import pytest

from loopscope.analysis.triage import (
    FAULTY,
    INTERESTING,
    NORMAL,
    TITLES,
    TRIAGE_COLUMNS,
    detector_evidence,
    percentile_in_words,
    triage_groups,
    triage_loops,
    triage_rank,
)
from loopscope.errors import DataError
from loopscope.faults import faults_frame


def table_of(**percentiles: float) -> pd.DataFrame:
    return pd.DataFrame({"loop_id": list(percentiles), "percentile": list(percentiles.values()), "score": 1.0})


def finding(loop_id: str, strength: float, verdict: str = "fault", kind: str = "click") -> dict[str, object]:
    sentence = f"{kind} of {loop_id}."
    said = dict(sentence=sentence, brief=f"{kind} of {loop_id}", times=(0.1,))
    return dict(loop_id=loop_id, kind=kind, strength=strength, verdict=verdict, **said)


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


def test_a_flagged_loop_is_interesting_at_any_threshold() -> None:
    table = table_of(a=99.0, b=60.0, c=99.0).assign(is_anomaly=[False, True, True])
    result = ranked(table, finding("c", 0.7))
    assert result["triage"].to_dict() == {"a": NORMAL, "b": INTERESTING, "c": FAULTY}
    assert triage_groups([False, True], [True, True]).tolist() == [INTERESTING, FAULTY]


def test_the_order_does_not_follow_the_threshold() -> None:
    table = table_of(a=99.0, b=60.0, c=10.0, d=float("nan"))
    found = [finding("c", 0.7), finding("d", 0.3, "suspect")]
    low, high = (ranked(table.assign(is_anomaly=flags), *found) for flags in ([True] * 4, [False] * 4))
    assert low["triage_rank"].to_dict() == high["triage_rank"].to_dict()


def briefs_of(*findings: dict[str, object]) -> list[str]:
    return triage_loops(table_of(a=1.0, b=2.0), faults_frame(list(findings)))["brief"].tolist()


def test_the_brief_is_the_main_finding_and_says_where_it_is_unsure() -> None:
    weak, strong = finding("a", 0.6), finding("a", 0.9, "fault", "clipping")
    perhaps, copy = finding("a", 0.49, "suspect", "hum"), finding("a", 0.3, "suspect", "duplicate")
    assert briefs_of(perhaps, weak, copy, strong) == ["clipping of a", ""]
    assert briefs_of(copy, perhaps) == ["perhaps hum of a", ""]
    assert briefs_of(dict(perhaps, strength=0.26), copy) == ["perhaps hum of a", ""], "copies are no evidence"
    assert briefs_of(copy) == ["duplicate of a", ""], "that files are the same is beyond doubt"
    assert briefs_of(finding("b", 0.3, "suspect", "near_duplicate")) == ["", "perhaps near_duplicate of b"]


def test_what_was_found_is_told_apart_by_kind_and_by_verdict() -> None:
    bit = {kind: 1 << place for place, kind in enumerate(TITLES)}
    found = [
        finding("b", 0.9, "fault", "hum"),
        finding("b", 0.8, "fault", "click"),
        finding("b", 0.3, "suspect", "seam"),
        finding("a", 1.0, "fault", "unreadable"),
        finding("a", 0.3, "suspect", "duplicate"),
        finding("elsewhere", 1.0),
    ]
    result = triage_loops(table_of(c=1.0, b=2.0, a=3.0), faults_frame(found))
    assert result["faults"].tolist() == [0, bit["hum"] | bit["click"], bit["unreadable"]]
    assert result["suspicions"].tolist() == [0, bit["seam"], bit["duplicate"]]
    assert len(TITLES) <= 32, "a bit set has 32 bits, the last of them its sign; send two"


def test_a_duplicate_is_never_a_fault() -> None:
    result = triage_loops(table_of(a=1.0), faults_frame([finding("a", 0.9, "fault", "duplicate")]))
    assert (result["faults"].item(), result["fault_evidence"].item()) == (0, 0.0)


def test_the_order_is_a_permutation_whatever_is_known() -> None:
    nothing = table_of(b=float("nan"), a=float("nan"), c=float("nan"))
    assert triage_loops(nothing, faults_frame([]))["triage_rank"].tolist() == [2, 1, 3]
    named = nothing.assign(name=["Amen", "break", "amen 2"])
    assert triage_loops(named, faults_frame([]))["triage_rank"].tolist() == [1, 3, 2]
    some = triage_loops(table_of(a=float("nan"), b=0.0, c=50.0), faults_frame([finding("a", 0.3, "suspect")]))
    assert some["triage_rank"].tolist() == [1, 3, 2]


def test_the_reason_names_everything_strongest_first() -> None:
    findings = [finding("a", 0.3, "suspect", "hum"), finding("a", 0.9, "fault", "click")]
    result = ranked(table_of(a=97.2, b=20.0), *findings)
    assert result.loc["a", "reason"] == "click of a. Perhaps: hum of a. Stands out more than 97 % of the collection."
    assert result.loc["a", "fault_kinds"] == "Clicks, Mains hum"
    assert result.loc["b", "reason"] == "Stands out more than 20 % of the collection."


def test_percentiles_in_words() -> None:
    assert percentile_in_words(100.0, 1) == "Stands out most."
    assert percentile_in_words(100.0, 2) == percentile_in_words(99.62) == "Stands out more than 99 % of the collection."
    assert percentile_in_words(97.9, 5) == "Stands out more than 97 % of the collection."
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
