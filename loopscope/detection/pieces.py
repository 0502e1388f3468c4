"""Work in pieces, so that a stop is heard between them: no step of a fit is so long that Stop seems to do nothing."""

import itertools
from collections.abc import Callable

import numpy as np

from loopscope.arrays import Float
from loopscope.errors import Cancelled
from loopscope.progress import Progress, ProgressCallback, StopCheck, never_stop

Step = Callable[[], None]  # called before each step; may raise Cancelled
ROWS = 2_048  # a second of the longest work there is, the nearest of 20,000 rows of 512 features


def ask(should_stop: StopCheck) -> None:
    """Raises Cancelled if the user wishes an end while there is nothing yet that could be kept."""
    if should_stop():
        raise nothing_yet()


def nothing_yet() -> Cancelled:
    """What a stop raises that comes before there is a model."""
    return Cancelled("Training was stopped before there was a model; nothing of it is kept.")


def counted_steps(n_steps: int, on_progress: ProgressCallback, should_stop: StopCheck) -> Step:
    """What to call, from any thread, before each of about `n_steps` steps of scoring. It raises Cancelled at a stop."""
    numbers = itertools.count()

    def step() -> None:
        if should_stop():
            raise Cancelled("Scoring was stopped; the unfinished model can still be kept.")
        on_progress(Progress("Scoring the loops", min(next(numbers), n_steps), n_steps, "steps"))

    return step


def no_steps() -> None:
    """Where nobody waits for them."""


def in_pieces(score: Callable[[Float], Float], X: Float, should_stop: StopCheck = never_stop) -> Float:
    """`score` of all rows of X, (n, n_features) -> (n,), a piece at a time. Raises Cancelled between two."""
    pieces = []
    for first in range(0, max(len(X), 1), ROWS):
        ask(should_stop)
        pieces.append(score(X[first : first + ROWS]))
    return np.concatenate(pieces)
