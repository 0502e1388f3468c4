"""What marks teach: a Gaussian process on what the evidence of the detector leaves over, and the order that follows.

A mark says how unusual its loop is; the difference to the evidence is spread over the loops that sound like it
(`analysis.resemblance`), so that without marks, and far from all of them, everything is as the detector says:

    p = p0 + K (K + noise · I)^-1 (y - p0)

The first marks lie at the top of a list and say little of the rest of it, so K grows with their number m, as
m / (m + 60): at once at full weight they made the order of the unmarked worse (docs/EXPERIMENTS.md).

"quarantine" and "love" ask for evidence 1, "keep" for 0. A quarantined loop in which the checks found a fault asks only
for what the fault does not explain: a click teaches nothing of the sound around it. Where a loop was kept or loved,
faults found in itself count no longer. Faults of other loops count as before, whatever was marked.

Written out, as scikit-learn's regressor takes no kernel that is a sum over different descriptions of a loop, knows no
prior but a constant, and holds all of K in double precision at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from loopscope.analysis.resemblance import Kernel, Resemblance
from loopscope.arrays import Float, Int

WANTED = {"keep": 0.0, "quarantine": 1.0, "love": 1.0}  # evidence that a mark asks for
QUARANTINE = "quarantine"
SAID = {"keep": "kept", "quarantine": "quarantined", "love": "loved"}
NOISE = 0.15  # variance of what a mark says
HALF_TRUSTED = 60  # marks, at which they have half of their full weight
NOTICED = 0.004  # a smaller shift of the evidence is not worth a reason
ALIKE = 0.5  # of what a mark says of its own loop: below, nobody hears why
MOST_HEARD = 256  # marks that say how sure one is, for their work grows with the square; by loop_id, which is by chance
TINY = np.float32(1e-12)  # of a loop that no kernel knows
BLOCK_ROWS = 2048  # whose values stay in the processor's cache


@dataclass(frozen=True)
class Lesson:
    """What m marks teach of n loops.

    `shift` (n,) is added to the evidence, positive = more anomalous. `because` (n,) is the number of the mark that
    carries most of a loop's shift, of those that ask for the same direction; -1 where that loop sounds hardly like it.
    `unsure` (n,) float32 is the share of the variance that marks at full weight leave: 1 where they say nothing.
    """

    shift: Float
    because: Int
    unsure: Float


@dataclass(frozen=True)
class Taught:
    """The order that marks make of n loops, in the order of their table.

    `ranks` (n,) 1 = to be heard first; `score` (n,) 0 … 1, that of triage; `evidence` (n,) 0 … 1, the detector's;
    `shift` (n,) what was added to that, positive = more anomalous. `marked` names the marked loops, ascending;
    `because` (n,) which of them carries most of a loop's shift, -1 where that is not worth a reason; `unsure` (n,)
    0 … 1, how much of a loop they leave open.
    """

    ranks: Int
    score: Float
    evidence: Float
    shift: Float
    marked: tuple[str, ...]
    because: Int
    unsure: Float


def learn(kernels: Sequence[Kernel], n_loops: int, rows: Int, residuals: Float, trust: float = 1.0) -> Lesson:
    """What marks on `rows` (m,), each another, teach of all loops; `residuals` (m,): evidence asked for less that there
    is; the kernels count `trust` times. Memory does not grow with n · m.
    """
    shift, because, unsure = np.zeros(n_loops), np.full(n_loops, -1), np.ones(n_loops, np.float32)
    if not len(rows):
        return Lesson(shift, because, unsure)
    K = _sum(kernels, rows, rows).astype(np.float64)
    weights = (trust * np.linalg.solve(trust * K + NOISE * np.eye(len(rows)), residuals)).astype(np.float32)
    whitening = _whitening(K[:MOST_HEARD, :MOST_HEARD])
    speaking = np.where(np.sign(weights) == np.sign(residuals), weights, 0)  # others only correct their neighbours
    for start in range(0, n_loops, BLOCK_ROWS):
        block = slice(start, min(start + BLOCK_ROWS, n_loops))
        values = _sum(kernels, block, rows)
        shift[block] = total = values @ weights
        carried = values * speaking
        best = np.where(total > 0, carried.argmax(axis=1), carried.argmin(axis=1))
        at_best = np.arange(len(best)), best
        speaks = (carried[at_best] * total > 0) & (values[at_best] >= ALIKE * K[best, best])
        because[block] = np.where(speaks, best, -1)
        told = values[:, :MOST_HEARD] @ whitening
        prior = np.sum([kernel.own(block) for kernel in kernels], axis=0)
        unsure[block] = np.clip(1 - np.einsum("nm,nm->n", told, told) / np.maximum(prior, TINY), 0.01, 1)
    return Lesson(shift, because, unsure)


def _whitening(K: Float) -> Float:
    """(m, m) float32 of kernel values among m marks: rows of k times it have the square that the variance falls by."""
    root = np.linalg.cholesky(K + NOISE * np.eye(len(K)))
    return np.linalg.inv(root).T.astype(np.float32)


class Feedback:
    """What marks make of one order; built once, asked again after every mark.

    `triaged` is what `analysis.triage.triage_loops` gives. Loops without a score, or that `resemblance` does not know,
    keep their evidence, and marks on them teach nothing. `elsewhere`: the detector's evidence on loops that are not in
    the table, by loop_id; marks on them teach too.
    """

    def __init__(
        self, triaged: pd.DataFrame, resemblance: Resemblance, elsewhere: Mapping[str, float] | None = None
    ) -> None:
        self._row_of = {loop_id: row for row, loop_id in enumerate(triaged["loop_id"])}
        self._before = triaged["triage_rank"].to_numpy(np.int64)
        self._detector = triaged["detector_evidence"].to_numpy(np.float64)
        self._faults = triaged["fault_evidence"].to_numpy(np.float64)
        self._elsewhere = dict(elsewhere or {})
        self._kernels = resemblance.kernels
        self._kernel_row = {loop_id: row for row, loop_id in enumerate(resemblance.loop_ids)}
        known = [self._kernel_row.get(loop_id, -1) for loop_id in triaged["loop_id"]]
        self._known = np.where(triaged["percentile"].isna(), -1, np.array(known, np.int64))

    def taught(self, marks: Mapping[str, str]) -> Taught:
        """The order that marks make (loop_id -> keep, quarantine or love); those of other loops are ignored.

        Without marks ranks, scores and evidence are those of the table, bit for bit; in which order marks came changes
        nothing.
        """
        known = {loop_id: mark for loop_id, mark in marks.items() if mark in WANTED}
        marked = tuple(sorted(loop_id for loop_id in known if self._teaches(loop_id)))
        faults = self._faults.copy()
        faults[[self._row_of[loop_id] for loop_id in known.keys() & self._row_of if known[loop_id] != QUARANTINE]] = 0.0
        lesson = self._lesson(marked, known)
        shift = np.where(self._known >= 0, lesson.shift[self._known], 0.0)
        noticed = (self._known >= 0) & (np.abs(shift) >= NOTICED)
        evidence = np.clip(self._detector + shift, 0.0, 1.0)
        score = 1 - (1 - evidence) * (1 - faults)
        ranks = np.empty(len(score), np.int64)  # of equal scores the higher evidence first, however far off the scale
        ranks[np.lexsort((self._before, -(self._detector + shift), -score))] = np.arange(1, len(score) + 1)
        unsure = np.where(self._known >= 0, lesson.unsure[self._known], np.float32(1))
        return Taught(ranks, score, evidence, shift, marked, np.where(noticed, lesson.because[self._known], -1), unsure)

    def _teaches(self, loop_id: str) -> bool:
        row = self._row_of.get(loop_id)
        if row is None:
            return loop_id in self._elsewhere and loop_id in self._kernel_row
        return bool(self._known[row] >= 0)

    def _lesson(self, marked: Sequence[str], marks: Mapping[str, str]) -> Lesson:
        rows = np.array([self._kernel_row[loop_id] for loop_id in marked], np.int64)
        left = np.array([WANTED[marks[loop_id]] - self._explained(loop_id, marks[loop_id]) for loop_id in marked])
        return learn(self._kernels, len(self._kernel_row), rows, left, len(rows) / (len(rows) + HALF_TRUSTED))

    def _explained(self, loop_id: str, mark: str) -> float:
        """How much of what a mark asks for is known."""
        row = self._row_of.get(loop_id)
        if row is None:
            return self._elsewhere[loop_id]
        detector, fault = float(self._detector[row]), float(self._faults[row])
        return 1 - (1 - detector) * (1 - fault) if mark == QUARANTINE else detector


def moved_in_words(taught: Taught, row: int, before: int, like: str, mark: str | None) -> str:
    """How far marks moved a loop from its rank `before`, and because of which; "" where only others moved.

    `like`: name of the loop that moved it, "" where that is of another folder; `mark`: the mark on it.
    """
    after, shift = int(taught.ranks[row]), taught.shift[row]
    if mark not in SAID or after == before or (after < before) != (shift > 0):
        return ""
    way, of = "up" if after < before else "down", like or "a loop of the model's library"
    return f"Your marks moved it {way} from place {before:,} to {after:,}: it sounds like {of}, which you {SAID[mark]}."


def _sum(kernels: Sequence[Kernel], rows: Int | slice, others: Int) -> Float:
    first, *rest = (kernel.between(rows, others) for kernel in kernels)
    for values in rest:
        first += values
    return first
