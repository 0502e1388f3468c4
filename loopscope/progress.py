"""How long tasks report and are stopped: plain callables, so that no module below ui/ knows of threads or screens."""

from collections.abc import Callable
from dataclasses import dataclass

from loopscope.errors import Cancelled


@dataclass(frozen=True)
class Progress:
    """One report of a long task. `done` and `total` count items of `unit`; `total` 0 means not yet known.

    `message` says more where figures do not; `at_most`: the work may end before `total` is reached. Work of several
    stages says where it stands as a whole: `step` ("2 of 3"), `share` (0 to 1) and `seconds_left`.
    """

    stage: str
    done: int
    total: int
    unit: str = "files"
    message: str = ""
    at_most: bool = False
    step: str = ""
    share: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class EpochReport:
    """One epoch of training.

    `phase` is "pretrain" or "finetune"; losses are means over the rows of the split; `spread` is the mean squared
    distance of the validation latents to their own mean (latent units squared), None where it was not measured.
    """

    phase: str
    epoch: int
    n_epochs: int
    train_loss: float
    validation_loss: float
    spread: float | None = None


PHASES = ("pretrain", "finetune")


def training_progress(report: EpochReport) -> Progress:
    """Epochs of both phases so far; the total is the most there can be, as training may end early."""
    phase = PHASES.index(report.phase)
    stage = f"Training, phase {phase + 1} of {len(PHASES)}"
    done = phase * report.n_epochs + report.epoch
    return Progress(stage, done, len(PHASES) * report.n_epochs, "epochs", at_most=True)


ProgressCallback = Callable[[Progress], None]
EpochCallback = Callable[[EpochReport], None]
StopCheck = Callable[[], bool]


def ignore_progress(report: Progress) -> None:
    """Default callback."""


def ignore_epoch(report: EpochReport) -> None:
    """Default callback."""


def never_stop() -> bool:
    """Default stop check."""
    return False


def stoppable(on_progress: ProgressCallback, should_stop: StopCheck, message: str) -> ProgressCallback:
    """The callback for work that reports often and knows no stop check: it raises `Cancelled` once told to stop."""

    def report(progress: Progress) -> None:
        on_progress(progress)
        if should_stop():
            raise Cancelled(message)

    return report
