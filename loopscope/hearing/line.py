"""The line that a loop plays, one note after another, where it can be written down at all.

Steady notes that begin with an attack are nearly all right; chords and slow sounds are not, and nothing is said of
them (docs/EXPERIMENTS.md).
"""

from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.hearing.key import A4, PITCHES
from loopscope.hearing.notes import Notes

STEADY_CENTS = 20.0
SHORTEST_S = 0.08
WEAKEST = 0.15  # of the strongest note; weaker ones are mostly ghosts
FEWEST = 3
AT_ATTACK_S, NOTED_S = 0.06, 0.08  # a note begins so near an attack, an attack has a note so near
ATTACKED, NOTED = 0.7, 0.5  # of the notes begin with an attack, of the attacks have a note
TOGETHER = 0.1  # of the sounding time: more is chords
STEP_S = 0.01
LOUDEST = 127


@dataclass(frozen=True)
class Line:
    """Notes in the order of their beginning, (n,) each: `start_s`, `end_s`, `pitch` and `velocity` as in MIDI."""

    start_s: Float
    end_s: Float
    pitch: Int
    velocity: Int

    def __len__(self) -> int:
        return len(self.pitch)


def line_of(notes: Notes, attacks_s: Float, duration_s: float) -> Line | None:
    """The line of a loop with these notes and attacks (m,); None where they do not agree on one."""
    weight = notes.weight / max(float(notes.weight.max(initial=0.0)), 1e-9)
    lasting = notes.end_s - notes.start_s >= SHORTEST_S
    sure = (notes.spread <= STEADY_CENTS) & lasting & (weight >= WEAKEST)
    order = np.flatnonzero(sure)[np.argsort(notes.start_s[sure], kind="stable")]
    start_s, end_s = notes.start_s[order], np.minimum(notes.end_s[order], duration_s)
    pitch = np.round(notes.cents[order] / 100).astype(np.int64) + A4
    if not _agree(start_s, end_s, attacks_s, duration_s) or pitch.min() < 0 or pitch.max() >= PITCHES:
        return None
    for at in range(len(pitch) - 1):  # one key of a piano is struck anew, not twice at once
        later = np.flatnonzero(pitch[at + 1 :] == pitch[at])
        if len(later):
            end_s[at] = min(end_s[at], start_s[at + 1 + later[0]])
    velocity = np.clip(np.round(LOUDEST * np.sqrt(weight[order])), 1, LOUDEST).astype(np.int64)
    return Line(start_s, end_s, pitch, velocity)


def _agree(start_s: Float, end_s: Float, attacks_s: Float, duration_s: float) -> bool:
    """Whether these notes are one line that begins with the attacks."""
    if len(start_s) < FEWEST or not len(attacks_s):
        return False
    edges_s = np.concatenate([[0.0], attacks_s, [duration_s]])
    attacked = np.abs(start_s[:, None] - edges_s).min(axis=1) < AT_ATTACK_S
    noted = np.abs(attacks_s[:, None] - start_s).min(axis=1) < NOTED_S
    at_s = np.arange(0, duration_s, STEP_S)[:, None]
    sounding = ((start_s <= at_s) & (at_s < end_s)).sum(axis=1)
    together = int((sounding > 1).sum()) / max(int((sounding > 0).sum()), 1)
    return bool(attacked.mean() >= ATTACKED and noted.mean() >= NOTED and together <= TOGETHER)
