"""Families: groups of files with one content, of loops that nearly sound the same, of loops that play the same riff.

A group is all that pairs join, directly or by others; each has a keeper, suggested for what is measured and nothing
else: not clipped, then the higher rate, then the longer.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from loopscope.analysis.riffs import Riffs
from loopscope.arrays import Float, Int
from loopscope.embeddings import EmbeddingSet
from loopscope.embeddings.neighbours import pairs_above
from loopscope.errors import Cancelled
from loopscope.faults.duplicates import centred
from loopscope.progress import Progress, ProgressCallback, StopCheck

LEAST_ALIKE = 0.97  # cosine, the lowest that may be asked for
MOST_RIFFS = 5000  # each is asked against all, which takes a minute for so many
STAGE = "Finding the same riff"
CLIPPING = "clipping"


@dataclass(frozen=True, eq=False)
class Relations:
    """What is alike: `near` rows of `loop_ids` and their cosine, (m,) each; `riffs` pairs of loop_ids.

    `has_riffs`: whether riffs were compared, which takes too long in a library of more than MOST_RIFFS.
    """

    loop_ids: tuple[str, ...]
    near: tuple[Int, Int, Float]
    riffs: tuple[tuple[str, str], ...]
    has_riffs: bool

    def alike(self, cosine: float) -> list[tuple[str, str]]:
        """The pairs of loops that agree at least so far."""
        first, second, likeness = self.near
        close = likeness >= cosine
        return [(self.loop_ids[a], self.loop_ids[b]) for a, b in zip(first[close], second[close], strict=True)]


def find_relations(
    embeddings: EmbeddingSet, riffs: Riffs, on_progress: ProgressCallback, should_stop: StopCheck
) -> Relations:
    """Compares all loops of a library. Raises Cancelled when stopped, DataError where far too many are alike."""
    near = pairs_above(centred(embeddings.X), LEAST_ALIKE, on_progress, should_stop)
    has_riffs = len(riffs) <= MOST_RIFFS
    kin: set[tuple[str, str]] = set()
    for done, loop_id in enumerate(riffs.loop_ids if has_riffs else (), 1):
        if should_stop():
            raise Cancelled("The search for the same riff was stopped.")
        kin |= {(min(loop_id, other.loop_id), max(loop_id, other.loop_id)) for other in riffs.kin_of(loop_id)}
        on_progress(Progress(STAGE, done, len(riffs), unit="loops"))
    return Relations(embeddings.loop_ids, near, tuple(sorted(kin)), has_riffs)


def joined(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """The groups that pairs join, the largest first, each in order of its names."""
    leader: dict[str, str] = {}

    def led_by(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for first, second in pairs:
        leader[led_by(first)] = led_by(second)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(leader):
        groups[led_by(name)].append(name)
    return sorted(map(tuple, groups.values()), key=lambda group: (-len(group), group))


def families_of(groups: Sequence[Sequence[str]], unique: pd.DataFrame, clipped: Collection[str]) -> pd.DataFrame:
    """One row a loop: family (from 1), keep (bool), why (of the keeper), and loop_id, name, folder, duration_s,
    sample_rate of `unique` (as Library.unique), the keeper first. Loops that are not there are left out, and so are
    groups with fewer than two that are.
    """
    known = unique.set_index("loop_id", drop=False)
    present = [[loop_id for loop_id in group if loop_id in known.index] for group in groups]
    parts = []
    for number, group in enumerate((group for group in present if len(group) > 1), 1):
        rows = known.loc[group, ["loop_id", "name", "folder", "duration_s", "sample_rate", "path"]]
        keeper, why = keeper_of(rows, clipped)
        rows = rows.assign(family=number, keep=rows["loop_id"] == keeper)
        rows["why"] = np.where(rows["keep"], why or "alike in all that is measured", "")
        parts.append(rows.sort_values("keep", ascending=False, kind="stable"))
    if not parts:
        return known.head(0).assign(family=0, keep=False, why="")
    return pd.concat(parts, ignore_index=True)


def keeper_of(rows: pd.DataFrame, clipped: Collection[str]) -> tuple[str, str]:
    """Which of these loops (loop_id, sample_rate, duration_s, name) to keep, and why: "" where they are alike in all.

    The one that is not clipped, of the highest rate, the longest.
    """
    worth = [
        (loop_id not in clipped, int(rate), round(float(seconds), 1), str(name), str(loop_id))
        for loop_id, rate, seconds, name in zip(
            rows["loop_id"], rows["sample_rate"], rows["duration_s"], rows["name"], strict=True
        )
    ]
    _, rate, seconds, _, keeper = max(worth)
    differ = [len({values[at] for values in worth}) > 1 for at in range(3)]
    reasons = ("not clipped", f"{rate / 1000:g} kHz", f"{seconds:g} s")
    return keeper, ", ".join(reason for reason, tells in zip(reasons, differ, strict=True) if tells)


def clipped_loops(faults: pd.DataFrame | None) -> frozenset[str]:
    """The loops that are clipped by these findings; None: the checks have not run."""
    return frozenset() if faults is None else frozenset(faults.loc[faults["kind"] == CLIPPING, "loop_id"])
