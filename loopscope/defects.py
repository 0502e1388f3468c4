"""The one place that catches whatever a defect raises, so that one odd file costs itself and nothing else.

Files come from strangers: a check that has worked on a million of them meets one that makes it divide by zero. Such a
failure belongs to that loop, is said beside it, and is in the log once, by its kind and its place in the code: what an
exception says may name a file, and the log names none.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import TypeVar

from loopscope.errors import LoopscopeError

log = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Defect:
    """What went wrong that nobody foresaw, in a line such as "OverflowError, math range error"."""

    reason: str


def attempt(what: str, work: Callable[[], Result], level: int = logging.WARNING) -> Result | Defect:
    """The result of `work`, or the defect it met, which is logged once as one of `what` ("the check for clipping").

    `level`: of that line; a lower one where failures are no surprise, as of a network, and whoever asked is told.
    What loopscope raises on purpose, `Cancelled` among it, passes through.
    """
    try:
        return work()
    except LoopscopeError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever a defect raises: see the module's head; it hides nothing)
        _log_once(level, what, type(error).__name__, _place(error.__traceback__))
        return Defect(", ".join(filter(None, (type(error).__name__, " ".join(str(error).split())))))


@lru_cache(maxsize=1024)
def _log_once(level: int, what: str, kind: str, place: str) -> None:
    log.log(level, "%s failed: %s at %s", what, kind, place)


def _place(traceback: TracebackType | None) -> str:
    """Module and line where it was raised."""
    frames = extract_tb(traceback)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
