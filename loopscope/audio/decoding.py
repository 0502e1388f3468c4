"""Decode a file, or a part of it, to float32 at a wanted rate.

Conventions: mono is the mean over channels; resampling is soxr HQ (linear phase); an offset or duration reads only that
part of the file, so that three crops of a 20-minute file never bring the whole of it into memory.
"""

from dataclasses import dataclass

import numpy as np
import soxr

from loopscope.audio.readers import AudioInfo, Reader, Samples, Source, open_reader, too_short
from loopscope.errors import AudioError

PEAK_LIMIT = 100.0  # 40 dB over full scale: integers stored as floats, or noise read as floats


@dataclass(frozen=True)
class Waveform:
    """`samples` (n,) or (channels, n) float32 at full scale ±1, at `sample_rate` Hz."""

    samples: Samples
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[-1] / self.sample_rate)


def probe(source: Source) -> AudioInfo:
    """Read the header only. Raises AudioError with the reason if the file is not readable sound."""
    with open_reader(source) as reader:
        return reader.info


def decode(
    source: Source,
    sample_rate: int | None = None,
    mono: bool = True,
    offset_s: float = 0.0,
    duration_s: float | None = None,
) -> Waveform:
    """Decode `duration_s` seconds from `offset_s` on, or all, at `sample_rate` Hz (None: the file's own rate).

    Returns samples of shape (n,) if `mono`, else (channels, n). A part that reaches over the end is shorter.
    Raises AudioError with the reason: not sound, cut short, NaN or infinite samples, nothing in the wanted part.
    """
    with open_reader(source) as reader:
        samples = _read(reader, mono, offset_s, duration_s)
        own_rate = reader.info.sample_rate
    if sample_rate is None or sample_rate == own_rate:
        return Waveform(samples, own_rate)
    resampled = soxr.resample(samples.T, own_rate, sample_rate, quality="HQ").T
    return Waveform(np.ascontiguousarray(resampled, dtype=np.float32), sample_rate)


def _read(reader: Reader, mono: bool, offset_s: float, duration_s: float | None) -> Samples:
    """(n,) or (channels, n); mixed down block by block so that the channels are never all in memory."""
    blocks = []
    for block in reader.blocks(offset_s, duration_s):
        check_block(block)
        blocks.append(block.mean(axis=1) if mono else block)
    if not blocks:
        if offset_s <= 0:
            raise AudioError(too_short(0.0))
        raise AudioError(f"The file holds no sound at {offset_s:.2f} s; it ends at {reader.info.duration_s:.2f} s.")
    samples = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
    return np.ascontiguousarray(samples.T, dtype=np.float32)


def check_block(block: Samples) -> None:
    """Raise AudioError if samples are NaN, infinite or absurdly large."""
    peak = float(np.abs(block).max()) if block.size else 0.0  # NaN and infinity go through max
    if not np.isfinite(peak):
        n_bad = int(np.count_nonzero(~np.isfinite(block)))
        raise AudioError(f"The file holds samples that are no numbers (NaN or infinity, {n_bad} in one block).")
    if peak > PEAK_LIMIT:
        raise AudioError(f"Samples reach {peak:.3g} times full scale; export the file again with samples within ±1.")
