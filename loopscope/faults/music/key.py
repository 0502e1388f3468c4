"""Which keys the notes of a loop speak against; what its name says is looked up in `faults.named_keys`.

A name that changes asks for no second hearing, so the check leaves no finding but one number to keep: a set of keys.
"""

from dataclasses import dataclass

import numpy as np

from loopscope.faults.base import NO_VALUE, Measurement, Signal
from loopscope.faults.limits import LIMITS, OTHER_KEY
from loopscope.faults.music.notes import find_notes
from loopscope.hearing.key import KEY_FROM, key_number, odds_against, weigh_keys
from loopscope.hearing.tempo import LONGEST_S

N_KEYS, KEY_BITS = 24, 5


@dataclass(frozen=True)
class Contradicted:
    """The numbers of `keys` that a loop is not in, of the one that it is surely in and of that of its tags, if any."""

    keys: frozenset[int]
    heard: int | None = None
    tagged: int | None = None

    @property
    def packed(self) -> float:
        """A whole number below 2 to the 34th: a bit a key, then the other two in five bits each, 0 for none."""
        others = [0 if key is None else key + 1 for key in (self.heard, self.tagged)]
        return float(sum(1 << key for key in self.keys) + (others[0] << N_KEYS) + (others[1] << N_KEYS + KEY_BITS))


def unpacked(value: float) -> Contradicted:
    """From `Contradicted.packed`."""
    number = int(value)
    keys = frozenset(key for key in range(N_KEYS) if number >> key & 1)
    heard, tagged = (number >> N_KEYS + shift & (1 << KEY_BITS) - 1 for shift in (0, KEY_BITS))
    return Contradicted(keys, heard - 1 if heard else None, tagged - 1 if tagged else None)


def measure_contradicted_keys(signal: Signal) -> Measurement:
    """Score: `Contradicted.packed`; no value where nothing is contradicted, and of what is longer than a loop."""
    if signal.duration_s > LONGEST_S:
        return NO_VALUE
    notes = signal.once(find_notes)
    odds = odds_against(notes, signal.duration_s)
    against = frozenset(np.flatnonzero(odds >= LIMITS[OTHER_KEY].suspect).tolist())
    if not against:
        return NO_VALUE
    heard, probability = weigh_keys(notes, signal.duration_s).best
    sure = key_number(heard) if probability >= KEY_FROM else None
    tagged = None if signal.tagged_key is None else key_number(signal.tagged_key)
    return Measurement(Contradicted(against, sure, tagged).packed)
