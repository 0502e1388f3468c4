"""The notes of a block, in its loudest channel."""

from loopscope.arrays import Float
from loopscope.faults.base import Signal
from loopscope.hearing import notes
from loopscope.hearing.notes import RATE, Notes

__all__ = ["RATE", "Notes", "find_notes", "resampled"]


def resampled(signal: Signal) -> Float:
    """See `hearing.notes.resampled`."""
    return notes.resampled(signal.main, signal.sample_rate)


def find_notes(signal: Signal) -> Notes:
    """See `hearing.notes.find_notes`; times are within the block."""
    return notes.find_notes(signal.once(resampled))
