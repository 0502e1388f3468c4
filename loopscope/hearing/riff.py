"""What a loop plays, whatever it sounds like: its notes over its length, to be found again in any key and tempo.

A riff is how much each of the 12 pitch classes sounds in each 64th of the loop, whatever that lasts: a sixteenth in a
loop of four bars. Octave, instrument and tempo leave it as it is; a transposed loop turns its classes, one that begins
elsewhere its steps.
"""

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.hearing.key import PITCHES, piano_roll
from loopscope.hearing.notes import Notes

CLASSES, STEPS = 12, 64
FEWEST_CLASSES = 2.0  # that take part in what changes: rhythms on one note are alike and no riff
FEWEST_NOTES = 6


def riff_of(notes: Notes, duration_s: float) -> Int | None:
    """(CLASSES, STEPS) uint8 of a whole loop, its loudest at 255; None where there is no riff in it."""
    if len(notes) < FEWEST_NOTES:
        return None
    roll = piano_roll(notes, duration_s, STEPS)
    classes = np.zeros((CLASSES, STEPS))
    np.add.at(classes, np.arange(PITCHES) % CLASSES, roll)
    riff = np.round(255 * np.sqrt(classes / max(float(classes.max()), 1e-9))).astype(np.uint8)
    strength = (changes(riff) ** 2).sum(axis=1)
    takes_part = strength.sum() ** 2 / max(float((strength**2).sum()), 1e-9)
    return riff if takes_part >= FEWEST_CLASSES else None


def changes(riffs: Float | Int) -> Float:
    """(…, CLASSES, STEPS) what of riffs changes with time, at length 1; what only lasts is the key and no riff."""
    moving = riffs - np.asarray(riffs, np.float32).mean(axis=-1, keepdims=True)
    length = np.sqrt((moving**2).sum(axis=(-2, -1), keepdims=True))
    return np.asarray(moving / np.maximum(length, 1e-6), dtype=np.float32)
