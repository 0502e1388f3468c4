"""Padded bit depth: a file of 24 bits whose samples all lie on the grid of 16."""

import numpy as np

from loopscope.faults.base import NOTHING, Measurement, Signal

EXACT_BITS = 24  # of a decoded sample, which is a float32; fewer are often the sound of an old sampler


def measure_bit_depth(signal: Signal) -> Measurement:
    """Score: lowest bits that no sample uses; 0 for silence, and for files that store no integers of 24."""
    bits = signal.bits
    if bits != EXACT_BITS or signal.peak == 0.0:
        return NOTHING
    steps = (signal.distinct_channels * np.float32(2 ** (bits - 1))).astype(np.int32)
    used = int(np.bitwise_or.reduce(steps, axis=None))
    unused = (used & -used).bit_length() - 1
    sentence = f"{bits - unused} bits of sound in a file of {bits} bits: the lowest {unused} are always zero."
    return Measurement(float(unused), (), sentence, f"{bits - unused} bits in {bits}")
