"""The same riff in another sound, key or tempo: one loop against all that were ever listened to.

The measure is the highest circular cross-correlation of two riffs' `changes`, over 12 transpositions and shifts by
eighths of the loop (whole bars of 1 to 8), 1 for the same; a loop that repeats itself is compared as its half, too.
Correlating magnitudes of spectra can only give more: whoever is below there is ruled out without a shift, and where the
spectra go over the pitch classes, too, without a transposition.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.hearing.riff import CLASSES, STEPS, changes
from loopscope.late import late

SAME_RIFF = 0.88  # docs/EXPERIMENTS.md: no two different ones reach it
SHIFT = STEPS // 8
BLOCK = 4096  # riffs at once, which bounds memory
ASKED = 64  # riffs that all blocks are asked for at once
SLACK = 2e-3  # above the rounding of half floats
# Parseval's, of a spectrum of real numbers.
_SHARES = np.sqrt(np.r_[1.0, np.full(STEPS // 2 - 1, 2.0), 1.0] / STEPS).astype(np.float32)

fft = late("scipy.fft")


@dataclass(frozen=True)
class Kin:
    """A loop that plays the same riff, `semitones` higher (-5 to 6)."""

    loop_id: str
    likeness: float
    semitones: int


def within_octave(semitones: int) -> int:
    """The same pitch class, -5 to 6 semitones away."""
    return (semitones + 5) % CLASSES - 5


class Riffs:
    """Riffs of many loops, by loop_id: CLASSES × STEPS uint8 as from `riff_of`."""

    def __init__(self, riffs: Mapping[str, Int]) -> None:
        self._ids = tuple(riffs)
        shape = (len(riffs), CLASSES, STEPS)
        self._riffs = np.stack(list(riffs.values())) if riffs else np.empty(shape, np.uint8)
        self._row_of = {loop_id: row for row, loop_id in enumerate(self._ids)}

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def loop_ids(self) -> tuple[str, ...]:
        """Whose they are."""
        return self._ids

    def kin_of(self, loop_id: str, likeness: float = SAME_RIFF) -> list[Kin]:
        """Who plays the same riff at least so alike, the most alike first; nobody where it has none."""
        row = self._row_of.get(loop_id)
        if row is None:
            return []
        return [kin for kin in self.kin_of_riff(self._riffs[row], likeness) if kin.loop_id != loop_id]

    def kin_of_riff(self, riff: Int, likeness: float = SAME_RIFF) -> list[Kin]:
        """Who plays this riff, CLASSES × STEPS uint8 of any loop, at least so alike, the most alike first."""
        return next(self.kin_of_each([riff], likeness))

    def kin_of_each(self, riffs: Sequence[Int], likeness: float = SAME_RIFF) -> Iterator[list[Kin]]:
        """The same for many riffs, one after another, in less time."""
        for first in range(0, len(riffs), ASKED):
            asked = [list(_as_played(riff)) for riff in riffs[first : first + ASKED]]
            for own, possible in zip(asked, self._possible(asked, likeness), strict=True):
                found = [kin for rows in _blocks(possible) for kin in self._kin_among(rows, own, likeness)]
                yield sorted(found, key=lambda kin: (-kin.likeness, kin.loop_id))

    def _kin_among(self, rows: Int, asked: list[Float], likeness: float) -> list[Kin]:
        others = changes(self._riffs[rows])
        turned = [np.roll(_magnitude(riff), up, axis=0) for riff in asked for up in range(CLASSES)]
        possible = _most(_magnitude(others), turned) >= likeness - SLACK
        if not possible.any():
            return []
        alike, semitones = _best(asked, others[possible])
        return [
            Kin(self._ids[at], float(value), int(up))
            for at, value, up in zip(rows[possible], alike, semitones, strict=True)
            if value >= likeness
        ]

    @cached_property
    def _turnless(self) -> Float:
        """(n, CLASSES, STEPS // 2 + 1) of all, half floats."""
        blocks = (self._riffs[first : first + BLOCK] for first in range(0, len(self), BLOCK))
        return np.concatenate([np.asarray(_turnless(changes(block)), np.float16) for block in blocks])

    def _possible(self, asked: list[list[Float]], likeness: float) -> list[Int]:
        """For each riff the rows that not every transposition and shift brings below that."""
        queries = [[_turnless(riff) for riff in own] for own in asked]
        found: list[list[Int]] = [[] for _ in asked]
        for first in range(0, len(self), BLOCK):
            block = self._turnless[first : first + BLOCK].astype(np.float32)
            for rows, own in zip(found, queries, strict=True):
                rows.append(first + np.flatnonzero(_most(block, own) >= likeness - SLACK))
        return [np.concatenate([np.empty(0, np.int64), *rows]) for rows in found]


def _blocks(rows: Int) -> Iterator[Int]:
    for first in range(0, len(rows), BLOCK):
        yield rows[first : first + BLOCK]


def _most(others: Float, queries: Sequence[Float]) -> Float:
    """(n,) highest product of each of `others` with one of the queries, all of one shape."""
    products = others.reshape(len(others), -1) @ np.stack(queries).reshape(len(queries), -1).T
    return np.asarray(products.max(axis=1))


def _as_played(riff: Int) -> Iterator[Float]:
    """A riff, itself twice in the same time, and as its half where it is that half twice."""
    own = riff.astype(np.float32)
    twice = own.reshape(CLASSES, STEPS // 2, 2).mean(axis=2)
    half = own.reshape(CLASSES, 2, STEPS // 2).mean(axis=1)
    for played in (own, np.tile(twice, 2), np.repeat(half, 2, axis=1)):
        yield changes(played)


def _best(asked: list[Float], others: Float) -> tuple[Float, Int]:
    """(n,) highest correlation of each of `others` (n, CLASSES, STEPS), and how many semitones up it lies."""
    ways = [(riff, up, by) for riff in asked for up in range(CLASSES) for by in range(0, STEPS, SHIFT)]
    queries = np.stack([np.roll(riff, (up, by), axis=(0, 1)).ravel() for riff, up, by in ways])
    alike = others.reshape(len(others), -1) @ queries.T
    ups = np.array([up for _, up, _ in ways])[alike.argmax(axis=1)]
    return alike.max(axis=1), np.where(ups > 6, ups - CLASSES, ups)


def _magnitude(moving: Float) -> Float:
    """(…, CLASSES, STEPS // 2 + 1) float32 of (…, CLASSES, STEPS); no shift in time changes it."""
    return np.asarray(np.abs(fft.rfft(moving, axis=-1)) * _SHARES)


def _turnless(moving: Float) -> Float:
    """The same of spectra over the classes as well: no transposition changes it either."""
    return np.asarray(np.abs(fft.rfft2(moving, axes=(-2, -1))) * (_SHARES / np.float32(np.sqrt(CLASSES))))
