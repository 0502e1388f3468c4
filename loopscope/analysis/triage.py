"""One order in which to listen: what the detector finds unusual joined with what the signal checks find broken.

Both are first put on one scale of evidence from 0 to 1 on which 0.5 is the point of decision: for the detector a
percentile of 95 (the threshold of the paper, section 5.4), for the checks the limit of the verdict "fault". Evidence
adds up as chances of independent alarms do: 1 - (1 - detector) · (1 - fault), and so does that of checks; of those that
one cause may have set off (`limits.CAUSES`) the strongest counts. The two parts stay visible beside the
sum, and decide the group: a loop that a check is sure of is "probably faulty", one that is flagged without such a fault
"probably interesting". The group follows the threshold of now, the order does not.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike

from loopscope.arrays import Float, Int
from loopscope.errors import DataError
from loopscope.faults import LIMITS
from loopscope.faults.base import CHECK_FAILED
from loopscope.faults.limits import CAUSES

FAULTY, INTERESTING, NORMAL = "probably faulty", "probably interesting", "normal"
ORDER_COLUMNS = ("triage_rank", "triage_score", "detector_evidence", "fault_evidence", "fault_kinds")
TRIAGE_COLUMNS = (*ORDER_COLUMNS, "triage", "reason")
PERCENTILES = (0.0, 80.0, 90.0, 95.0, 99.0, 100.0)
EVIDENCE = (0.0, 0.1, 0.25, 0.5, 0.8, 1.0)
DECISION = 0.5
INFORMING = frozenset(kind for kind, limit in LIMITS.items() if limit.informs)
NO_EVIDENCE = INFORMING | {"duplicate", "near_duplicate", CHECK_FAILED}  # worth knowing, neither broken nor unusual
CERTAIN = INFORMING | {"duplicate", CHECK_FAILED}  # no fault, and yet beyond doubt
USUAL_SHARE, MIN_USUAL = 0.5, 8  # of the loops, and how many there must be
TITLES = {kind: limit.title for kind, limit in LIMITS.items()} | {
    "duplicate": "Duplicate",
    "near_duplicate": "Near duplicate",
    "unreadable": "Unreadable",
    CHECK_FAILED: "Check failed",
}


def triage_rank(table: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """`table` with TRIAGE_COLUMNS, the loop to look at first on top.

    `table` has loop_id and percentile (0 … 100, NaN where a loop has no score), one row per file; copies of one loop
    share a rank. Its `is_anomaly`, where it has one, says what is flagged, else a percentile of 95 does. `faults` and
    the breaking of ties: see `triage_loops`. Raises DataError if a column is missing.
    """
    _check(table, ("loop_id", "percentile"))
    loops = table.drop_duplicates("loop_id")
    return with_triage(table, triage_loops(loops, faults), faults)


def triage_loops(loops: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """`loops` (one row per loop) with the order in which to listen: ORDER_COLUMNS (rank 1 = first), and

    brief: the main finding in a few words, a sure one before an unsure one, which begins with "perhaps "; "" for none.
        What only informs is left out where more than half of the loops share it.
    faults, suspicions: int32 bit sets of what the checks are sure and not sure of, bit i for the i-th of TITLES.

    `loops` has loop_id (unique) and percentile, maybe name. `faults` is the table of findings of
    `faults.check_library`; those of other loops are ignored. Ties are broken by the percentile, then by name (without
    names by loop_id), then as the rows come. Raises DataError if a column is missing.
    """
    _check(loops, ("loop_id", "percentile"))
    _check(faults, ("loop_id", "kind", "strength", "verdict", "sentence", "brief"))
    found = faults.assign(
        row=pd.Index(loops["loop_id"]).get_indexer(pd.Index(faults["loop_id"])),
        bit=pd.Index(list(TITLES)).get_indexer(pd.Index(faults["kind"])),
        counts=~faults["kind"].isin(NO_EVIDENCE),
    )
    found = found[(found["row"] >= 0) & (found["bit"] >= 0)]
    detector = detector_evidence(loops["percentile"].to_numpy(np.float64))
    broken = fault_evidence(found[found["counts"]], len(loops))
    score = 1 - (1 - detector) * (1 - broken)
    sure = (found["verdict"] == "fault") & found["counts"]
    return loops.assign(
        triage_rank=_ranks(loops, score),
        triage_score=score,
        detector_evidence=detector,
        fault_evidence=broken,
        fault_kinds=_texts(_kinds(found), len(loops)),
        brief=_texts(_briefs(_unusual(found, len(loops))), len(loops)),
        faults=_bits(found[sure], len(loops)),
        suspicions=_bits(found[~sure], len(loops)),
    )


def with_triage(table: pd.DataFrame, triaged: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """`table` (one row per file) with TRIAGE_COLUMNS, first things first.

    `triaged` is what `triage_loops` gives; rows of loops that it does not know go. What is flagged: see `triage_rank`.
    """
    kept = table.drop(columns=[name for name in TRIAGE_COLUMNS if name in table])
    joined = kept.merge(triaged[["loop_id", *ORDER_COLUMNS, "faults"]], on="loop_id", validate="many_to_one")
    flagged = joined["is_anomaly"] if "is_anomaly" in joined else joined["detector_evidence"] >= DECISION
    said = _said(faults)
    ranks = joined["rank"] if "rank" in joined else [None] * len(joined)
    stands = map(percentile_in_words, joined["percentile"].astype(float), ranks)
    joined = joined.assign(
        triage=triage_groups(joined["faults"] != 0, flagged),
        reason=[" ".join([*said.get(loop, ()), words]) for loop, words in zip(joined["loop_id"], stands, strict=True)],
    )
    return joined.drop(columns="faults").sort_values("triage_rank", kind="stable", ignore_index=True)


def triage_groups(is_faulty: ArrayLike, is_anomaly: ArrayLike) -> npt.NDArray[np.object_]:
    """(n,) FAULTY, INTERESTING or NORMAL: faulty is what the checks are sure of, anomalous what the threshold flags."""
    unusual = np.where(np.asarray(is_anomaly, bool), INTERESTING, NORMAL)
    return np.where(np.asarray(is_faulty, bool), FAULTY, unusual).astype(object)


def detector_evidence(percentiles: Float) -> Float:
    """Percentiles (n,) of the training scores -> evidence (n,) 0 … 1; 0 for NaN (no score)."""
    return np.interp(np.nan_to_num(percentiles, nan=0.0), PERCENTILES, EVIDENCE)


def fault_evidence(found: pd.DataFrame, n: int) -> Float:
    """Evidence (n,) 0 … 1 from findings (row, kind, strength): the strongest of each cause, joined over the causes."""
    cause = found["kind"].map(CAUSES).fillna(found["kind"])
    strongest = found["strength"].groupby([found["row"], cause]).max()
    in_order = np.ones(n)
    np.multiply.at(in_order, strongest.index.get_level_values(0).to_numpy(np.int64), 1 - strongest.to_numpy())
    return 1 - in_order


def percentile_in_words(percentile: float, rank: int | None = None) -> str:
    """What a percentile means to somebody who listens, e.g. "Stands out more than 97 % of the collection."; `rank` 1 is
    that of the highest score. Never more than 99 %, as on the screen."""
    if np.isnan(percentile):
        return "Not scored by the detector."
    if rank == 1:
        return "Stands out most."
    return f"Stands out more than {min(99, int(percentile))} % of the collection."


def _ranks(loops: pd.DataFrame, score: Float) -> Int:
    """(n,) 1 for the highest score."""
    percentiles = loops["percentile"].to_numpy(np.float64)
    tie = loops["name"].astype(str).str.casefold() if "name" in loops else loops["loop_id"]
    order = np.lexsort((tie.to_numpy(str), -np.nan_to_num(percentiles, nan=-1.0), -score))
    ranks = np.empty(len(loops), np.int64)
    ranks[order] = np.arange(1, len(loops) + 1)
    return ranks


def _texts(by_row: Mapping[int, str], n: int) -> list[str]:
    return [by_row.get(row, "") for row in range(n)]


def _kinds(found: pd.DataFrame) -> dict[int, str]:
    """By row, the titles of what was found, strongest first."""
    kinds: dict[int, dict[str, None]] = {}
    ordered = found.sort_values("strength", ascending=False, kind="stable")
    for row, kind in zip(ordered["row"], ordered["kind"], strict=True):
        kinds.setdefault(row, {})[TITLES[kind]] = None
    return {row: ", ".join(titles) for row, titles in kinds.items()}


def _unusual(found: pd.DataFrame, n: int) -> pd.DataFrame:
    """The findings less what only informs and most of the loops share: that is how the folder was made."""
    informing = found[found["kind"].isin(INFORMING)]
    shares = informing.groupby("kind")["row"].nunique() / n
    usual = shares.index[shares > USUAL_SHARE] if n >= MIN_USUAL else shares.index[:0]
    return found[~found["kind"].isin(usual)]


def _briefs(found: pd.DataFrame) -> dict[int, str]:
    """By row, the main finding: evidence before what is none, a fault before a suspicion, the stronger first."""
    sure = found["verdict"] == "fault"
    order = np.lexsort((-found["strength"], ~sure, ~found["counts"]))
    main = found.iloc[order].drop_duplicates("row")
    return {
        row: brief if _is_sure(kind, verdict) else f"perhaps {brief}"
        for row, kind, verdict, brief in zip(main["row"], main["kind"], main["verdict"], main["brief"], strict=True)
    }


def _bits(found: pd.DataFrame, n: int) -> Int:
    """(n,) int32 bit sets of the findings' kinds."""
    bits = np.zeros(n, np.int32)
    np.bitwise_or.at(bits, found["row"].to_numpy(), np.left_shift(1, found["bit"].to_numpy()).astype(np.int32))
    return bits


def _said(faults: pd.DataFrame) -> dict[str, list[str]]:
    """The findings in sentences by loop_id, strongest first."""
    said: dict[str, list[str]] = {}
    ordered = faults.sort_values("strength", ascending=False, kind="stable")
    for loop_id, kind, verdict, sentence in ordered[["loop_id", "kind", "verdict", "sentence"]].to_numpy():
        said.setdefault(loop_id, []).append(sentence if _is_sure(kind, verdict) else f"Perhaps: {sentence}")
    return said


def _is_sure(kind: str, verdict: str) -> bool:
    return verdict == "fault" or kind in CERTAIN


def _check(table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(f"The table has no column {', '.join(missing)}; run the analysis and the fault checks first.")
