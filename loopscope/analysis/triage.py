"""One order in which to listen: what the detector finds unusual joined with what the signal checks find broken.

Both are first put on one scale of evidence from 0 to 1 on which 0.5 is the point of decision: for the detector a
percentile of 95 (the threshold of the paper, section 5.4), for the checks the limit of the verdict "fault". Evidence
adds up as chances of independent alarms do: 1 - (1 - detector) · (1 - fault). The two parts stay visible beside the
sum, and decide the group: a broken loop is "probably faulty", an unusual one without a fault "probably interesting".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from loopscope.arrays import Float
from loopscope.errors import DataError
from loopscope.faults import LIMITS

FAULTY, INTERESTING, NORMAL = "probably faulty", "probably interesting", "normal"
TRIAGE_COLUMNS = (
    "triage_rank",
    "triage_score",
    "detector_evidence",
    "fault_evidence",
    "fault_kinds",
    "triage",
    "reason",
)
PERCENTILES = (0.0, 80.0, 90.0, 95.0, 99.0, 100.0)
EVIDENCE = (0.0, 0.1, 0.25, 0.5, 0.8, 1.0)
DECISION = 0.5
NO_EVIDENCE = frozenset({"duplicate", "near_duplicate"})  # worth knowing, but neither broken nor unusual
TITLES = {kind: limit.title for kind, limit in LIMITS.items()} | {
    "duplicate": "Duplicate",
    "near_duplicate": "Near duplicate",
    "unreadable": "Unreadable",
}


def triage_rank(table: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """`table` with TRIAGE_COLUMNS, the loop to look at first on top.

    `table` has loop_id and percentile (0 … 100, NaN where a loop has no score), one row per file; copies of one loop
    share a rank. `faults` is the table of findings of `faults.check_library`; findings of other loops are ignored.
    Ties are broken by the percentile, then by loop_id. Raises DataError if a column is missing.
    """
    _check(table, ("loop_id", "percentile"))
    _check(faults, ("loop_id", "kind", "strength", "verdict", "sentence"))
    loops = table.drop_duplicates("loop_id")[["loop_id", "percentile"]].set_index("loop_id")
    loops["detector_evidence"] = detector_evidence(loops["percentile"].to_numpy(dtype=np.float64))
    found = _by_loop(faults)
    findings = [found.get(loop_id, []) for loop_id in loops.index]
    loops["fault_evidence"] = [_strength(rows) for rows in findings]
    loops["triage_score"] = 1 - (1 - loops["detector_evidence"]) * (1 - loops["fault_evidence"])
    loops["fault_kinds"] = [_kinds(rows) for rows in findings]
    loops["triage"] = [_group(d, rows) for d, rows in zip(loops["detector_evidence"], findings, strict=True)]
    loops["reason"] = [_reason(p, rows) for p, rows in zip(loops["percentile"], findings, strict=True)]
    ordered = loops.rename_axis("loop_id").reset_index()
    ordered = ordered.sort_values(["triage_score", "percentile", "loop_id"], ascending=[False, False, True])
    ordered["triage_rank"] = np.arange(1, len(ordered) + 1)
    kept = table.drop(columns=[name for name in TRIAGE_COLUMNS if name in table])
    joined = kept.merge(ordered[["loop_id", *TRIAGE_COLUMNS]], on="loop_id", how="left", validate="many_to_one")
    return joined.sort_values("triage_rank", kind="stable", ignore_index=True)


def detector_evidence(percentiles: Float) -> Float:
    """Percentiles (n,) of the training scores -> evidence (n,) 0 … 1; 0 for NaN (no score)."""
    return np.interp(np.nan_to_num(percentiles, nan=0.0), PERCENTILES, EVIDENCE)


def percentile_in_words(percentile: float) -> str:
    """What a percentile means to somebody who listens, e.g. "More unusual than 97 % of the collection."."""
    if np.isnan(percentile):
        return "Not scored by the detector."
    if percentile >= 100:
        return "More unusual than anything in the collection."
    share = f"{percentile:.1f}".removesuffix(".0") if percentile > 99 else f"{percentile:.0f}"
    return f"More unusual than {share} % of the collection."


def _by_loop(faults: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Findings by loop_id, strongest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(faults.to_dict("records"), key=lambda row: -row["strength"]):
        found.setdefault(row["loop_id"], []).append({str(name): value for name, value in row.items()})
    return found


def _strength(findings: Sequence[dict[str, Any]]) -> float:
    return max((float(row["strength"]) for row in findings if row["kind"] not in NO_EVIDENCE), default=0.0)


def _kinds(findings: Sequence[dict[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(TITLES.get(row["kind"], row["kind"]) for row in findings))


def _group(detector: float, findings: Sequence[dict[str, Any]]) -> str:
    if any(row["verdict"] == "fault" for row in findings):
        return FAULTY
    return INTERESTING if detector >= DECISION else NORMAL


def _reason(percentile: float, findings: Sequence[dict[str, Any]]) -> str:
    """Findings strongest first, then what the detector says."""
    said = [row["sentence"] if row["verdict"] == "fault" else f"Perhaps: {row['sentence']}" for row in findings]
    return " ".join([*said, percentile_in_words(float(percentile))])


def _check(table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(f"The table has no column {', '.join(missing)}; run the analysis and the fault checks first.")
