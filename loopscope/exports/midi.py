"""Notes as a Standard MIDI File of one track (format 0), on channel 1."""

from loopscope.hearing.line import Line

TICKS_A_BEAT = 960
USUAL_BPM = 120.0  # of a file that says no tempo
_NOTE_ON, _NOTE_OFF = 0x90, 0x80
_END = bytes([0, 0xFF, 0x2F, 0])


def midi_bytes(line: Line, bpm: float | None) -> bytes:
    """A file in which each note sounds when it does in the loop, to the half millisecond; `bpm` sets its bars."""
    tempo = bpm or USUAL_BPM
    events = []
    for start_s, end_s, pitch, velocity in zip(line.start_s, line.end_s, line.pitch, line.velocity, strict=True):
        first, last = (round(float(at_s) * tempo / 60 * TICKS_A_BEAT) for at_s in (start_s, end_s))
        events.append((first, 1, bytes([_NOTE_ON, int(pitch), int(velocity)])))
        events.append((max(last, first + 1), 0, bytes([_NOTE_OFF, int(pitch), 0])))
    track = bytes([0, 0xFF, 0x51, 3]) + round(60e6 / tempo).to_bytes(3)
    now = 0
    for at, _, message in sorted(events):  # a note that ends goes before one that begins
        track += _variable(at - now) + message
        now = at
    header = b"".join(number.to_bytes(2) for number in (0, 1, TICKS_A_BEAT))
    return _chunk(b"MThd", header) + _chunk(b"MTrk", track + _END)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4) + content


def _variable(number: int) -> bytes:
    """Seven bits a byte, the highest first, each but the last marked by its eighth."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(0x80 | (number & 0x7F))
    return bytes(reversed(parts))
