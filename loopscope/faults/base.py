"""What a signal check sees and what it says.

Conventions: samples are (channels, n) float32 with full scale ±1, times are seconds from the start of the file,
levels are dB relative to full scale (dBFS) unless a name says otherwise. A check's *score* is in the unit named in
`limits.LIMITS`, higher = more certainly faulty, and is comparable between files; its *strength* is the score on a
common scale from 0 to 1 on which 0.25 is the limit for "suspect", 0.5 the limit for "fault" and 1 beyond doubt.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from loopscope.arrays import Float
from loopscope.late import late
from loopscope.store.parsing import is_number

fft = late("scipy.fft")

Verdict = Literal["fault", "suspect"]
Made = TypeVar("Made")

SPECTRUM_SIZE = 2048  # samples
MAX_TIMES = 100  # time stamps kept for one finding: enough to draw, bounded for the database
CHECK_FAILED = "check_failed"
SILENCE = 1e-9  # added before logarithms, -180 dB


@dataclass(frozen=True)
class Fault:
    """One finding in one file, or the failure of a check (`kind` CHECK_FAILED, `strength` 0), which says nothing of it.

    `strength` is 0.25 … 1 (see the module's conventions); `times_s` are ascending seconds, empty where the fault has no
    place (hum, DC offset); `sentence` says it with the measured value and its unit, `brief` in a few words that fit
    into a row of a list ("clipped 13 %").
    """

    kind: str
    strength: float
    times_s: tuple[float, ...]
    verdict: Verdict
    sentence: str
    brief: str

    @property
    def row(self) -> dict[str, Any]:
        """As JSON can hold it."""
        row = asdict(self)
        row["times"] = list(row.pop("times_s"))
        return row


def is_finding(row: Any) -> bool:
    """Whether something that JSON can hold has what `Fault.row` has, each of its kind."""
    if not isinstance(row, dict) or row.get("verdict") not in get_args(Verdict):
        return False
    strength, times = row.get("strength"), row.get("times")
    texts = (row.get(name) for name in ("kind", "sentence", "brief"))
    return (
        all(isinstance(text, str) for text in texts)
        and is_number(strength)
        and isinstance(times, list)
        and all(map(is_number, times))
    )


@dataclass(frozen=True)
class Measurement:
    """What one check found in one block: a score in the check's unit, where, and a sentence for the user.

    `brief` says it in two to four words with the measured value, beginning in lower case; left empty, the title of the
    check's limit stands in.
    `failure` is set, and nothing else counts, where the check itself failed.
    `excuse` is set when a style of music measures the same (vinyl crackle, a square wave, a gated rhythm): the verdict
    then stays at "suspect", and the excuse is added to the sentence.
    """

    score: float
    times_s: tuple[float, ...] = ()
    sentence: str = ""
    brief: str = ""
    excuse: str = ""
    failure: str = ""


NOTHING = Measurement(0.0)  # of checks whose score is positive where something is wrong
NO_VALUE = Measurement(float("nan"))  # of checks of scope "folder"


@lru_cache(maxsize=4)
def _hann(size: int) -> Float:
    """(size,) periodic Hann window."""
    return np.hanning(size + 1)[:-1].astype(np.float32)


@dataclass(frozen=True)
class Signal:
    """One block of a file: `samples` (channels, n) float32, `start_s` its place in the file in seconds.

    `tempo_bpm`: beats per minute as the file's name tells them, None where it does not.
    `bits`: of an integer sample in the file, None where they are unknown or no integers.
    `tagged_bpm`, `tagged_key`: beats per minute and key ("F#m") as the file's tags tell them.
    """

    samples: Float
    sample_rate: int
    start_s: float = 0.0
    tempo_bpm: float | None = None
    bits: int | None = None
    tagged_bpm: float | None = None
    tagged_key: str | None = None
    _made: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, make: Callable[["Signal"], Made]) -> Made:
        """`make(self)`, made for the first check that asks and kept for the others."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    @property
    def duration_s(self) -> float:
        """Length of the block in seconds."""
        return float(self.samples.shape[1] / self.sample_rate)

    @cached_property
    def peak(self) -> float:
        """Largest absolute sample, full scale 1; 0 for an empty block."""
        return float(self.level.max(initial=0.0))

    @cached_property
    def level(self) -> Float:
        """(n,): largest absolute sample over the channels."""
        level: Float = np.abs(self.distinct_channels[0])
        for other in self.distinct_channels[1:]:
            np.maximum(level, np.abs(other), out=level)
        return level

    @cached_property
    def distinct_channels(self) -> Float:
        """(1 or channels, n): the channels that differ; dual mono is looked at once."""
        first = self.samples[:1]
        same = all(np.array_equal(first[0], other) for other in self.samples[1:])
        return first if same else self.samples

    @cached_property
    def main(self) -> Float:
        """(n,): the loudest channel. Not the mono mix, in which an inverted channel would cancel."""
        energy = (
            np.einsum("cn,cn->c", self.distinct_channels, self.distinct_channels)
            if len(self.distinct_channels) > 1
            else np.zeros(1)
        )
        loudest = int(energy.argmax())
        main: Float = self.distinct_channels[loudest]
        return main

    @cached_property
    def power_spectrum(self) -> Float:
        """(frames, 1025) power of `main` in Hann frames of 2048 samples, end to end; each sums to its mean square."""
        window = _hann(SPECTRUM_SIZE)
        spectrum = fft.rfft(block_view(self.main, SPECTRUM_SIZE) * window, axis=1)
        scale = np.float32(2.0 / (SPECTRUM_SIZE * (window**2).sum()))
        return np.asarray((spectrum.real**2 + spectrum.imag**2) * scale, dtype=np.float32)

    def time_of(self, index: float) -> float:
        """Seconds in the file of a sample index in the block, to the millisecond."""
        return round(self.start_s + float(index) / self.sample_rate, 3)


Measure = Callable[[Signal], Measurement]


@dataclass(frozen=True)
class Check:
    """One line of the registry.

    `scope` says how the blocks of a long file are joined: "any" block is enough (a click), "all" blocks must show it
    (hum), the check sees only the "first" (music: loops are shorter), or only the "seam" where the end of the file
    meets its start. One of scope "folder" sees the first block too, but its score is no more than a value to compare
    with those of other loops (`folders.COMPARISONS`) or with their names (`named_keys`), NaN where there is none.

    `version`: raise it whenever the check would find or say something else of the same file, also by what it shares
    with others; loops that it heard at another are heard again, by it alone.
    """

    kind: str
    measure: Measure
    scope: Literal["any", "all", "first", "seam", "folder"] = "any"
    version: int = 1


def decibels(amplitude: npt.ArrayLike) -> Float:
    """20·log10 of an amplitude (any shape), finite for 0."""
    level: Float = 20.0 * np.log10(np.asarray(amplitude, dtype=np.float64) + SILENCE)
    return level


def counted(count: int, noun: str) -> str:
    """A number with its noun, such as "1 click" and "12 clicks"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def in_percent(share: float) -> str:
    """A share 0 … 1 in whole percent, below one with the first digit that counts: "13 %", "0.4 %"."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 0.95 else f"{percent:.1g} %"


def block_view(x: Float, size: int) -> Float:
    """(n,) -> (n // size, size) without copying; the incomplete last block is left out."""
    n = len(x) // size
    return x[: n * size].reshape(n, size)
