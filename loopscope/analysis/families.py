"""Families: groups of files with one content, of loops that nearly sound the same, of loops that play the same riff.

A group is all that pairs join, directly or by others; each has a keeper, suggested for what is measured and nothing
else: not clipped, then the higher rate, then the longer.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from loopscope.analysis.riffs import Riffs, within_octave
from loopscope.arrays import Float, Int
from loopscope.embeddings import EmbeddingSet
from loopscope.embeddings.neighbours import TooManyPairsError, pairs_above
from loopscope.errors import Cancelled
from loopscope.faults.duplicates import centred
from loopscope.faults.limits import SAME_SOUND_COSINE
from loopscope.progress import Progress, ProgressCallback, StopCheck

LEAST_ALIKE = 0.97  # cosine, the lowest that may be asked for
MOST_RIFFS = 5000  # each is asked against all, which takes a minute for so many
STAGE = "Finding the same riff"
CLIPPING = "clipping"
ALIKE, ALONE = "alike in all that is measured", "the others are quarantined"


@dataclass(frozen=True, eq=False)
class Relations:
    """What is alike: `near` rows of `loop_ids` and their cosine, (m,) each; `riffs` pairs of loop_ids, and how many
    semitones the second of them plays higher, -5 to 6.

    `n_riffs`: of how many loops a riff was known, which were too many above `most_riffs`. `least`: the cosine that
    `near` reaches down to, None where even copies are too many to be listed.
    """

    loop_ids: tuple[str, ...]
    near: tuple[Int, Int, Float]
    riffs: tuple[tuple[str, str, int], ...]
    n_riffs: int
    least: float | None = LEAST_ALIKE
    most_riffs: int = MOST_RIFFS

    @property
    def has_riffs(self) -> bool:
        """Whether riffs were compared, which takes too long for very many."""
        return self.n_riffs <= self.most_riffs

    @property
    def same_riff(self) -> list[tuple[str, str]]:
        """The pairs of loops that play one riff."""
        return [(first, second) for first, second, _ in self.riffs]

    def matched(self) -> frozenset[str]:
        """Every loop that is alike another one."""
        first, second, _ = self.near
        near = (self.loop_ids[row] for row in np.union1d(first, second))
        return frozenset(near) | {loop_id for pair in self.same_riff for loop_id in pair}

    def alike(self, cosine: float) -> list[tuple[str, str]]:
        """The pairs of loops that agree at least so far."""
        first, second, likeness = self.near
        close = likeness >= cosine
        return [(self.loop_ids[a], self.loop_ids[b]) for a, b in zip(first[close], second[close], strict=True)]


def find_relations(
    embeddings: EmbeddingSet, riffs: Riffs, on_progress: ProgressCallback, should_stop: StopCheck
) -> Relations:
    """Compares all loops of a library. Raises Cancelled when stopped."""
    near, least = _near(embeddings, on_progress, should_stop)
    kin: dict[tuple[str, str], int] = {}
    for done, loop_id in enumerate(riffs.loop_ids if len(riffs) <= MOST_RIFFS else (), 1):
        if should_stop():
            raise Cancelled("The search for the same riff was stopped.")
        for other in riffs.kin_of(loop_id):
            if loop_id < other.loop_id:
                kin.setdefault((loop_id, other.loop_id), other.semitones)
            else:
                kin.setdefault((other.loop_id, loop_id), within_octave(-other.semitones))
        on_progress(Progress(STAGE, done, len(riffs), unit="loops"))
    found = tuple((*pair, up) for pair, up in sorted(kin.items()))
    return Relations(embeddings.loop_ids, near, found, len(riffs), least)


def _near(
    embeddings: EmbeddingSet, on_progress: ProgressCallback, should_stop: StopCheck
) -> tuple[tuple[Int, Int, Float], float | None]:
    """Pairs down to the lowest cosine at which they can be listed, and that; nobody and None where there is none."""
    X = centred(embeddings.X)
    for least in (LEAST_ALIKE, SAME_SOUND_COSINE):
        with suppress(TooManyPairsError):
            return pairs_above(X, least, on_progress, should_stop), least
    nobody = np.empty(0, np.int64)
    return (nobody, nobody, np.empty(0)), None


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


def semitones_of(table: pd.DataFrame, riffs: Iterable[tuple[str, str, int]]) -> list[int | None]:
    """By how many semitones each loop of `table` (as from `families_of`) plays the riff higher than its family's
    keeper, -5 to 6, by way of others where no pair says it; None where no way leads there.
    """
    ways: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for first, second, up in riffs:
        ways[first].append((second, up))
        ways[second].append((first, -up))
    heights: dict[tuple[int, str], int] = {}
    for family, loop_id in table.loc[table["keep"], ["family", "loop_id"]].itertuples(index=False):
        own = {loop_id: 0}
        waiting = deque([loop_id])
        while waiting:
            present = waiting.popleft()
            for other, up in ways[present]:
                if other not in own:
                    own[other] = within_octave(own[present] + up)
                    waiting.append(other)
        heights |= {(family, other): up for other, up in own.items()}
    rows = table[["family", "loop_id"]].itertuples(index=False, name=None)
    return [heights.get((family, loop_id)) for family, loop_id in rows]


def families_of(
    groups: Sequence[Sequence[str]],
    unique: pd.DataFrame,
    clipped: Collection[str],
    quarantined: Collection[str] = frozenset(),
) -> pd.DataFrame:
    """One row a loop: family (from 1), keep (bool), why (of the keeper), and loop_id, name, folder, duration_s,
    sample_rate, path of `unique` (as Library.unique), the keeper first. Loops that are not there are left out, and so
    are groups with fewer than two that are, or with none to keep: nobody keeps what is quarantined.
    """
    ids = [loop_id for group in groups for loop_id in group]
    number = np.repeat(np.arange(len(groups)), np.array([len(group) for group in groups], dtype=np.int64))
    at = pd.Index(unique["loop_id"]).get_indexer(pd.Index(ids, dtype=object))
    columns = ["loop_id", "name", "folder", "duration_s", "sample_rate", "path"]
    rows = unique[columns].iloc[at[at >= 0]].assign(family=number[at >= 0])
    free = ~rows["loop_id"].isin(list(quarantined))
    several = rows.groupby("family")["loop_id"].transform("size") > 1
    rows = rows[several & free.groupby(rows["family"]).transform("any")]
    rows["family"] = rows["family"].rank(method="dense").astype("int64")
    return _with_keepers(rows, clipped, quarantined)


def keeper_of(rows: pd.DataFrame, clipped: Collection[str]) -> tuple[str, str]:
    """Which of these loops (loop_id, sample_rate, duration_s, name) to keep, and why: "" where they are alike in all.

    The one that is not clipped, of the highest rate, the longest.
    """
    keeper = _with_keepers(rows.assign(family=1), clipped).iloc[0]
    return str(keeper["loop_id"]), "" if keeper["why"] in (ALIKE, ALONE) else str(keeper["why"])


def _with_keepers(rows: pd.DataFrame, clipped: Collection[str], quarantined: Collection[str] = ()) -> pd.DataFrame:
    """`rows` by family with keep and why, the keeper first, the others in their order."""
    rows = rows.reset_index(drop=True)
    worth = pd.DataFrame(
        {
            "family": rows["family"],
            "clean": ~rows["loop_id"].isin(list(clipped)),
            "rate": rows["sample_rate"],
            "seconds": rows["duration_s"].astype("float64").round(1),
            "name": rows["name"],
            "loop_id": rows["loop_id"],
        }
    )[~rows["loop_id"].isin(list(quarantined))]
    best = worth.sort_values(list(worth.columns), ascending=False).drop_duplicates("family")
    candidates = worth.groupby("family")[["clean", "rate", "seconds"]]
    differ = (candidates.max() != candidates.min()).loc[best["family"]]
    alone = candidates.size().loc[best["family"]] == 1
    why = np.full(len(rows), "", dtype=object)
    why[best.index.to_numpy()] = [
        ", ".join(reason for reason, tells in zip(_reasons(rate, seconds), telling, strict=True) if tells)
        or (ALONE if is_alone else ALIKE)
        for rate, seconds, telling, is_alone in zip(
            best["rate"], best["seconds"], differ.to_numpy(), alone, strict=True
        )
    ]
    marked = rows.assign(keep=rows.index.isin(best.index), why=why)
    return marked.sort_values(["family", "keep"], ascending=[True, False], kind="stable", ignore_index=True)


def _reasons(rate: float, seconds: float) -> tuple[str, str, str]:
    return "not clipped", f"{rate / 1000:g} kHz", f"{seconds:g} s"


def clipped_loops(faults: pd.DataFrame | None) -> frozenset[str]:
    """The loops that are clipped by these findings; None: the checks have not run."""
    return frozenset() if faults is None else frozenset(faults.loc[faults["kind"] == CLIPPING, "loop_id"])
