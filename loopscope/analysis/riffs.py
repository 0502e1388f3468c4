"""The same riff in another sound, key or tempo: one loop against all that were ever listened to.

The measure is the highest circular cross-correlation of two riffs' `changes`, over 12 transpositions and shifts by
eighths of the loop (whole bars of 1 to 8), 1 for the same; a loop that repeats itself is compared as its half, too.
Correlating magnitudes of spectra can only give more: whoever is below there is ruled out without a shift.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.hearing.riff import CLASSES, STEPS, changes

SAME_RIFF = 0.88  # docs/EXPERIMENTS.md: no two different ones reach it
SHIFT = STEPS // 8
BLOCK = 4096  # riffs at once, which bounds memory
SLACK = 2e-3  # above the rounding of half floats
_SHARES = np.sqrt(np.r_[1.0, np.full(STEPS // 2 - 1, 2.0), 1.0] / STEPS)  # Parseval's, of a spectrum of real numbers


@dataclass(frozen=True)
class Kin:
    """A loop that plays the same riff, `semitones` higher (-5 to 6)."""

    loop_id: str
    likeness: float
    semitones: int


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
        asked = list(_as_played(self._riffs[row]))
        possible = self._possible(asked, likeness)
        possible = possible[possible != row]
        found = []
        for first in range(0, len(possible), BLOCK):
            rows = possible[first : first + BLOCK]
            alike, semitones = _best(asked, changes(self._riffs[rows]))
            found += [
                Kin(self._ids[at], float(value), int(up))
                for at, value, up in zip(rows, alike, semitones, strict=True)
                if value >= likeness
            ]
        return sorted(found, key=lambda kin: (-kin.likeness, kin.loop_id))

    @cached_property
    def _magnitudes(self) -> Float:
        """(n, CLASSES * (STEPS // 2 + 1)) of all, half floats."""
        blocks = (self._riffs[first : first + BLOCK] for first in range(0, len(self), BLOCK))
        return np.concatenate([np.asarray(_magnitude(changes(block)), np.float16) for block in blocks])

    def _possible(self, asked: list[Float], likeness: float) -> Int:
        """Rows that no transposition and no shift at all brings below that."""
        turned = [np.roll(_magnitude(riff).reshape(CLASSES, -1), up, axis=0) for riff in asked for up in range(CLASSES)]
        queries = np.stack(turned).reshape(len(turned), -1)
        most = np.empty(len(self), np.float32)
        for first in range(0, len(self), BLOCK):
            block = self._magnitudes[first : first + BLOCK].astype(np.float32)
            most[first : first + BLOCK] = (block @ queries.T).max(axis=1)
        return np.flatnonzero(most >= likeness - SLACK)


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
    """(n, CLASSES * (STEPS // 2 + 1)) float32 of (n, CLASSES, STEPS), or of one; no shift in time changes it."""
    spectrum = np.abs(np.fft.rfft(moving, axis=-1)) * _SHARES
    return np.asarray(spectrum.reshape(-1, CLASSES * (STEPS // 2 + 1)), dtype=np.float32)
