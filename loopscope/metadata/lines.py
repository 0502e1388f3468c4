"""The line that a file plays, by ear."""

from loopscope import audio
from loopscope.hearing.line import Line, line_of
from loopscope.hearing.notes import find_notes, resampled
from loopscope.hearing.onsets import find_rhythm
from loopscope.metadata.tempo_key import RATE
from loopscope.user_files import FilePath

LONGEST_S = 60.0


def line_of_file(path: FilePath) -> Line | None:
    """None where there is none to be sure of, and for what is longer than a minute. Raises AudioError."""
    x = audio.decode(path, RATE, duration_s=LONGEST_S + 1).samples
    duration_s = len(x) / RATE
    if not 0 < duration_s <= LONGEST_S or not x.any():
        return None
    return line_of(find_notes(resampled(x, RATE)), find_rhythm(x, RATE).onsets.times_s, duration_s)
