"""The labelled loops as the models that listen hear them, and variations of them to learn from.

Names of loops in the wrong folder are not theirs: these loops are left out.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.choices import Example, learn
from loopscope import audio
from loopscope.faults.limits import OTHER_KEY, SILENCED_BY
from loopscope.faults.registry import judge, measure_blocks, silenced_by, split
from loopscope.hearing.choice import Choice
from loopscope.hearing.key import key_features, key_number, named_key_features
from loopscope.hearing.notes import Notes, find_notes, resampled
from loopscope.hearing.onsets import RANGE_DB, Onsets, Rhythm, find_rhythm
from loopscope.hearing.tempo import find_candidates, tempo_features

RATE = 22050
RIGHT = 0.01  # relative: within it a tempo is right
PENALTY, KEY_PENALTY = 10.0, 5.0
OF_A_CUT, OF_A_TAIL, OF_REPEATS, OF_A_SPEED = 0.5, 0.4, 0.5, 0.2  # the weight of a variation
SPEEDS = (0.93, 1.07)
SHARES = (0.55, 0.97)  # of the loop, to be cut anywhere but after a whole beat
OFF_BEATS = 0.08
FADES_S, SILENCES_S = (0.05, 0.5), (0.1, 1.0)


@dataclass(frozen=True)
class Heard:
    """One labelled loop: its rhythm, and what is true of it."""

    rhythm: Rhythm
    bpm: float
    notes: Notes
    key: str = ""
    instrument: str = ""
    name: str = ""
    is_out_of_tune: bool = False  # or hums: by the checks that keep a key from being contradicted


def named_rightly(labels: pd.DataFrame) -> pd.DataFrame:
    return labels[labels["category"] != "wrong_instrument"]


def heard_loops(folder: Path, labels: pd.DataFrame) -> list[Heard]:
    return [hear(folder / row.path, float(row.bpm), row.key, row.instrument) for row in labels.itertuples()]


def hear(path: Path, bpm: float, key: str, instrument: str) -> Heard:
    samples = audio.decode(path, RATE).samples
    notes = find_notes(resampled(samples, RATE))
    odd = silenced_by(fault.kind for fault in judge(measure_blocks(split(samples, RATE), SILENCED_BY[OTHER_KEY])))
    return Heard(find_rhythm(samples, RATE), bpm, notes, key, instrument, path.name, OTHER_KEY in odd)


def learn_tempo(loops: list[Heard]) -> Choice:
    """The choice of tempo, from loops and their variations."""
    examples = [tempo_example(variation, weight) for loop in loops for variation, weight in variations(loop)]
    return learn(examples, PENALTY, may_be_none=True)


def learn_key(loops: list[Heard]) -> Choice:
    """The choice of key."""
    return learn([key_example(loop) for loop in loops], KEY_PENALTY, may_be_none=False)


def learn_named_key(loops: list[Heard]) -> Choice:
    """The choice that key names are held against."""
    return learn([named_key_example(loop) for loop in loops], KEY_PENALTY, may_be_none=False)


def named_key_example(loop: Heard) -> Example:
    features = named_key_features(loop.notes, loop.rhythm.duration_s)
    return Example(features, np.arange(24) == key_number(loop.key))


def key_example(loop: Heard) -> Example:
    return Example(key_features(loop.notes, loop.rhythm.duration_s), np.arange(24) == key_number(loop.key))


def tempo_example(loop: Heard, weight: float) -> Example:
    candidates = find_candidates(loop.rhythm)
    right = np.abs(candidates.bpm / loop.bpm - 1) <= RIGHT
    return Example(tempo_features(candidates, loop.rhythm), right, weight)


def variations(loop: Heard) -> Iterator[tuple[Heard, float]]:
    """The loop with weight 1, then cut anywhere, with a tail, at another speed, and repeated; always the same."""
    rng = np.random.default_rng(zlib.crc32(loop.name.encode()))
    yield loop, 1.0
    cut = cut_anywhere(loop, rng)
    if cut is not None:
        yield cut, OF_A_CUT
    yield ringing_off(loop if cut is None or rng.random() < 0.5 else cut, rng), OF_A_TAIL
    yield faster(loop, rng.uniform(*SPEEDS)), OF_A_SPEED
    seconds = loop.rhythm.duration_s
    if seconds < 10:
        yield repeated(loop, int(rng.choice([2, 2, 4])) if seconds < 5 else 2), OF_REPEATS


def cut_anywhere(loop: Heard, rng: np.random.Generator) -> Heard | None:
    """The beginning of a loop, not of whole beats, so that no tempo fits its length; None of fewer than three beats."""
    rhythm = loop.rhythm
    beats = rhythm.duration_s * loop.bpm / 60
    shares = rng.uniform(*SHARES, 20)
    off = np.abs(beats * shares - np.round(beats * shares)) > OFF_BEATS
    if beats < 3 or not off.any():
        return None
    share = float(shares[off][0])
    duration_s = rhythm.duration_s * share
    kept = rhythm.onsets.times_s < duration_s - 0.01
    onsets = Onsets(rhythm.onsets.times_s[kept], rhythm.onsets.rises_db[kept])
    level = rhythm.level[: int(len(rhythm.level) * share)]
    return replace(loop, rhythm=Rhythm(level, rhythm.hop_s, onsets, duration_s))


def ringing_off(loop: Heard, rng: np.random.Generator) -> Heard:
    """As if it stopped at its end, faded and was followed by silence; no attack in the last tenth of a second."""
    rhythm = loop.rhythm
    fade_s, silence_s = rng.uniform(*FADES_S), rng.uniform(*SILENCES_S)
    frames = np.arange(round((fade_s + silence_s) / rhythm.hop_s))
    tail = rhythm.level[-1] - RANGE_DB / fade_s * rhythm.hop_s * frames[:, None]
    level = np.maximum(np.vstack([rhythm.level, tail]), rhythm.level.max() - RANGE_DB)
    kept = rhythm.onsets.times_s < rhythm.duration_s - 0.1
    onsets = Onsets(rhythm.onsets.times_s[kept], rhythm.onsets.rises_db[kept])
    return replace(loop, rhythm=Rhythm(level, rhythm.hop_s, onsets, rhythm.duration_s + fade_s + silence_s))


def faster(loop: Heard, factor: float) -> Heard:
    """As from a tape at `factor` times the speed."""
    rhythm = loop.rhythm
    onsets = Onsets(rhythm.onsets.times_s / factor, rhythm.onsets.rises_db)
    quicker = Rhythm(rhythm.level, rhythm.hop_s / factor, onsets, rhythm.duration_s / factor)
    return replace(loop, rhythm=quicker, bpm=loop.bpm * factor)


def repeated(loop: Heard, times: int) -> Heard:
    rhythm = loop.rhythm
    starts = np.repeat(np.arange(times) * rhythm.duration_s, len(rhythm.onsets))
    onsets = Onsets(np.tile(rhythm.onsets.times_s, times) + starts, np.tile(rhythm.onsets.rises_db, times))
    longer = Rhythm(np.tile(rhythm.level, (times, 1)), rhythm.hop_s, onsets, times * rhythm.duration_s)
    return replace(loop, rhythm=longer)
