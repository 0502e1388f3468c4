"""Decode a file piece by piece, so that its length does not decide how much memory it takes.

Pieces are (n,) float32, mono (mean over channels), at the wanted rate, in order. Resampling is the same soxr HQ
filter as in `decode`, fed block by block: the samples are equal to those of the whole file. As in librosa, the
resampled sound is ceil(n · ratio) samples long, with a zero at the end where the filter gives one fewer. The ratio is
librosa's rounded one too: 5 s at 44.1 kHz become 240,001 samples at 48 kHz, not 240,000, and a network that repeats
short clips to fill 10 s then repeats this one once instead of twice (CLAP: cosine 0.82 between the two).
"""

from collections.abc import Iterator
from math import ceil

import numpy as np
import soxr

from loopscope.audio.decoding import check_block
from loopscope.audio.readers import Samples, Source, open_reader


def stream(source: Source, sample_rate: int) -> Iterator[Samples]:
    """Yield the whole file in pieces at `sample_rate` Hz. Raises AudioError with the reason, where it is met."""
    with open_reader(source) as reader:
        own_rate = reader.info.sample_rate
        blocks = (_mono(block) for block in reader.blocks())
        yield from blocks if own_rate == sample_rate else _resampled(blocks, own_rate, sample_rate)


def resampled_length(n_samples: int, own_rate: int, sample_rate: int) -> int:
    """How many samples `stream` yields for a file of `n_samples` at `own_rate` Hz."""
    return ceil(n_samples * (sample_rate / own_rate))


def _mono(block: Samples) -> Samples:
    check_block(block)
    return np.ascontiguousarray(block.mean(axis=1), dtype=np.float32)


def _resampled(blocks: Iterator[Samples], own_rate: int, sample_rate: int) -> Iterator[Samples]:
    resampler = soxr.ResampleStream(own_rate, sample_rate, 1, dtype="float32", quality="HQ")
    n_in = n_out = 0
    for block in blocks:
        piece = resampler.resample_chunk(block)
        n_in, n_out = n_in + len(block), n_out + len(piece)
        yield piece
    last = resampler.resample_chunk(np.empty(0, np.float32), last=True)
    missing = resampled_length(n_in, own_rate, sample_rate) - n_out - len(last)
    yield np.pad(last, (0, max(0, missing)))
