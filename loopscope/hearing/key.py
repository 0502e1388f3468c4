"""Key of a loop, from its notes: which seem to be its home, and which third and seventh go with it.

A small model weighs all 24 keys by how much their root, fifth and fourth sound, all together, in the bass, at the
beginning and at the end, and by what speaks for major or minor. The root is heard more surely than the mode: of a loop
without a third nobody can tell it.
"""

from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.hearing.choice import Choice, choice_of
from loopscope.hearing.notes import Notes

ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
A4 = 69  # its MIDI number
PITCHES = 128
SEGMENT_S = 0.25
EARLY_S = 0.09  # by half a window a note is found too late
MIN_LENGTH_S = 0.05
LEAST = 0.01  # of the strongest pitch in any segment; less is a ghost
LOUD = 0.25  # of the segment's strongest pitch: such is its bass
SOUNDING = 0.05  # of the loop's strongest: quieter segments have no bass
OFTEN = 0.1  # of the most frequent pitch: such is the loop's lowest note
HEAD = 8  # the first eighth of a loop
MIN_NOTES = 3
TONAL = 0.3  # of the loop's length in steady notes; less is no music of pitches
STEADY_CENTS = 20.0
TINY = 1e-300
KEY_FROM, TONIC_FROM = 0.6, 0.7  # probability from which each is shown (docs/BENCHMARKS.md)

OUTSIDE = ((1, 3, 6, 8, 10), (1, 4, 6, 9, 11))  # of major and natural minor, semitones above the root
SEVENTH = (11, 10)
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
STEPS = {"root": 0, "fifth": 7, "fourth": 5}


@dataclass(frozen=True)
class Keys:
    """`probability` (24,) of each key, majors from C upwards, then minors; empty where there is no music of pitches."""

    probability: Float

    @property
    def best(self) -> tuple[str, float]:
        """The likeliest key, such as "F#m", and its probability; ("", 0) where there is none."""
        if not len(self.probability):
            return "", 0.0
        key = int(self.probability.argmax())
        return key_name(key), float(self.probability[key])

    @property
    def tonic(self) -> tuple[str, float]:
        """The likeliest root, of major and minor together, and its probability; ("", 0) where there is none."""
        if not len(self.probability):
            return "", 0.0
        roots = self.probability.reshape(2, 12).sum(axis=0)
        return ROOTS[int(roots.argmax())], float(roots.max())


def key_name(key: int) -> str:
    """0 is "C", 12 "Cm"."""
    return ROOTS[key % 12] + ("m" if key >= 12 else "")


def key_number(name: str) -> int:
    """The number of a key in whatever spelling: that of "C" is 0, of "Cm" 12, of "C#" and "Db" 1."""
    root = name.removesuffix("m")
    return (LETTERS[root[0]] + root.count("#") - root[1:].count("b")) % 12 + (12 if root != name else 0)


def note_name(pitch: int) -> str:
    """A MIDI number as musicians say it: 60 is "C4"."""
    return f"{ROOTS[pitch % 12]}{pitch // 12 - 1}"


def weigh_keys(notes: Notes, duration_s: float, choice: Choice | None = None) -> Keys:
    """Every key of a loop of `duration_s` with these notes."""
    return Keys((choice or choice_of("key")).probabilities(key_features(notes, duration_s)))


def key_features(notes: Notes, duration_s: float) -> dict[str, Float]:
    """What the model weighs, by the names of its weights: (24,) each; nothing where the notes are no music."""
    if not _is_tonal(notes, duration_s):
        return {}
    roll = piano_roll(notes, duration_s)
    roll = np.where(roll < LEAST * roll.max(), 0.0, roll / roll.max())
    often = roll.sum(axis=1)
    bass = _bass(roll)
    classes = {
        "all": _by_class(np.sqrt(roll).sum(axis=1)),
        "bass": _shares(np.bincount(bass % 12, roll[bass, np.arange(roll.shape[1])] * (bass > 0), 12)),
        "head": _by_class(roll[:, : max(roll.shape[1] // HEAD, 1)].sum(axis=1)),
        "first": _one_class(bass[bass > 0][:1]),
        "last": _one_class(bass[bass > 0][-1:]),
        "lowest": _one_class(np.flatnonzero(often > OFTEN * often.max())[:1]),
    }
    features = {
        f"{name}_{step}": np.tile(np.roll(values, -up), 2)
        for name, values in classes.items()
        for step, up in STEPS.items()
    }
    heard = classes["all"]
    third = np.roll(heard, -4) - np.roll(heard, -3)
    features["third"] = np.append(third, -third)
    features["seventh"] = np.concatenate([np.roll(heard, -up) for up in SEVENTH])
    features["outside"] = np.concatenate([sum(np.roll(heard, -up) for up in ups) for ups in OUTSIDE])
    features["minor"] = np.repeat([0.0, 1.0], 12)
    return features


def odds_against(notes: Notes, duration_s: float, choice: Choice | None = None) -> Float:
    """(24,) how many times likelier the likeliest key is than each, as a logarithm; (0,) where there is no music.

    By a model of its own, which weighs every pitch class: it tells less often than `weigh_keys` which key it is, and
    more surely which it is not.
    """
    probability = (choice or choice_of("named_key")).probabilities(named_key_features(notes, duration_s))
    likely = np.log(probability + TINY)
    return np.asarray(likely.max(initial=-np.inf) - likely, dtype=np.float64)


def named_key_features(notes: Notes, duration_s: float) -> dict[str, Float]:
    """As `key_features`, with how much each pitch class sounds, counted from the root, of either mode."""
    features = key_features(notes, duration_s)
    if not features:
        return {}
    heard, nothing = features["all_root"][:12], np.zeros(12)
    for up in range(12):
        turned = np.roll(heard, -up)
        features[f"major_{up}"], features[f"minor_{up}"] = np.append(turned, nothing), np.append(nothing, turned)
    return features


def piano_roll(notes: Notes, duration_s: float, n_segments: int = 0) -> Float:
    """(PITCHES, segments) how much each MIDI pitch sounds in equal parts of a loop, at the loop's own tuning.

    Without `n_segments` these are quarters of a second.
    """
    turns = np.exp(2j * np.pi * notes.cents / 100)
    tuning = np.angle((notes.weight * turns).sum()) / (2 * np.pi) * 100
    pitch = np.round((notes.cents - tuning) / 100).astype(int) + A4
    edges = np.linspace(0, duration_s, (n_segments or max(round(duration_s / SEGMENT_S), 1)) + 1)
    start = (notes.start_s - EARLY_S)[:, None]
    end = notes.end_s[:, None]
    inside_s = np.clip(np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1]), 0, None)
    roll = np.zeros((PITCHES, len(edges) - 1))
    known = (pitch >= 0) & (pitch < PITCHES)
    share = (notes.weight / np.maximum(notes.end_s - notes.start_s, MIN_LENGTH_S))[:, None]
    np.add.at(roll, pitch[known], (inside_s * share)[known])
    return roll


def _is_tonal(notes: Notes, duration_s: float) -> bool:
    """Whether enough of the loop has a steady pitch."""
    steady = notes.chosen(notes.spread <= STEADY_CENTS)
    return len(steady) >= MIN_NOTES and float((steady.end_s - steady.start_s).sum()) >= TONAL * duration_s


def _bass(roll: Float) -> Int:
    """(segments,) the lowest loud pitch of each, 0 where it is silent."""
    strongest = roll.max(axis=0)
    return np.where(strongest > SOUNDING, (roll > LOUD * strongest).argmax(axis=0), 0)


def _by_class(pitches: Float) -> Float:
    return _shares(np.bincount(np.arange(PITCHES) % 12, pitches, 12))


def _one_class(pitch: Int) -> Float:
    return np.bincount(pitch % 12, minlength=12).astype(np.float64)


def _shares(classes: Float | Int) -> Float:
    return np.asarray(classes / max(float(classes.sum()), 1e-9), dtype=np.float64)
