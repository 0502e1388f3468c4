"""Keys, chords and progressions: as much music theory as a groove needs."""

from dataclasses import dataclass

PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
MIXOLYDIAN = (0, 2, 4, 5, 7, 9, 10)

# Degrees count from 0: (0, 5, 2, 6) in minor is i VI III VII.
MINOR_PROGRESSIONS = ((0, 5, 2, 6), (0, 6, 5, 6), (0, 3, 0, 4), (0, 0, 3, 6), (0, 2, 6, 3))
MAJOR_PROGRESSIONS = ((0, 4, 5, 3), (0, 3, 4, 3), (0, 5, 3, 4), (1, 4, 0, 5), (0, 2, 3, 4))
BLUES_PROGRESSIONS = ((0, 3, 0, 0), (0, 0, 3, 0), (3, 0, 4, 0))

LOWEST_BASS = 28  # E1
LOWEST_GUITAR = 40  # E2


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class 0 to 11) and its scale in semitones above the tonic."""

    tonic: int
    scale: tuple[int, ...]

    def degree(self, degree: int) -> int:
        """Semitones above the tonic of a scale degree, which may lie beyond the octave."""
        octave, step = divmod(degree, len(self.scale))
        return 12 * octave + self.scale[step]

    def chord(self, degree: int, n_notes: int = 4) -> tuple[int, ...]:
        """Stacked thirds on a degree: root, third, fifth, seventh as semitones above the tonic."""
        return tuple(self.degree(degree + 2 * third) for third in range(n_notes))


def parse_key(name: str, is_blues: bool = False) -> Key:
    """`Em` is E minor, `Bb` is B flat major; blues take the dominant seventh of the Mixolydian scale."""
    is_minor = name.endswith("m")
    tonic = PITCH_CLASSES.index(name.removesuffix("m"))
    if is_blues:
        return Key(tonic, MIXOLYDIAN)
    return Key(tonic, MINOR if is_minor else MAJOR)


def lift(pitch_class: int, lowest: int) -> int:
    """The lowest MIDI note of a pitch class that is not below `lowest`."""
    return lowest + (pitch_class - lowest) % 12


def guitar_voicing(key: Key, degree: int, lowest: int, with_seventh: bool) -> tuple[int, ...]:
    """Five strings: root, fifth, octave, third and fifth (or seventh) above, the spacing of an E or A shape."""
    root, third, fifth, seventh = key.chord(degree)
    base = lift((key.tonic + root) % 12, lowest)
    top = seventh if with_seventh else fifth
    return tuple(base + step for step in (0, fifth - root, 12, 12 + third - root, 12 + top - root))


def power_chord(key: Key, degree: int, lowest: int) -> tuple[int, ...]:
    """Root, fifth and octave."""
    root = key.chord(degree)[0]
    base = lift((key.tonic + root) % 12, lowest)
    return (base, base + 7, base + 12)


def frequency(pitch: float, cents: float = 0.0) -> float:
    """Hz of a MIDI pitch, `cents` above A = 440 Hz tuning."""
    return float(440.0 * 2.0 ** ((pitch - 69.0 + cents / 100.0) / 12.0))
