"""A slice that sticks: the waveform repeats itself exactly after 34 to 130 ms although the sound within changes.

Candidates are found by correlation at a quarter of the usual rate and measured at the file's own, where only an exact
copy leaves nothing. A steady tone repeats itself as well, so what counts is how much changes within one repeat, and
that its parts are no copies already. Rolls of a drum machine are exact copies on the grid of the tempo, or of the
loop's length where the tempo is unknown.
"""

from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NOTHING, Measurement, Signal, counted
from loopscope.faults.music.notes import RATE, resampled
from loopscope.faults.music.onsets import hop_s, mel_levels
from loopscope.late import late

fft = late("scipy.fft")

WINDOW_S, STEP_S = 0.046, 0.012
SHORTEST_S, LONGEST_S = 0.034, 0.130  # of the repeat
FFT_SIZE = 2048  # at RATE, longer than the longest repeat and a window
CHUNK = 128  # windows transformed at once, which bounds memory
ALMOST = 0.3  # of the energy may differ at the lower rate, where a lag is no whole number of samples
RANGE_DB = -35.0  # quieter windows say nothing
FRAME_S = 0.0116  # short: what changes within a repeat, changes fast
QUIETEST = 1e-6  # of the strongest bin's power
PERIODS = range(2, 13)  # of a tone in one repeat
TONE = 0.01  # of the energy may differ from period to period
STEADY_DB = 1.0  # change within one repeat below which the sound is a tone
MOST_CHANGE_DB, MOST_EXACT_DB = 8.0, 60.0
NOT_EXACT_DB = 15.0  # of the energy: copies by hand or by a player differ by more
SAME_LAG_S = 0.0005
DIVISIONS = (4, 6, 8, 12, 16, 24, 32)  # of a beat
ON_GRID = 0.003  # of the lag
ON_LENGTH_S = 0.00005
DIVISION_OF_LENGTH = 4
MAX_PLACES = 3  # more are a way to play


@dataclass(frozen=True)
class Repeats:
    """(n,) windows that come again: their time in the block and lag in seconds, and the score of each."""

    times_s: Float
    lags_s: Float
    scores: Float


def measure_stutter(signal: Signal) -> Measurement:
    """Score: dB by which a repeat is exact beyond NOT_EXACT_DB, times a tenth of the dB of change within it."""
    repeats = _find_repeats(signal)
    if not len(repeats.scores):
        return NOTHING
    best = int(repeats.scores.argmax())
    score, lag_s = float(repeats.scores[best]), float(repeats.lags_s[best])
    is_loud = repeats.scores >= score / 2
    starts = repeats.times_s[is_loud][np.diff(repeats.times_s[is_loud], prepend=-np.inf) > 2 * LONGEST_S]
    times = tuple(signal.time_of(start * signal.sample_rate) for start in starts)
    excuse = ""
    if is_on_grid(lag_s, signal):
        excuse = "It repeats on the beat, as a roll does."
    elif len(times) > MAX_PLACES:
        excuse = "It does so again and again, as glitch music does."
    milliseconds = f"{1000 * lag_s:.0f} ms"
    sentence = f"A slice of {milliseconds} repeats exactly at {counted(len(times), 'place')}."
    return Measurement(score, times, sentence, f"stutters every {milliseconds}", excuse)


def _find_repeats(signal: Signal) -> Repeats:
    """Windows whose repeat is exact in two steps running, at one lag."""
    times_s, lags_s = _candidates(signal.once(resampled))
    moving = _slow_changes(signal, times_s, lags_s) > STEADY_DB
    times_s, lags_s = times_s[moving], lags_s[moving]
    change = _changes(signal, times_s, lags_s)
    measured = [_exactly(signal, time, lag) for time, lag in zip(times_s, lags_s, strict=True)]
    lags_s, left_db = np.array(measured, dtype=np.float64).reshape(-1, 2).T
    scores = np.clip(-left_db - NOT_EXACT_DB, 0, MOST_EXACT_DB) * np.clip(change - STEADY_DB, 0, MOST_CHANGE_DB) / 10
    goes_on = (np.diff(times_s) < 1.5 * STEP_S) & (np.abs(np.diff(lags_s)) < SAME_LAG_S)
    both = np.where(goes_on, np.minimum(scores[1:], scores[:-1]), 0.0)
    return Repeats(times_s[:-1], lags_s[:-1], both) if len(both) else Repeats(*np.empty((3, 0)))


def _candidates(x: Float) -> tuple[Float, Float]:
    """Times and lags (n,) in seconds of windows of `x` (m,) at RATE that come again almost as they are."""
    size, step, shortest, longest = (int(s * RATE) for s in (WINDOW_S, STEP_S, SHORTEST_S, LONGEST_S))
    starts = np.arange(0, max(len(x) - longest - size, 0), step)
    if not len(starts):
        return np.empty(0), np.empty(0)
    energy = np.concatenate([[0.0], np.cumsum(np.square(x, dtype=np.float64))])
    own = energy[starts + size] - energy[starts]
    starts = starts[own > own.max() * 10 ** (RANGE_DB / 10)]
    windows = np.lib.stride_tricks.sliding_window_view(x, size)
    following = np.lib.stride_tricks.sliding_window_view(x, longest - shortest + size)
    lag, left = np.empty(len(starts), np.int64), np.empty(len(starts))
    for first in range(0, len(starts), CHUNK):
        now = starts[first : first + CHUNK]
        spectrum = fft.rfft(following[now + shortest], FFT_SIZE, axis=1)
        spectrum *= fft.rfft(windows[now], FFT_SIZE, axis=1).conj()
        product = fft.irfft(spectrum, FFT_SIZE, axis=1)[:, : longest - shortest + 1]
        lags = now[:, None] + np.arange(shortest, longest + 1)
        both = energy[lags + size] - energy[lags] + (energy[now + size] - energy[now])[:, None]
        rest = 1 - 2 * product / (both + 1e-12)
        lag[first : first + CHUNK] = shortest + rest.argmin(axis=1)
        left[first : first + CHUNK] = rest.min(axis=1)
    found = left < ALMOST
    return starts[found] / RATE, lag[found] / RATE


def _slow_changes(signal: Signal, times_s: Float, lags_s: Float) -> Float:
    """(n,) the same in frames of 46 ms: short ones flutter with the single periods of a low steady tone."""
    level, hop = signal.once(mel_levels), hop_s(signal.sample_rate)
    places = zip((times_s / hop).astype(int), ((times_s + lags_s + WINDOW_S) / hop).astype(int), strict=True)
    return np.array([level[first : last + 1].std(axis=0).mean() for first, last in places])


def _changes(signal: Signal, times_s: Float, lags_s: Float) -> Float:
    """(n,) how much the spectrum moves within each repeat: standard deviation over time in dB, mean over the bins."""
    size = 2 * int(FRAME_S * signal.sample_rate / 2)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(signal.main, (0, size)), size)[:: size // 4]
    window = np.hanning(size).astype(np.float32)
    first = np.ceil(times_s * signal.sample_rate / (size // 4)).astype(int)
    last = ((times_s + lags_s + WINDOW_S) * signal.sample_rate / (size // 4)).astype(int) - 3  # a frame is four steps
    changes = np.empty(len(times_s))
    for i, (start, end) in enumerate(zip(first, last, strict=True)):
        spectra = fft.rfft(frames[start:end] * window, axis=1)[:, 1 : size // 4]
        power = spectra.real**2 + spectra.imag**2
        level = 10 * np.log10(np.maximum(power, power.max(initial=0.0) * QUIETEST + 1e-12))
        changes[i] = level.std(axis=0).mean()
    return changes


def _exactly(signal: Signal, time_s: float, lag_s: float) -> tuple[float, float]:
    """The lag in seconds to the sample, and what is left of the energy there, in dB."""
    rate = signal.sample_rate
    start, size, around = int(time_s * rate), int(WINDOW_S * rate), int(2 * rate / RATE) + 1
    lags = round(lag_s * rate) + np.arange(-around, around + 1)
    lags = lags[(start + lags >= 0) & (start + lags + size <= len(signal.main))]
    window = signal.main[start : start + size].astype(np.float64)
    again = np.lib.stride_tricks.sliding_window_view(signal.main, size)[start + lags]
    rest = np.square(window - again).sum(axis=1)
    best = int(rest.argmin())
    energy = float(np.square(window).sum() + np.square(again[best], dtype=np.float64).sum())
    left_db = float(10 * np.log10((rest[best] + 1e-14) / (energy + 1e-14)))
    if left_db < -NOT_EXACT_DB and _is_tone(signal.main[start : start + int(lags[best]) + size], size, int(lags[best])):
        left_db = 0.0
    return float(lags[best]) / rate, left_db


def _is_tone(x: Float, size: int, lag: int) -> bool:
    """Whether the first `size` samples of `x` come again at a part of the lag already: periods of a steady tone."""
    periods = np.unique([round(lag / k) + around for k in PERIODS for around in (-1, 0, 1)])
    again = np.lib.stride_tricks.sliding_window_view(x, size)[periods]
    rest = np.square(again - x[:size]).sum(axis=1) / (np.square(again).sum(axis=1) + np.square(x[:size]).sum() + 1e-14)
    return bool(rest.min() < TONE)


def is_on_grid(lag_s: float, signal: Signal) -> bool:
    """Whether a lag is a division of the beat, or of the loop's length where no tempo is known."""
    if signal.tempo_bpm:
        divisions = 60 / signal.tempo_bpm / np.array(DIVISIONS)
        return bool((np.abs(divisions / lag_s - 1) < ON_GRID).any())
    whole = round(signal.duration_s / lag_s)
    return whole % DIVISION_OF_LENGTH == 0 and abs(signal.duration_s / whole - lag_s) < ON_LENGTH_S
