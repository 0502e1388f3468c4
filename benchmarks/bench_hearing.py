"""Tempo by ear, and names that contradict it, on labelled loops: every loop judged by weights learnt without it."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.choices import Example, learn
from benchmarks.data import bench_folder
from benchmarks.hearing import (
    KEY_PENALTY,
    PENALTY,
    RIGHT,
    Heard,
    cut_anywhere,
    faster,
    heard_loops,
    key_example,
    named_key_example,
    named_rightly,
    repeated,
    ringing_off,
    tempo_example,
    variations,
)
from loopscope.faults.limits import LIMITS
from loopscope.faults.music.key import Contradicted
from loopscope.faults.music.tempo import odds_of_another
from loopscope.faults.named_keys import is_contradicted
from loopscope.hearing.choice import Choice
from loopscope.hearing.key import KEY_FROM, TONIC_FROM, key_name, key_number, odds_against, weigh_keys
from loopscope.hearing.tempo import SHOWN_FROM, weigh_tempi
from loopscope.metadata import estimate_from_audio

FOLDS = 5
SEEDS = (0, 1)
LEVELS = (0.0, 0.5, 0.6, 0.7, SHOWN_FROM, 0.8, 0.9)
NAMES = 8  # wrong ones made up for each loop
SLOWEST, FASTEST = 60, 190  # of made-up names
SAME_OCTAVE = 0.03  # of an octave: nearer to the tempo, its half or double a name is not wrong enough
AWAY: dict[str, list[tuple[int, bool]]] = {  # of the true key: semitones up, and whether the mode is the other
    "all": [(up, other) for up in range(12) for other in (False, True) if up or other],
    "relative": [(9, True)],
    "parallel": [(0, True)],
    "a fifth or fourth away": [(7, False), (5, False)],
    "others": [
        (up, other) for up in range(12) for other in (False, True) if up not in ((0, 9) if other else (0, 5, 7))
    ],
}
KEY_GROUPS: dict[str, Callable[[Heard], bool]] = {
    "all": lambda _loop: True,
    "in tune, without hum": lambda loop: not loop.is_out_of_tune,
    "of these bass": lambda loop: loop.instrument == "bass" and not loop.is_out_of_tune,
    "of these guitar": lambda loop: loop.instrument == "guitar" and not loop.is_out_of_tune,
}
SILENT_DB, END_FRAMES = -45.0, 9
VARIATIONS: dict[str, Callable[[Heard, np.random.Generator], Heard | None]] = {
    "cut anywhere": cut_anywhere,
    "with a tail added": ringing_off,
    "at another speed, so of no whole tempo": lambda loop, rng: faster(loop, rng.uniform(0.93, 1.07)),
    "twice in a row": lambda loop, rng: repeated(loop, 2),
}


class Answer(NamedTuple):
    """What was heard of one loop: whether it is right, and how likely it was said to be."""

    loop: Heard
    right: bool
    probability: float


def run() -> str:
    """The section, or why there is none."""
    folder = bench_folder()
    if folder is None:
        return "## Ears\n\nNot run: the labelled loops are not here (set LOOPSCOPE_BENCH).\n"
    labels = named_rightly(pd.read_csv(folder / "labels.csv"))
    loops = heard_loops(folder, labels)
    examples = [[tempo_example(variation, weight) for variation, weight in variations(loop)] for loop in loops]
    judged = [(choice, loop) for seed in SEEDS for choice, own in _folds(loops, examples, seed) for loop in own]
    answers = [_answer(choice, loop) for choice, loop in judged]
    text = (
        f"{len(loops)} loops whose names are true, {len(SEEDS)} × {FOLDS} folds by file: every loop is judged by "
        "weights that were learnt without it and its variations. Right: within 1 %. Shown from a probability of "
        f"{SHOWN_FROM:g} on."
    )
    tempo = (_by_confidence(answers), _by_group(answers), _varied(judged), _names(judged))
    return "\n\n".join(["## Ears", text, *tempo, _keys(loops), _key_names(loops), _cost(folder, labels)]) + "\n"


def _cost(folder: Path, labels: pd.DataFrame) -> str:
    """Tempo and key of every loop as the app hears them, decoding included."""
    started = time.process_time()
    for path in labels["path"]:
        estimate_from_audio(folder / path)
    seconds = time.process_time() - started
    return f"Cost: {5 * seconds / labels['duration_s'].sum():.3f} s of processor time for 5 s of sound, with decoding."


def _folds(
    loops: list[Heard], examples: list[list[Example]], seed: int, penalty: float = PENALTY, may_be_none: bool = True
) -> Iterator[tuple[Choice, list[Heard]]]:
    """A choice learnt without some loops, and these."""
    fold = np.random.default_rng(seed).permutation(len(loops)) % FOLDS
    for left_out in range(FOLDS):
        others = [example for i in np.flatnonzero(fold != left_out) for example in examples[i]]
        yield learn(others, penalty, may_be_none), [loops[i] for i in np.flatnonzero(fold == left_out)]


def _answer(choice: Choice, loop: Heard) -> Answer:
    bpm, probability = weigh_tempi(loop.rhythm, choice).best
    return Answer(loop, abs(bpm / loop.bpm - 1) <= RIGHT, probability)


def _by_confidence(answers: list[Answer]) -> str:
    rows = [(f"> {level:g}" if level else "all", *_counts(answers, level)) for level in LEVELS]
    return "Tempo by probability:\n\n" + _table(("probability", "given", "right of given", "right of all"), rows)


def _by_group(answers: list[Answer]) -> str:
    groups = {instrument: [a for a in answers if a.loop.instrument == instrument] for instrument in ("bass", "guitar")}
    groups["ends in silence"] = [a for a in answers if _ends_in_silence(a.loop)]
    groups["does not"] = [a for a in answers if not _ends_in_silence(a.loop)]
    rows = [
        (name, len(own) // len(SEEDS), *_counts(own, SHOWN_FROM), _counts(own, 0.0)[1]) for name, own in groups.items()
    ]
    header = ("loops", "count", "shown", "right of shown", "shown and right of all", "likeliest right")
    return "Where shown:\n\n" + _table(header, rows)


def _varied(judged: Sequence[tuple[Choice, Heard]]) -> str:
    """What happens to loops that no name promises whole bars of."""
    rng = np.random.default_rng(0)
    rows = []
    for name, vary in VARIATIONS.items():
        varied = [(choice, vary(loop, rng)) for choice, loop in judged]
        answers = [_answer(choice, loop) for choice, loop in varied if loop is not None]
        rows.append((name, *_counts(answers, SHOWN_FROM)))
    return "The same loops, changed:\n\n" + _table(
        ("changed", "shown", "right of shown", "shown and right of all"), rows
    )


def _names(judged: Sequence[tuple[Choice, Heard]]) -> str:
    """Made-up wrong names and true ones, as the check "other_tempo" judges them."""
    rng = np.random.default_rng(0)
    groups: dict[str, list[tuple[bool, bool]]] = {"all": [], "ends in silence": [], "does not": [], "cut anywhere": []}
    for choice, loop in judged:
        end = "ends in silence" if _ends_in_silence(loop) else "does not"
        for variation, names in ((loop, ("all", end)), (cut_anywhere(loop, rng), ("cut anywhere",))):
            if variation is not None:
                for name in names:
                    groups[name] += _false_and_found(choice, variation, rng)
    rows = [(name, *(f"{np.mean(column):.1%}" for column in zip(*own, strict=True))) for name, own in groups.items()]
    header = ("loops", "true names called false", "wrong names found")
    return f"Names against sound, {NAMES} wrong tempi made up for each loop:\n\n" + _table(header, rows)


def _false_and_found(choice: Choice, loop: Heard, rng: np.random.Generator) -> list[tuple[bool, bool]]:
    """Whether the true name of a loop is contradicted, beside whether each of some wrong ones is."""
    tempi, limit = weigh_tempi(loop.rhythm, choice), LIMITS["other_tempo"].suspect
    false, *found = (
        odds_of_another(tempi, loop.rhythm.onsets, named)[0] > limit
        for named in (loop.bpm, *_wrong_names(loop.bpm, rng))
    )
    return [(false, one) for one in found]


def _wrong_names(bpm: float, rng: np.random.Generator) -> list[float]:
    """Tempi that are neither `bpm` nor its half or double."""
    tempi = rng.integers(SLOWEST, FASTEST, 4 * NAMES)
    octaves = np.abs(np.log2(tempi / bpm))
    return [float(tempo) for tempo in tempi[np.minimum(octaves, np.abs(octaves - 1)) > SAME_OCTAVE][:NAMES]]


def _ends_in_silence(loop: Heard) -> bool:
    level = loop.rhythm.level
    return bool(level[-END_FRAMES:].mean(axis=1).max() <= level.max() + SILENT_DB)


def _keys(loops: list[Heard]) -> str:
    """The key and its root alone, by probability and instrument, and what is taken for what."""
    examples = [[key_example(loop)] for loop in loops]
    judged = [
        (weigh_keys(loop.notes, loop.rhythm.duration_s, choice), loop)
        for seed in SEEDS
        for choice, own in _folds(loops, examples, seed, KEY_PENALTY, may_be_none=False)
        for loop in own
    ]
    keys = [Answer(loop, keys.best[0] == _spelt(loop.key), keys.best[1]) for keys, loop in judged]
    tonics = [Answer(loop, keys.tonic[0] == _spelt(loop.key).removesuffix("m"), keys.tonic[1]) for keys, loop in judged]
    rows = []
    for name, answers, levels in (
        ("key", keys, (0.0, 0.5, KEY_FROM, 0.7, 0.8)),
        ("tonic", tonics, (0.0, TONIC_FROM, 0.8)),
    ):
        for level in levels:
            split = [[a for a in answers if a.loop.instrument == instrument] for instrument in ("bass", "guitar")]
            right = (_counts(own, level)[1] for own in split)
            rows.append((name, f"> {level:g}" if level else "all", *_counts(answers, level), *right))
    header = ("heard", "probability", "given", "right of given", "right of all", "of given: bass", "guitar")
    parallel = np.mean([not key.right and tonic.right for key, tonic in zip(keys, tonics, strict=True)])
    shown = f"Shown from {KEY_FROM:g} and {TONIC_FROM:g} on; {parallel:.0%} of all are heard in the other mode."
    return f"Key by ear. {shown}\n\n" + _table(header, rows)


def _key_names(loops: list[Heard]) -> str:
    """Every wrong name and the true ones, as the check "other_key" judges them."""
    judged: list[tuple[Heard, Contradicted]] = []
    for seed in SEEDS:
        heard = _folds(loops, [[key_example(loop)] for loop in loops], seed, KEY_PENALTY, may_be_none=False)
        named = _folds(loops, [[named_key_example(loop)] for loop in loops], seed, KEY_PENALTY, may_be_none=False)
        for (of_key, own), (of_name, _) in zip(heard, named, strict=True):
            judged += [(loop, _contradicted(loop, of_key, of_name)) for loop in own]
    rows = []
    for name, is_one in KEY_GROUPS.items():
        own = [(loop, keys) for loop, keys in judged if is_one(loop)]
        if own:
            false = np.mean([is_contradicted(keys, key_number(loop.key)) for loop, keys in own])
            found = (
                np.mean([_is_found(loop, keys, away) for loop, keys in own for away in of]) for of in AWAY.values()
            )
            rows.append((name, len(own) // len(SEEDS), f"{false:.1%}", *(f"{share:.1%}" for share in found)))
    header = ("loops", "count", "true names called false", "wrong names found", *(f"of these {n}" for n in [*AWAY][1:]))
    text = (
        "Key names against sound, all 23 wrong ones of each loop. A name without a mode may mean either; of what hums "
        "or is out of tune nothing is said."
    )
    return f"{text}\n\n" + _table(header, rows)


def _contradicted(loop: Heard, of_key: Choice, of_name: Choice) -> Contradicted:
    """As `faults.music.key` measures it."""
    if loop.is_out_of_tune:
        return Contradicted(frozenset())
    odds = odds_against(loop.notes, loop.rhythm.duration_s, of_name)
    heard, probability = weigh_keys(loop.notes, loop.rhythm.duration_s, of_key).best
    against = frozenset(np.flatnonzero(odds >= LIMITS["other_key"].suspect).tolist())
    return Contradicted(against, key_number(heard) if probability >= KEY_FROM else None)


def _is_found(loop: Heard, keys: Contradicted, away: tuple[int, bool]) -> bool:
    """Whether a name so many semitones away, maybe of the other mode, is contradicted."""
    up, is_other_mode = away
    root, is_minor = key_number(loop.key) % 12, key_number(loop.key) >= 12
    if is_minor and is_other_mode:
        up = -up  # the relative minor lies below
    return is_contradicted(keys, (root + up) % 12 + (12 if is_minor != is_other_mode else 0))


def _spelt(key: str) -> str:
    return key_name(key_number(key))


def _counts(answers: list[Answer], level: float) -> tuple[str, str, str]:
    given = [answer.right for answer in answers if answer.probability > level]
    right = f"{np.mean(given):.3f}" if given else "–"
    return f"{len(given) / len(answers):.3f}", right, f"{sum(given) / len(answers):.3f}"


def _table(header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
