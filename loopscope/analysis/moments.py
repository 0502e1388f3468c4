"""Where a loop is oddest, and at which moments of other loops the same is to be heard as it usually sounds.

Conventions: times are seconds from the start of a loop; a moment is named by the middle of its patch. As much of a loop
is compared as is heard of it, half a second around the moment, so that what stands beside it sounds alike before and
after it too.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Float
from loopscope.detection.curves import CurveMaker
from loopscope.encoders.base import Patches

HEARD_S = 0.5
MOST_BESIDE = 3
SAME = 0.1  # of a typical distance: nearer than that it is the same recording, with the same oddity

Read = Callable[[Collection[str], str], Mapping[str, Patches]]  # loop_ids, patch_id -> the patches that are known


@dataclass(frozen=True)
class Moment:
    """One moment of one loop."""

    loop_id: str
    at_s: float


@dataclass(frozen=True)
class Moments:
    """`curve` (n,) of one loop, 1 is a typical moment, a value every `step_s`; `beside`: moments of others like its
    oddest, nearest first, one a loop."""

    loop_id: str
    curve: Float
    step_s: float
    beside: tuple[Moment, ...] = ()

    @property
    def odd(self) -> float:
        """How many times as far from all other loops the oddest moment is as a typical one."""
        return float(self.curve.max())

    @property
    def at_s(self) -> float:
        """The oddest moment."""
        return (int(self.curve.argmax()) + 0.5) * self.step_s

    @property
    def sentence(self) -> str:
        """Where it is, and how odd."""
        times = f"{self.odd:.1f}" if self.odd < 9.95 else f"{self.odd:.0f}"
        return f"Listen here: {self.at_s:.1f} s, {times} times as far from other loops as a typical moment."


@dataclass(frozen=True)
class MomentFinder:
    """Where loops are oddest to one model. `near` names loops to compare one with."""

    curves: CurveMaker
    read: Read
    near: Callable[[str], Sequence[str]] = lambda loop_id: ()

    def find(self, loop_id: str, with_others: bool = True) -> Moments | None:
        """None where the loop's patches are not known. Some milliseconds."""
        return moments_of(loop_id, self.curves, self.read, self.near(loop_id) if with_others else ())


def around(at_s: float, duration_s: float) -> tuple[float, float]:
    """What is heard of a moment, within the loop: start and end in seconds."""
    start_s = min(max(at_s - HEARD_S / 2, 0.0), max(duration_s - HEARD_S, 0.0))
    return start_s, min(start_s + HEARD_S, duration_s)


def moments_of(loop_id: str, curves: CurveMaker, read: Read, others: Sequence[str] = ()) -> Moments | None:
    """Of one loop, beside `others`; None where its patches are not known, or not how long they are."""
    known = dict(read([loop_id, *others], curves.patch_id))
    own = known.pop(loop_id, None)
    if own is None or not curves.takes(own) or not curves.patch_seconds > 0:
        return None
    curve, step_s = curves.curve(own), curves.patch_seconds
    peak, length = int(curve.argmax()), max(1, round(HEARD_S / step_s))
    first = min(max(peak - length // 2, 0), max(len(own) - length, 0))
    heard = own[first : first + length]
    found = sorted(
        (*_nearest(heard, known[other]), other)
        for other in others
        if other in known and curves.takes(known[other]) and len(known[other]) >= len(heard)
    )
    least = (SAME * curves.typical) ** 2
    alike = [(start, other) for distance, start, other in found if distance > least][:MOST_BESIDE]
    beside = tuple(Moment(other, (start + peak - first + 0.5) * step_s) for start, other in alike)
    return Moments(loop_id, curve, step_s, beside)


def _nearest(heard: Patches, other: Patches) -> tuple[float, int]:
    """How far the stretch of `other` that sounds most like `heard` is from it, squared, mean over its patches; and
    which patch it begins with."""
    a, b = heard.astype(np.float32), other.astype(np.float32)
    squared = np.einsum("nd,nd->n", b, b)[:, None] - 2 * b @ a.T + np.einsum("md,md->m", a, a)
    n = len(b) - len(a) + 1
    apart = np.mean([squared[place : place + n, place] for place in range(len(a))], axis=0)
    start = int(apart.argmin())
    return float(apart[start]), start
