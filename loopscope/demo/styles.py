"""The styles: tempo, feel, instruments and grooves.

A groove is a bar of sixteenths. Bass: R root, 3 5 7 chord notes, o octave, a approach to the next root from a semitone
below, x dead note. Guitar: D and U strums, m muted strum, b bass string, c the upper strings together, 1 to 5 single
strings from the lowest. In both, - lets the note ring and . is silence.
"""

from dataclasses import dataclass

STEPS_A_BAR = 16


@dataclass(frozen=True)
class Style:
    """How a style is played.

    `swing` delays every second sixteenth by that part of a sixteenth; `looseness_s` is the standard deviation of the
    onsets; `instruments` and `bars` are what its takes alternate between (fractions of a bar are
    allowed).
    """

    name: str
    tempo: tuple[int, int]
    instruments: tuple[str, ...]
    grooves: tuple[str, ...]
    keys: tuple[str, ...]
    bars: tuple[float, ...] = (2, 4, 2, 1)
    swing: float = 0.0
    looseness_s: float = 0.004
    seventh: bool = False
    is_blues: bool = False
    stereo: bool = False


BASS_STYLES = (
    Style("Funk", (92, 116), ("slap", "finger"), ("R-.oR.x7.xR-5.7.", "R.x.o.R-..7.5xo.", "R-R.x7.o..x.5-7a"),
          ("Em", "Am", "E", "G", "Dm"), swing=0.1, bars=(2, 1, 4, 2)),
    Style("Disco", (112, 128), ("finger", "pick"), ("R.o.R.o.R.o.R.o.", "R-o-R-o-5-o-7-o-", "R-oxR-ox5-o.R-oa"),
          ("Am", "Dm", "F", "C", "Gm"), bars=(4, 2, 2, 4)),
    Style("Soul", (78, 104), ("finger",), ("R---..5-R-..3-5a", "R-..R-5-....7-oa", "R--.x.R-5--.3-a."),
          ("C", "F", "Bb", "Dm", "Am"), swing=0.12, bars=(2, 4, 2, 1)),
    Style("Rock", (110, 150), ("pick",), ("R-R-R-R-R-R-R-R-", "R-R-R-R-R-5-7-5-", "R---R-R-R---5-7-"),
          ("E", "A", "Em", "D", "Bm"), bars=(4, 2, 4, 1)),
    Style("Reggae", (66, 82), ("round",), ("..R-5-R-....3-5-", "R-....R-5-..R-3-", "....R--.3-5-R---"),
          ("A", "D", "G", "Am", "F#m"), bars=(2, 4, 1, 2), looseness_s=0.006),
    Style("HipHop", (80, 94), ("sub",), ("R-----..R-..5---", "R---..R-..R---o-", "R-------..7-R---"),
          ("Cm", "Fm", "Gm", "Em"), swing=0.15, bars=(2, 2, 4, 1)),
    Style("Synthwave", (84, 118), ("saw",), ("RRRRRRRRRRRRRRRR", "R.RRo.RRR.RRo.RR", "R-R-o-R-R-R-o-7-"),
          ("Am", "Em", "Dm", "F#m", "Cm"), bars=(2, 4, 2, 4), looseness_s=0.0),
    Style("House", (118, 126), ("fm", "saw"), ("..R-..R-..R-..o-", "R..R..R.o..R..7.", "R.-..R..o.R...5."),
          ("Am", "Cm", "Gm", "Fm"), bars=(4, 2, 1, 0.25), looseness_s=0.0),
    Style("Blues", (70, 112), ("round", "finger"), ("R---3---5---7---", "R--.3--.5--.a--.", "R--.R--o7--.5--a"),
          ("E", "A", "G", "C", "Bb"), swing=0.3, bars=(4, 2, 2, 4), is_blues=True),
    Style("Pop", (94, 122), ("pick", "finger"), ("R---....R---R-5-", "R-----R-R-----R-", "R-R-..R-R-5-..a-"),
          ("G", "D", "C", "Bm", "Eb"), bars=(2, 4, 1, 2)),
)  # fmt: skip

GUITAR_STYLES = (
    Style("Acoustic", (82, 122), ("steel",), ("D---D-U---U-D-U-", "D---D---D-U-D-U-", "D-.-D-U-.-U-D-DU"),
          ("G", "D", "C", "Em", "Am"), bars=(2, 4, 2, 1), looseness_s=0.005, stereo=True),
    Style("Funk", (94, 114), ("clean",), ("D.mmU.mUm.D.mmU.", "m.D.mUm.D.mUm.U.", "..mUD.m.mUm.D.m."),
          ("Em", "Am", "Dm", "G"), bars=(2, 1, 2, 4), swing=0.1, seventh=True),
    Style("Rock", (110, 148), ("drive",), ("D-m.D-m.D-m.D-D-", "D---..D-D-..m.m.", "D-mmD-mmD-D-mmmm"),
          ("E", "A", "D", "Em", "Bm"), bars=(2, 4, 2, 4), stereo=True),
    Style("Indie", (98, 132), ("chorus",), ("1-3-4-5-4-3-4-3-", "1-4-3-5-4-3-5-4-", "1-3-5-4-5-3-4-3-"),
          ("A", "E", "F#m", "D", "C"), bars=(4, 2, 2, 0.5), stereo=True),
    Style("Bossa", (68, 92), ("nylon",), ("b--c--c-b-.c-.c-", "b--cb-.c.-b-c-.c", "b-c---c-b--c-.c-"),
          ("C", "F", "Am", "Dm", "Bb"), bars=(2, 4, 2, 1), seventh=True, looseness_s=0.006),
    Style("Reggae", (68, 82), ("clean",), ("....D.......D...", "..D...D...D...D.", "..DU..D...DU..D."),
          ("A", "D", "G", "Am", "Bm"), bars=(2, 1, 4, 2)),
    Style("Ballad", (62, 78), ("steel", "nylon"), ("1-3-5-4-2-3-5-4-", "1-3-4-5-4-3-2-3-", "b---c---b-3-4-5-"),
          ("C", "G", "Em", "Am", "F"), bars=(2, 4, 2, 4), looseness_s=0.007, stereo=True),
)  # fmt: skip


def style_named(instrument: str, name: str) -> Style:
    """The style of that name among the instrument's."""
    return next(style for style in (BASS_STYLES if instrument == "Bass" else GUITAR_STYLES) if style.name == name)
