"""Sound files in, float32 out; nothing outside this package opens a sound file.

Conventions: samples are float32 at full scale ±1 (float files may exceed it), time runs along the last axis, durations
and offsets are seconds, rates are Hz. The content decides what a file is, never its name. Whatever is wrong with a file
becomes an `AudioError` whose message is the reason listed beside it.
"""

from loopscope.audio.decoding import decode, probe
from loopscope.audio.inspection import content_hash, inspect_file
from loopscope.audio.playback import playable
from loopscope.audio.readers import TransientAudioError

__all__ = ["TransientAudioError", "content_hash", "decode", "inspect_file", "playable", "probe"]
