"""Level checks: DC offset and near-silence."""

import numpy as np

from loopscope.faults.base import NOTHING, Measurement, Signal, block_view, decibels

MEDIAN_STEP = 7  # every seventh sample is plenty for a median
SILENT_DB = -120.0  # full scale: the last bit of 20
LOUDEST_S = 0.4  # the momentary window of EBU R 128


def measure_dc_offset(signal: Signal) -> Measurement:
    """Score: offset, % of full scale; the smaller of mean and median, as lopsided waveforms move only one of them."""
    worst = 0.0
    for channel in signal.distinct_channels:
        if not len(channel):
            continue
        mean, median = float(channel.mean(dtype=np.float64)), float(np.median(channel[::MEDIAN_STEP]))
        if mean * median > 0:
            worst = max(worst, min(abs(mean), abs(median)), key=abs)
    percent = 100 * worst
    return Measurement(percent, (), f"DC offset of {percent:.1f} % of full scale.", f"DC offset {percent:.0f} %")


def measure_near_silence(signal: Signal) -> Measurement:
    """Score: how far the loudest 400 ms stay below full scale, dB (180 for digital silence)."""
    size = max(min(int(LOUDEST_S * signal.sample_rate), signal.samples.shape[1]), 1)
    if signal.samples.shape[1] == 0:
        return NOTHING
    power = max(
        float(np.einsum("bn,bn->b", blocks, blocks).max())
        for blocks in (block_view(channel, size) for channel in signal.distinct_channels)
    )
    level = float(decibels(np.sqrt(power / size)))
    brief = "silent" if level <= SILENT_DB else f"nearly silent, {-level:.0f} dB down"
    return Measurement(-level, (), f"Nearly silent: the loudest part reaches {level:.0f} dBFS.", brief)
