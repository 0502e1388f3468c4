"""Is it in tune: every note with the loop, the loop with its folder, the beginning with the end.

The loop's own tuning is where most of its steady notes lie between two semitones; what counts as one note out of tune
must itself be tight and clearly elsewhere. Microtonal scales, bends and vibrato give no such picture: their notes lie
all over, on one pitch, or are not steady at all. Toms and snares ring at pitches of their own between the noise of
strokes: sound so noisy has no tuning.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from loopscope.arrays import Bool, Float
from loopscope.faults.base import NO_VALUE, NOTHING, SILENCE, Measurement, Signal, counted, in_percent
from loopscope.faults.music.notes import RATE, Notes, find_notes, resampled
from loopscope.faults.music.onsets import find_onsets
from loopscope.late import late

fft = late("scipy.fft")

STEADY_CENTS = 20.0  # spread within one note
FULL_WEIGHT_S = 0.2  # shorter notes count less
GRID = np.arange(-50.0, 50.0, 2.0)  # cents
KERNEL_CENTS = 8.0
TIGHT_CENTS = 14.0  # from the middle of a cluster
OFF_CENTS = 28.0
APART_CENTS = 32.0
QUARTER_TONE_CENTS = 47.0
MIN_IN_CLUSTERS = 0.9  # of the weight
AT_MOST = 0.15  # share where the notes are no two clusters
MIN_PITCHES = 2  # classes that agree, before one can speak of a tuning
MIN_NOTES = 4
MIN_ATTACKS = 3  # fewer are one sound that rings
MIN_TONAL_S = 1.0  # of steady notes, added up
NOISE_FRAME, NOISE_HOP = 2048, 1024  # samples at the notes' rate: 186 ms part the partials of the lowest bass
NOISE_HZ = np.arange(500.0, 4001.0, 250.0)  # edges of bands
MOST_NOISE = 0.4  # rendered drums that seemed out of tune gave 0.42 to 0.9, notes up to 0.37, white noise gives 0.56

AGREEING = 0.8  # of the weight within TIGHT_CENTS of the loop's tuning

ALIKE_CENTS = 12.0
MOST_ALIKE = 0.8  # of the loops of a folder

MIN_DRIFTING_NOTES = 6
DRIFT_SPAN = 0.6  # of the loop, from the first note to the last
MAX_SCATTER_CENTS = 6.0  # of the notes around the straight line
MAX_UNEXPLAINED = 0.75  # of what they scatter without one; a line through chance leaves more
MAX_DRIFT_CENTS = 60.0  # more is a bend


@dataclass(frozen=True)
class Tuning:
    """The steady notes of a loop, their share of the weight and their deviation from the loop's tuning in cents.

    `cents` is that tuning, -50 … 50 from A4 = 440 Hz.
    """

    notes: Notes
    share: Float
    deviation: Float
    cents: float

    @property
    def in_tune(self) -> Bool:
        """Which notes lie within the tight cluster of the loop's tuning."""
        return np.abs(self.deviation) <= TIGHT_CENTS

    def n_pitches(self, which: Bool) -> int:
        """Different semitones of the octave among some of the notes."""
        semitones = np.round((self.notes.cents - self.deviation - self.cents)[which] / 100)
        return len(np.unique(semitones % 12))


def find_tuning(signal: Signal) -> Tuning | None:
    """The tuning of a block, None where too little of it has a pitch."""
    if _noise_of(signal) > MOST_NOISE:
        return None
    notes = signal.once(find_notes)
    notes = notes.chosen(notes.spread <= STEADY_CENTS)
    length_s = notes.end_s - notes.start_s
    if len(notes) < MIN_NOTES or length_s.sum() < MIN_TONAL_S:
        return None
    weight = notes.weight * np.minimum(length_s / FULL_WEIGHT_S, 1.0)
    share = weight / weight.sum()
    cents = float(GRID[_density(notes.cents, share).argmax()])
    near = np.abs(wrapped(notes.cents - cents)) <= TIGHT_CENTS
    cents = float(wrapped(cents + np.average(wrapped(notes.cents - cents)[near], weights=share[near])))
    return Tuning(notes, share, wrapped(notes.cents - cents), cents)


def _noise_of(signal: Signal) -> float:
    """How noisy it is between the partials, 0 … 1: the geometric over the arithmetic mean of each of the bands of
    NOISE_HZ in each frame, by power."""
    x = signal.once(resampled)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, (0, max(NOISE_FRAME - len(x), 0))), NOISE_FRAME)
    spectra = fft.rfft(frames[::NOISE_HOP] * np.hanning(NOISE_FRAME).astype(np.float32), axis=1)
    edges = (NOISE_HZ * NOISE_FRAME / RATE).astype(int)
    power = (spectra.real**2 + spectra.imag**2)[:, : edges[-1]] + SILENCE
    bands = [power[:, first:last] for first, last in pairwise(edges)]
    means = np.array([band.mean(axis=1) for band in bands])
    flatness = np.array([np.exp(np.log(band).mean(axis=1)) for band in bands]) / means
    return float(np.average(flatness, weights=means))


def measure_note_out_of_tune(signal: Signal) -> Measurement:
    """Score: share of the weight of notes that lie elsewhere than the loop's tuning, 0 … 0.5."""
    tuning = signal.once(find_tuning)
    if tuning is None or tuning.n_pitches(tuning.in_tune) < MIN_PITCHES:
        return NOTHING
    off = np.abs(tuning.deviation) > OFF_CENTS
    score = float(tuning.share[off].sum())
    second = _second_cluster(tuning)
    if second is None:
        score = min(score, AT_MOST)
    cents = second or 0.0
    is_quarter_tone = abs(cents) > QUARTER_TONE_CENTS and tuning.n_pitches(off) >= MIN_PITCHES
    times = tuple(signal.time_of(start * signal.sample_rate) for start in np.sort(tuning.notes.start_s[off]))
    way = "above" if cents > 0 else "below"
    return Measurement(
        score,
        times,
        f"{counted(len(times), 'note')} about {abs(cents):.0f} cents {way} the loop's tuning, {in_percent(score)} of "
        "what has a pitch.",
        f"{counted(len(times), 'note')} {abs(cents):.0f} cents {'sharp' if cents > 0 else 'flat'}",
        _excuse(signal, is_quarter_tone),
    )


def _excuse(signal: Signal, is_quarter_tone: bool) -> str:
    """Struck metal rings in overtones that are no notes, and some scales have other steps."""
    if len(signal.once(find_onsets)) < MIN_ATTACKS:
        return "With so few attacks they may be overtones of one struck sound, as of a cymbal."
    return "A scale with quarter tones does so on purpose." if is_quarter_tone else ""


def measure_tuning(signal: Signal) -> Measurement:
    """Score: the loop's tuning in cents, NaN where its notes do not agree on one. To be compared within a folder."""
    tuning = signal.once(find_tuning)
    if tuning is None or tuning.n_pitches(tuning.in_tune) < MIN_PITCHES:
        return NO_VALUE
    return Measurement(round(tuning.cents, 1)) if tuning.share[tuning.in_tune].sum() >= AGREEING else NO_VALUE


def measure_drift(signal: Signal) -> Measurement:
    """Score: cents by which the tuning rises or falls evenly from the first note to the last."""
    tuning = signal.once(find_tuning)
    if tuning is None or len(tuning.notes) < MIN_DRIFTING_NOTES or tuning.n_pitches(tuning.in_tune) < MIN_PITCHES:
        return NOTHING
    middle = (tuning.notes.start_s + tuning.notes.end_s) / 2
    if np.ptp(middle) < DRIFT_SPAN * signal.duration_s:
        return NOTHING
    slope, offset = np.polyfit(middle, tuning.deviation, 1, w=np.sqrt(tuning.share))
    rest = tuning.deviation - slope * middle - offset
    scatter, without = (_scatter(cents, tuning.share) for cents in (rest, tuning.deviation))
    drift = float(slope * np.ptp(middle))
    if scatter > min(MAX_SCATTER_CENTS, MAX_UNEXPLAINED * without) or abs(drift) > MAX_DRIFT_CENTS:
        return NOTHING
    if not _goes_one_way(middle, tuning):
        return NOTHING
    way = "rises" if drift > 0 else "falls"
    size = f"{abs(drift):.0f} cents"
    sentence, brief = f"The tuning {way} by {size} over the loop.", f"pitch {way} {size}"
    return Measurement(abs(drift), (), sentence, brief, _excuse(signal, is_quarter_tone=False))


def compare_tunings(own: Float, around: Float) -> list[Measurement]:
    """Score: cents from the tuning that the folder agrees on; nothing where it agrees on none.

    `own` (k,) and `around` (m,) as from `measure_tuning`.
    """
    middle = _middle(around)
    if np.mean(np.abs(wrapped(around - middle)) <= ALIKE_CENTS) < MOST_ALIKE:
        return [NOTHING] * len(own)
    return [_beside(float(cents)) for cents in wrapped(own - middle)]


def wrapped(cents: ArrayLike) -> Float:
    """Cents of any shape, brought to -50 … 50 around the nearest semitone."""
    return np.asarray((np.asarray(cents, np.float64) + 50.0) % 100.0 - 50.0)


def _middle(around: Float) -> float:
    """The median on the circle of a semitone: the value with the least distance to the others."""
    distance = np.abs(wrapped(around[:, None] - GRID))
    return float(GRID[distance.sum(axis=0).argmin()])


def _beside(cents: float) -> Measurement:
    way, brief = ("above", "sharp") if cents > 0 else ("below", "flat")
    size = f"{abs(cents):.0f} cents"
    return Measurement(
        abs(cents), (), f"The whole loop is {size} {way} the tuning of its folder.", f"{size} {brief} of its folder"
    )


def _density(cents: Float, share: Float) -> Float:
    """(50,) how much weight lies around each place of GRID."""
    distance = wrapped(cents[None] - GRID[:, None])
    return np.asarray(np.exp(-0.5 * (distance / KERNEL_CENTS) ** 2) @ share)


def _second_cluster(tuning: Tuning) -> float | None:
    """Cents from the loop's tuning to the one other place where notes lie; None where they lie all over."""
    density = _density(tuning.deviation, tuning.share) * (np.abs(GRID) >= OFF_CENTS)
    there = float(GRID[density.argmax()])
    in_second = np.abs(wrapped(tuning.deviation - there)) <= TIGHT_CENTS
    covered = tuning.share[in_second | tuning.in_tune].sum()
    if not in_second.any() or covered < MIN_IN_CLUSTERS:
        return None
    beside = np.average(wrapped(tuning.deviation - there)[in_second], weights=tuning.share[in_second])
    exactly = float(wrapped(there + beside))
    return exactly if abs(exactly) >= APART_CENTS else None


def _scatter(cents: Float, share: Float) -> float:
    """Mean distance of (n,) from their mean, both weighted."""
    return float(np.average(np.abs(cents - np.average(cents, weights=share)), weights=share))


def _goes_one_way(middle: Float, tuning: Tuning) -> bool:
    """Whether the thirds of the loop follow each other in pitch: a bend or a tape stop stands at one end alone."""
    edges = np.linspace(middle.min(), middle.max() + 1e-9, 4)
    third = np.searchsorted(edges, middle, side="right") - 1
    if len(np.unique(third)) < 3:
        return False
    steps = np.diff([np.average(tuning.deviation[third == i], weights=tuning.share[third == i]) for i in range(3)])
    return bool(steps.prod() > 0 and np.abs(steps).min() > 0.4 * np.abs(steps).max())
