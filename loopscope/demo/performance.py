"""Play a groove: from style, key and tempo to the dry, mono, circular loop.

Onsets are placed on a circle of the loop's length, so that a note which rings over the last bar line is heard at the
first beat, and a player who comes in early does so at the end of the loop.
"""

from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Float
from loopscope.demo import theory
from loopscope.demo.instruments import INSTRUMENTS, Instrument, Note, dead_note
from loopscope.demo.styles import STEPS_A_BAR, Style

STRUM_S = 0.011  # between two strings of a down stroke
GHOST_VELOCITY = 0.45


@dataclass(frozen=True)
class Score:
    """What is to be played: the loop's length in bars, one scale degree for each of its chords, one groove a bar."""

    key: theory.Key
    bpm: float
    bars: float
    degrees: tuple[int, ...]
    grooves: tuple[str, ...]

    @property
    def step_s(self) -> float:
        """Seconds of one sixteenth."""
        return 60.0 / self.bpm / 4

    @property
    def n_steps(self) -> int:
        """Sixteenths of the loop."""
        return round(self.bars * STEPS_A_BAR)

    def degree_at(self, step: int) -> int:
        """The chord that sounds at a step: the chords share the loop evenly."""
        return self.degrees[(step % self.n_steps) * len(self.degrees) // self.n_steps]

    def symbol_at(self, step: int) -> str:
        """The groove's symbol at a step of the loop."""
        return self.grooves[(step // STEPS_A_BAR) % len(self.grooves)][step % STEPS_A_BAR]

    def length_at(self, step: int) -> int:
        """Steps from an onset to the next onset or silence."""
        length = 1
        while step + length < self.n_steps and self.symbol_at(step + length) == "-":
            length += 1
        return length


def write_score(style: Style, key_name: str, bpm: float, bars: float, rng: np.random.Generator) -> Score:
    """Choose a progression and grooves; the last bar of a longer loop varies."""
    is_minor = key_name.endswith("m")
    choices: tuple[tuple[int, ...], ...] = theory.MINOR_PROGRESSIONS if is_minor else theory.MAJOR_PROGRESSIONS
    if style.is_blues:
        choices = theory.BLUES_PROGRESSIONS
    degrees = choices[rng.integers(len(choices))]
    n_chords = 4 if bars >= 4 or (bars >= 2 and rng.random() < 0.4) else 2 if bars >= 2 else 1
    first = int(rng.integers(len(style.grooves)))
    turn = (first + 1 + int(rng.integers(len(style.grooves) - 1))) % len(style.grooves)
    n_bars = max(1, round(bars))
    grooves = [style.grooves[first]] * n_bars
    if n_bars > 1:
        grooves[-1] = style.grooves[turn]
    return Score(theory.parse_key(key_name, style.is_blues), bpm, bars, degrees[:n_chords], tuple(grooves))


class Player:
    """Plays a score on one instrument onto a circular buffer."""

    def __init__(
        self, score: Score, style: Style, played_on: str, sample_rate: int, rng: np.random.Generator, cents: float = 0.0
    ) -> None:
        self._score, self._style, self._rate, self._rng, self._cents = score, style, sample_rate, rng, cents
        self._played_on = played_on
        self._instrument: Instrument = INSTRUMENTS[played_on]
        self._loop: Float = np.zeros(round(score.n_steps * score.step_s * sample_rate), np.float32)

    def play_bass(self, lowest: int = theory.LOWEST_BASS) -> Float:
        """One line, (n_samples,)."""
        for step in range(self._score.n_steps):
            symbol = self._score.symbol_at(step)
            if symbol in "-.":
                continue
            pitch = self._bass_pitch(symbol, step, lowest)
            held_s = self._score.length_at(step) * self._score.step_s * 0.92
            slide = 60.0 if symbol == "o" and self._rng.random() < 0.15 else 0.0
            self._strike(step, pitch, held_s, self._velocity(step), is_dead=symbol == "x", slide_cents=slide)
        return self._loop

    def play_guitar(self, lowest: int = theory.LOWEST_GUITAR) -> Float:
        """Strums, chucks and single strings, (n_samples,)."""
        for step in range(self._score.n_steps):
            symbol = self._score.symbol_at(step)
            if symbol not in "-.":
                self._play_strings(symbol, step, self._shape(step, lowest))
        return self._loop

    def _bass_pitch(self, symbol: str, step: int, lowest: int) -> int:
        root, third, fifth, seventh = self._score.key.chord(self._score.degree_at(step))
        base = theory.lift((self._score.key.tonic + root) % 12, lowest)
        if symbol == "a":
            following = self._score.key.chord(self._score.degree_at(step + 1))[0]
            return theory.lift((self._score.key.tonic + following) % 12, lowest) - 1
        above = {"R": 0, "x": 0, "3": third - root, "5": fifth - root, "7": seventh - root, "o": 12}[symbol]
        # A seventh sounds better below the root where the neck allows it.
        return base + above - (12 if symbol == "7" and base + above - 12 >= lowest else 0)

    def _shape(self, step: int, lowest: int) -> tuple[int, ...]:
        degree = self._score.degree_at(step)
        if self._played_on == "drive":
            return theory.power_chord(self._score.key, degree, lowest)
        return theory.guitar_voicing(self._score.key, degree, lowest, self._style.seventh)

    def _play_strings(self, symbol: str, step: int, shape: tuple[int, ...]) -> None:
        velocity = self._velocity(step)
        held_s = self._score.length_at(step) * self._score.step_s * 0.98
        if symbol.isdigit() or symbol == "b":
            string = 0 if symbol == "b" else min(int(symbol), len(shape)) - 1
            ring_s = max(held_s, 4 * self._score.step_s) if symbol.isdigit() else held_s
            self._strike(step, shape[string], ring_s, velocity)
            return
        strings = {"D": shape, "U": shape[:0:-1][:3], "m": shape[-3:], "c": shape[1:]}[symbol]
        for order, pitch in enumerate(strings):
            late_s = order * STRUM_S * (0.3 if symbol == "c" else 1.0) * self._rng.uniform(0.7, 1.2)
            loudness = velocity * (0.9**order) * (0.75 if symbol == "U" else 1.0)
            self._strike(step, pitch, held_s, loudness, is_dead=symbol == "m", late_s=late_s)

    def _velocity(self, step: int) -> float:
        accent = 0.95 if step % STEPS_A_BAR == 0 else 0.85 if step % 4 == 0 else 0.72
        ghost = GHOST_VELOCITY if self._score.symbol_at(step) in "xm" else 1.0
        return float(np.clip(accent * ghost * self._rng.normal(1.0, 0.06), 0.1, 1.0))

    def _strike(
        self,
        step: int,
        pitch: float,
        held_s: float,
        velocity: float,
        is_dead: bool = False,
        slide_cents: float = 0.0,
        late_s: float = 0.0,
    ) -> None:
        """Add one note to the circle."""
        swung = self._style.swing * self._score.step_s * (step % 2)
        onset_s = step * self._score.step_s + swung + late_s + self._rng.normal(0.0, self._style.looseness_s)
        note = Note(theory.frequency(pitch, self._cents), held_s, velocity, self._rate, slide_cents)
        tone = (dead_note if is_dead else self._instrument)(note, self._rng)
        start = round(onset_s * self._rate)
        _add_around(self._loop, tone, start)


def _add_around(loop: Float, tone: Float, start: int) -> None:
    """Add a tone to a circular buffer, however long it is."""
    n_samples = len(loop)
    position = start % n_samples
    while len(tone):
        part = tone[: n_samples - position]
        loop[position : position + len(part)] += part
        tone, position = tone[len(part) :], 0
