"""What a linter says of a file, and how much it weighs."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pandas as pd

from loopscope.analysis.triage import NO_EVIDENCE, TITLES
from loopscope.faults.base import CHECK_FAILED
from loopscope.library import Library

Level = Literal["unchecked", "fault", "outlier", "suspect", "note"]
WEIGHTS: dict[Level, int] = {"note": 0, "suspect": 1, "outlier": 1, "fault": 2, "unchecked": 3}
FAILING: dict[str, frozenset[Level]] = {
    "fault": frozenset({"fault"}),
    "suspect": frozenset({"fault", "suspect"}),
    "outlier": frozenset({"fault", "outlier"}),
}
OUTLIER = "outlier"
UNCHECKED: Level = "unchecked"
EXPECTED = {
    "expected_sample_rate": "Unexpected sample rate",
    "expected_bit_depth": "Unexpected bit depth",
    "expected_tempo": "Unexpected tempo",
    "expected_name": "Unexpected name",
    "expected_loudness": "Unexpected loudness",
}
KINDS = {**TITLES, **EXPECTED, OUTLIER: "Stands out"}


@dataclass(frozen=True)
class Finding:
    """One thing to say of one file. `times_s`: ascending seconds, empty where it has no place in time.

    `level`: "fault" is sure, "suspect" is not; "outlier" stands out by a model; "note" is worth knowing and breaks
    nothing; "unchecked" says that a check failed, so that nobody knows. `strength` is 0 … 1, `loop_id` empty for a file
    that is no loop.
    """

    path: str
    loop_id: str
    kind: str
    level: Level
    sentence: str
    times_s: tuple[float, ...] = ()
    strength: float = 1.0

    @property
    def said(self) -> str:
        """The sentence, which says of a suspicion that it is one."""
        return f"Perhaps: {self.sentence}" if self.level == "suspect" else self.sentence


def findings_of(library: Library, faults: pd.DataFrame) -> Iterator[Finding]:
    """The findings of the fault checks (as from `faults.check_library`), for every file that has that sound."""
    paths: dict[str, list[str]] = {}
    for loop_id, path in zip(library.loops["loop_id"], library.loops["path"], strict=True):
        paths.setdefault(loop_id, []).append(path)
    for row in faults.to_dict("records"):
        level = _level(row["kind"], row["verdict"])
        for path in paths[row["loop_id"]]:
            place = (path, row["loop_id"], row["kind"], level)
            yield Finding(*place, row["sentence"], tuple(row["times"]), row["strength"])


def _level(kind: str, verdict: Level) -> Level:
    if kind == CHECK_FAILED:
        return UNCHECKED
    return "note" if kind in NO_EVIDENCE else verdict


def left_out_findings(rejected: pd.DataFrame) -> Iterator[Finding]:
    """Files that are named like sound and are none that can be read (path, reason)."""
    for path, reason in zip(rejected["path"], rejected["reason"], strict=True):
        yield Finding(path, "", "unreadable", "fault", reason)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """File by file, the heavier first."""
    return tuple(
        sorted(findings, key=lambda one: (os.fsencode(one.path), -WEIGHTS[one.level], -one.strength, one.kind))
    )


def uri_in(path: str, root: Path) -> str:
    """The path as seen from `root`, percent-encoded byte by byte, so that any name survives."""
    return quote(os.fsencode(os.path.relpath(path, root)))
