"""A library of bass and guitar loops that loopscope synthesises itself, with labelled oddities to find.

Conventions: frequencies in Hz, pitches as MIDI note numbers (A4 = 69 = 440 Hz, fractions allowed), times in seconds,
samples float32. Every take has its own random generator, seeded by the library's seed and the take's number, so that
the same seed gives the same bytes. Loops are exact in length: what rings on after the last bar sounds at its beginning.
"""

from loopscope.demo.catalogue import Take, plan_takes
from loopscope.demo.make import make_demo_library
from loopscope.demo.render import render_take

__all__ = ["Take", "make_demo_library", "plan_takes", "render_take"]
