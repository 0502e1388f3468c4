"""The notes of a loop: peaks of the spectrum that no lower note explains, followed from frame to frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import soxr

from loopscope.arrays import Bool, Float
from loopscope.late import late

fft = late("scipy.fft")

RATE = 11025  # Hz, enough for partials up to HIGHEST_PARTIAL_HZ
WINDOW = 2048  # samples, 186 ms
HOP = 256  # samples, 23 ms
FFT_SIZE = 2 * WINDOW
CHUNK = 128  # frames transformed at once, which bounds memory
LOWEST_HZ, HIGHEST_HZ, HIGHEST_PARTIAL_HZ = 38.0, 1600.0, 3500.0
RANGE_DB = 45.0  # frames this far below the loudest peak are silence
FRAME_RANGE_DB = 30.0  # peaks this far below the highest of their frame are nothing
MAX_PEAKS = 48  # of one frame, the strongest
N_PARTIALS = 20
TUNED_BY = 4  # lowest partials, whose mean gives the pitch; higher ones of strings are sharp
SAME_PITCH, SAME_PARTIAL = (2 ** (cents / 1200) - 1 for cents in (60, 35))  # relative deviation in frequency
SIDE_LOBE = 0.05  # of the strongest partial: a fundamental this weak is none
JUMP = 2 ** (25 / 1200)  # ratio of frequencies from one frame to the next within a note
MIN_FRAMES = 5


@dataclass(frozen=True)
class Notes:
    """The notes of one loop, (n,) each, in the order of their end.

    `start_s` and `end_s` from and to the middle of a window; `cents` above A4 = 440 Hz (negative
    below); `weight` the sum of the square roots of amplitudes over the frames; `spread` the 75th percentile of the
    deviation from `cents` within the note.
    """

    start_s: Float
    end_s: Float
    cents: Float
    weight: Float
    spread: Float

    def __len__(self) -> int:
        return len(self.cents)

    def chosen(self, which: Bool) -> "Notes":
        """Those that a mask (n,) names."""
        return Notes(*(values[which] for values in vars(self).values()))


def resampled(samples: Float, sample_rate: int) -> Float:
    """(m,) of samples (n,), at RATE with the peak at 1."""
    x = samples if sample_rate == RATE else soxr.resample(samples, sample_rate, RATE, "MQ")
    peak = float(np.abs(x).max(initial=0.0))
    return np.asarray(x / peak if peak > 0 else x, dtype=np.float32)


def find_notes(samples: Float) -> Notes:
    """All notes of MIN_FRAMES frames and more in samples (n,) as from `resampled`."""
    x = np.pad(samples, (0, max(WINDOW - len(samples), 0)))
    live: list[_Track] = []
    found: list[_Track] = []
    for frame, notes in enumerate(_notes_by_frame(x)):
        going_on: list[_Track] = []
        for hz, amplitude in notes:
            track = next((track for track in live if track.frame < frame and track.is_near(hz)), None) or _Track(frame)
            track.add(frame, hz, amplitude)
            going_on.append(track)
        found += [track for track in live if track.frame < frame]
        live = going_on
    return _notes([track for track in found + live if len(track.hz) >= MIN_FRAMES])


class _Track:
    """One note as it is followed."""

    def __init__(self, start: int) -> None:
        self.start, self.frame = start, -1
        self.hz: list[float] = []
        self.amplitude: list[float] = []

    def is_near(self, hz: float) -> bool:
        return self.hz[-1] / JUMP < hz < self.hz[-1] * JUMP

    def add(self, frame: int, hz: float, amplitude: float) -> None:
        self.frame = frame
        self.hz.append(hz)
        self.amplitude.append(amplitude)


def _notes(tracks: list[_Track]) -> Notes:
    rows = np.empty((len(tracks), 5))
    for row, track in zip(rows, tracks, strict=True):
        cents = 1200 * np.log2(np.array(track.hz) / 440.0)
        middle = np.median(cents)
        row[:2] = (np.array([track.start, track.start + len(cents)]) * HOP + WINDOW // 2) / RATE
        row[2:] = middle, np.sqrt(track.amplitude).sum(), np.percentile(np.abs(cents - middle), 75)
    return Notes(*rows.T)


def _notes_by_frame(x: Float) -> Iterator[list[tuple[float, float]]]:
    """For every frame its notes as (Hz, amplitude), the lowest first."""
    loudest = 0.0
    quietest = 10 ** (-RANGE_DB / 20)
    chunks = list(_magnitudes(x))
    loudest = max(float(chunk.max()) for chunk in chunks)
    for chunk in chunks:
        peaks = _peaks(chunk, loudest * quietest)
        yield from (_without_partials(hz, amplitude) for hz, amplitude in peaks)


def _magnitudes(x: Float) -> Iterator[Float]:
    """(frames, bins) spectra up to the highest partial, chunk by chunk."""
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    n_bins = int(HIGHEST_PARTIAL_HZ * FFT_SIZE / RATE) + 2
    frames = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
    for first in range(0, len(frames), CHUNK):
        spectra = fft.rfft(frames[first : first + CHUNK] * window, FFT_SIZE, axis=1)
        yield np.abs(spectra[:, :n_bins])


def _peaks(magnitude: Float, silence: float) -> Iterator[tuple[list[float], list[float]]]:
    """For every frame of (frames, bins) the frequencies and amplitudes of its peaks, ascending in frequency."""
    highest = magnitude.max(axis=1, keepdims=True)
    floor = np.where(highest < silence, np.inf, highest * 10 ** (-FRAME_RANGE_DB / 20))
    middle = magnitude[:, 1:-1]
    is_peak = (middle > magnitude[:, :-2]) & (middle >= magnitude[:, 2:]) & (middle > floor)
    is_peak[:, : int(LOWEST_HZ * FFT_SIZE / RATE)] = False
    frame, k = np.nonzero(is_peak)
    left, top, right = (np.log(magnitude[frame, k + i] + 1e-12) for i in range(3))
    hz = (k + 1 + 0.5 * (left - right) / (left - 2 * top + right)) * RATE / FFT_SIZE
    amplitude = magnitude[frame, k + 1]
    edges = np.searchsorted(frame, np.arange(len(magnitude) + 1))
    for first, last in pairwise(edges):
        own = np.arange(first, last)
        if len(own) > MAX_PEAKS:
            own = np.sort(own[np.argsort(amplitude[own])[-MAX_PEAKS:]])
        yield hz[own].tolist(), amplitude[own].tolist()


def _without_partials(hz: list[float], amplitude: list[float]) -> list[tuple[float, float]]:
    """The lowest peak first: each that is no partial of a lower note is a note. Plain floats: frames have few peaks."""
    free = [True] * len(hz)
    notes = []
    for i, base in enumerate(hz):
        if base > HIGHEST_HZ:
            break
        if not free[i]:
            continue
        own = [i]
        weight = total = amplitude[i]
        pitch = amplitude[i] * base
        strongest = amplitude[i]
        for j in range(i + 1, len(hz)):
            ratio = hz[j] / base
            number = int(ratio + 0.5)
            if number > N_PARTIALS:
                break
            if not free[j] or abs(ratio / number - 1) >= (SAME_PITCH if number == 1 else SAME_PARTIAL):
                continue
            own.append(j)
            total += amplitude[j]
            strongest = max(strongest, amplitude[j])
            if number <= TUNED_BY:
                weight += amplitude[j]
                pitch += amplitude[j] * hz[j] / number
        if amplitude[i] < SIDE_LOBE * strongest:
            continue
        for j in own:
            free[j] = False
        notes.append((pitch / weight, total))
    return notes
