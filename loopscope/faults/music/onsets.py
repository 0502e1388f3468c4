"""Attacks of a block and the levels they are found in, in its loudest channel."""

from loopscope.arrays import Float
from loopscope.faults.base import Signal
from loopscope.hearing import onsets
from loopscope.hearing.onsets import Onsets, hop_s

__all__ = ["Onsets", "find_onsets", "hop_s", "mel_levels"]


def mel_levels(signal: Signal) -> Float:
    """See `hearing.onsets.mel_levels`."""
    return onsets.mel_levels(signal.main, signal.sample_rate)


def find_onsets(signal: Signal) -> Onsets:
    """See `hearing.onsets.find_onsets`; times are within the block."""
    return onsets.find_onsets(signal.once(mel_levels), signal.sample_rate)
