"""A folder at a glance: what the checks found by kind, what to mend first, and how its loops spread.

Conventions: tables hold one row per unique loop; copies of one file count once. Percent and counts are of loops.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from loopscope.analysis.triage import CERTAIN, NO_EVIDENCE, TITLES
from loopscope.library import Library

MOST_FIRST = 10
# What the checks measure of every loop: title, unit.
MEASURED = {
    "off_tuning": ("Tuning", "cents off a semitone at A = 440 Hz"),
    "off_level": ("Loudest 400 ms", "dBFS"),
    "peak": ("Peak", "dBFS"),
    "duration_s": ("Length", "s"),
}
QUARTILES = {"lowest": 0.0, "lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75, "highest": 1.0}


@dataclass(frozen=True)
class KindCount:
    """One kind of finding: in how many loops the checks are sure of it, and in how many not."""

    kind: str
    n_sure: int
    n_unsure: int

    @property
    def title(self) -> str:
        """As the lists and filters call it."""
        return TITLES[self.kind]

    @property
    def is_evidence(self) -> bool:
        """Whether it speaks against a loop; a copy of another does not."""
        return self.kind not in NO_EVIDENCE


@dataclass(frozen=True)
class FolderReport:
    """What was found in how many loops.

    `n_sound`: loops without a sure fault. `kinds`: what is sure in most loops first. `first`: loop_id, path, name, kind
    and sentence of the loops to mend first. `measured`: loop_id and one column per measurement (see MEASURED), NaN
    where a loop has none.
    """

    n_loops: int
    n_sound: int
    kinds: tuple[KindCount, ...]
    first: pd.DataFrame
    measured: pd.DataFrame

    @property
    def spreads(self) -> dict[str, dict[str, float]]:
        """By measurement: how many loops have it, extremes and quartiles in its unit. Left out where none has it."""
        known = {name: self.measured[name].dropna() for name in MEASURED if name in self.measured}
        return {
            name: {"loops": len(of)} | {said: round(float(of.quantile(q)), 3) for said, q in QUARTILES.items()}
            for name, of in known.items()
            if len(of)
        }


def report_folder(library: Library, faults: pd.DataFrame, values: Mapping[str, Mapping[str, float]]) -> FolderReport:
    """The report of a library whose loops were checked.

    `faults` as from `faults.check_library`; `values` by loop_id and measurement as from `faults.known_values`.
    """
    loops = library.unique
    found = faults[faults["loop_id"].isin(loops["loop_id"]) & faults["kind"].isin(TITLES)]
    sure = (found["verdict"] == "fault") | found["kind"].isin(CERTAIN)
    broken = found[(found["verdict"] == "fault") & ~found["kind"].isin(NO_EVIDENCE)]
    return FolderReport(
        n_loops=len(loops),
        n_sound=len(loops) - broken["loop_id"].nunique(),
        kinds=_kinds(found, sure),
        first=_first(broken, loops),
        measured=_measured(loops, values),
    )


def _kinds(found: pd.DataFrame, sure: pd.Series) -> tuple[KindCount, ...]:
    """Faults before what is worth knowing; in each, what most loops have first."""
    counts = [
        KindCount(str(kind), int(sure[of.index].sum()), int((~sure[of.index]).sum()))
        for kind, of in found.drop_duplicates(["loop_id", "kind"]).groupby("kind")
    ]
    return tuple(sorted(counts, key=lambda one: (not one.is_evidence, -one.n_sure, -one.n_unsure, one.title)))


def _first(broken: pd.DataFrame, loops: pd.DataFrame) -> pd.DataFrame:
    """The loops with the strongest sure faults, each with its strongest."""
    worst = broken.sort_values("strength", ascending=False, kind="stable").drop_duplicates("loop_id").head(MOST_FIRST)
    named = worst[["loop_id", "kind", "sentence"]].merge(
        loops[["loop_id", "path", "name"]], on="loop_id", validate="one_to_one"
    )
    return named[["loop_id", "path", "name", "kind", "sentence"]]


def _measured(loops: pd.DataFrame, values: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    known = pd.DataFrame.from_dict({loop_id: values.get(loop_id, {}) for loop_id in loops["loop_id"]}, orient="index")
    known = known.reindex(loops["loop_id"]).reset_index(drop=True).replace([np.inf, -np.inf], np.nan)
    return pd.concat([loops[["loop_id", "duration_s"]].reset_index(drop=True), known], axis=1)


def as_record(report: FolderReport) -> dict[str, Any]:
    """The report as JSON can hold it."""
    return {
        "loops": report.n_loops,
        "loops_without_fault": report.n_sound,
        "findings": [
            {"kind": one.kind, "title": one.title, "sure": one.n_sure, "unsure": one.n_unsure} for one in report.kinds
        ],
        "mend_first": report.first.to_dict("records"),
        "measured": {name: {"unit": MEASURED[name][1]} | spread for name, spread in report.spreads.items()},
    }
