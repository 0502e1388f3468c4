"""Does it loop? Bars cut by the tempo, compared with each other.

After Han, Ihm, Lee and Lim, Symbolic music loop generation with neural discrete representations (ISMIR 2022), who
find loops in audio by the correlation matrix of its bars' mel spectrograms and learn which matrices are typical of
loops. Here nothing is learnt: the score is the mean correlation of different bars, higher = more repetition, NaN where
there are not two bars to compare. Conventions: bars are 4 beats unless said otherwise and start at the first sample;
correlations are Pearson's, -1 … 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import librosa
import numpy as np
import pandas as pd

from loopscope import audio
from loopscope.arrays import Float
from loopscope.errors import DataError
from loopscope.store import Store
from loopscope.store.parsing import is_number
from loopscope.user_files import FilePath

RATE = 22050
N_MELS = 64
N_FFT = 1024
FRAMES_PER_BAR = 64  # a sixty-fourth of a bar: 31 ms at 120 BPM
MAX_BARS = 64
WHOLE_BAR = 0.98  # of a bar: an end cut this much too early still counts as a bar
RANGE_DB = 60.0
SLOWEST, FASTEST = 20.0, 400.0
STRUCTURE_VERSION = "bars-1"  # raise it whenever the same file at the same tempo would score otherwise

Report = dict[str, Any]  # bpm, n_bars, loop_structure (None where there are not two bars)


@dataclass(frozen=True)
class LoopStructure:
    """`correlation` (bars, bars) float32, symmetric with ones on the diagonal; `score` its mean off the diagonal."""

    correlation: Float
    score: float
    bar_s: float

    @property
    def n_bars(self) -> int:
        """Whole bars that were compared."""
        return len(self.correlation)


def loop_structure(samples: Float, sample_rate: int, bpm: float, beats_per_bar: int = 4) -> LoopStructure:
    """Compare the bars of one loop: `samples` (n,) mono, `bpm` beats per minute.

    Bars beyond the 64th are left out, as is an incomplete last one. Raises DataError for a tempo outside 20 to 400 BPM,
    for fewer than one beat a bar, or for samples that are not mono.
    """
    if not SLOWEST <= bpm <= FASTEST or beats_per_bar < 1:
        raise DataError(f"Bars of {beats_per_bar} beats at {bpm:g} BPM cannot be cut; give a tempo from 20 to 400 BPM.")
    if samples.ndim != 1:
        raise DataError(f"Bars are compared in mono samples (n,), not in an array of shape {samples.shape}.")
    bar_s = beats_per_bar * 60.0 / bpm
    n_bars = min(int(len(samples) / sample_rate / bar_s + 1 - WHOLE_BAR), MAX_BARS)
    if n_bars == 0:
        return LoopStructure(np.empty((0, 0), np.float32), float("nan"), bar_s)
    correlation = _correlation(_bars(samples, sample_rate, bar_s, n_bars))
    different = correlation[~np.eye(n_bars, dtype=bool)]
    return LoopStructure(correlation, float(different.mean()) if len(different) else float("nan"), bar_s)


def structure_of_file(path: FilePath, bpm: float, beats_per_bar: int = 4) -> LoopStructure:
    """`loop_structure` of a file. Raises AudioError with the reason if it cannot be decoded."""
    longest_s = MAX_BARS * beats_per_bar * 60.0 / max(bpm, SLOWEST)
    return loop_structure(audio.decode(path, RATE, duration_s=longest_s).samples, RATE, bpm, beats_per_bar)


def structure_report(path: FilePath, bpm: float | None) -> Report | None:
    """What the store keeps of one loop; None where no bars can be cut. Raises AudioError if it cannot be read."""
    if bpm is None or not SLOWEST <= bpm <= FASTEST:
        return None
    structure = structure_of_file(path, bpm)
    score = None if np.isnan(structure.score) else structure.score
    return {"bpm": bpm, "n_bars": structure.n_bars, "loop_structure": score}


def known_structures(tempi: pd.DataFrame, store: Store) -> tuple[pd.DataFrame, frozenset[str]]:
    """What was found before in the loops of `tempi` (loop_id, bpm), and those whose tempo they were never cut at.

    One row a loop: loop_id, n_bars (0 where it was not cut) and loop_structure (NaN where there is nothing to compare).
    """
    unique = tempi.drop_duplicates("loop_id")
    cut = unique[unique["bpm"].astype("float64").between(SLOWEST, FASTEST)]
    bpm = dict(zip(cut["loop_id"], cut["bpm"].astype("float64"), strict=True))
    found = store.get_reports("measurements", bpm, STRUCTURE_VERSION, _is_report)
    known = {loop_id: report for loop_id, report in found.items() if report["bpm"] == bpm[loop_id]}
    return _structures(unique, known), frozenset(bpm) - frozenset(known)


def _is_report(found: Any) -> bool:
    """Whether something read from the store is what `structure_report` makes."""
    if not isinstance(found, dict) or found.keys() != {"bpm", "n_bars", "loop_structure"}:
        return False
    score, n_bars = found["loop_structure"], found["n_bars"]
    return is_number(found["bpm"]) and n_bars in range(MAX_BARS + 1) and (score is None or is_number(score))


def _structures(unique: pd.DataFrame, known: Mapping[str, Report]) -> pd.DataFrame:
    reports = [known.get(loop_id, {}) for loop_id in unique["loop_id"]]
    columns = {
        "loop_id": list(unique["loop_id"]),
        "n_bars": [report.get("n_bars", 0) for report in reports],
        "loop_structure": [report.get("loop_structure") for report in reports],  # None becomes NaN
    }
    return pd.DataFrame(columns).astype({"loop_id": "str", "n_bars": "int64", "loop_structure": "float64"})


def _bars(samples: Float, sample_rate: int, bar_s: float, n_bars: int) -> Float:
    """(n_bars, FRAMES_PER_BAR * N_MELS) log-mel spectrograms, each frame centred on the same place of its bar."""
    places_s = (np.arange(n_bars)[:, None] + (np.arange(FRAMES_PER_BAR) + 0.5) / FRAMES_PER_BAR) * bar_s
    first = np.round(places_s.ravel() * sample_rate).astype(np.int64)  # of the frame, in the padded signal
    padded = np.pad(samples, (N_FFT // 2, N_FFT + int(bar_s * sample_rate)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[first] * np.hanning(N_FFT).astype(np.float32)
    mel = np.abs(np.fft.rfft(frames, axis=1)) ** 2 @ librosa.filters.mel(sr=sample_rate, n_fft=N_FFT, n_mels=N_MELS).T
    level = librosa.power_to_db(mel, ref=np.max, top_db=RANGE_DB)
    return np.asarray(level.reshape(n_bars, -1), dtype=np.float32)


def _correlation(bars: Float) -> Float:
    """(n, n) Pearson correlations; a bar without any change correlates with nothing but itself."""
    centred = bars - bars.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(length > 1e-6, length, np.inf)
    correlation = np.clip(unit @ unit.T, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation, dtype=np.float32)
