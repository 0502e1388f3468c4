"""Checks of what is played rather than recorded: pitch and time.

Tuning is in cents (a hundredth of a semitone) from the grid of semitones on A4 = 440 Hz, positive above it, and wraps
at half a semitone. Everything is heard in the loudest channel of the first minute.
"""
