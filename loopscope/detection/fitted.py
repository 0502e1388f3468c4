"""What a detector knows of the loops it was fitted on: one record, which `saved` walks over field by field."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopscope.arrays import Bool, Float, Int
from loopscope.detection.collection import Collection
from loopscope.detection.pieces import Step
from loopscope.progress import PHASES, EpochReport

Arrays = Mapping[str, NDArray[Any]]  # name -> array of any shape and kind


@dataclass(frozen=True)
class FitReport:
    """What training did, and whether its result may be trusted.

    `measures` holds every check's figure by name, `warnings` one plain sentence for each check that was not passed. A
    `collapsed` model must not be presented as good, nor one that is not `complete`: its training was stopped before the
    end, and its first warning says what was not finished.
    """

    history: tuple[EpochReport, ...] = ()
    seconds: float = 0.0
    collapsed: bool = False
    warnings: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    complete: bool = True

    @property
    def epochs(self) -> int:
        """Epochs of both phases."""
        return len(self.history)


def stopped_sentence(history: Sequence[EpochReport], at_most: bool = False) -> str:
    """What a stop after these epochs left unfinished; `at_most`: training may have ended earlier by itself."""
    last = history[-1]
    done = f"{last.epoch:,} of {'at most ' if at_most else ''}{last.n_epochs:,} epochs"
    phase = "fine-tuning" if last.phase == PHASES[-1] else "pretraining and before fine-tuning"
    return (
        f"Training was stopped after {done} of {phase}; the model is half-trained, so train again before trusting it."
    )


@dataclass(frozen=True)
class Fitted:
    """All of it, joined by row; higher scores are more anomalous. A new field is saved and loaded without more ado."""

    scores: Float  # (n,)
    validation: Bool  # (n,)
    latents: Float  # (n, d)
    report: FitReport
    components: Mapping[str, Float]  # name -> (n,), the parts the score is made of
    repeat_scores: Float = field(default_factory=lambda: np.empty((0, 0)))  # (n_repeats, n), what each alone would say
    loop_ids: tuple[str, ...] = ()
    encoder_id: str | None = None
    n_features: int = 0
    collection: Collection | None = None  # the rows as a whole; None in models of older versions
    patch_id: str = ""  # what made the patches that were heard, one every `patch_seconds`; "" where none were
    patch_seconds: float = 0.0

    @cached_property
    def split(self) -> NDArray[np.str_]:
        """The side each row was on, "train" or "validation", (n,)."""
        return np.where(self.validation, "validation", "train")

    @cached_property
    def reference_scores(self) -> Float:
        """Ascending scores of the training rows."""
        return np.sort(self.scores[~self.validation])

    def in_order(self, rows: Int) -> "Fitted":
        """The same with its rows in this order, scores as float64, latents as float32."""
        return replace(
            self,
            scores=self.scores[rows].astype(np.float64),
            validation=self.validation[rows],
            latents=self.latents[rows].astype(np.float32),
            components={name: part[rows].astype(np.float64) for name, part in self.components.items()},
            repeat_scores=np.array([scores[rows] for scores in self.repeat_scores]).reshape(-1, len(rows)),
        )


class Judgement(NamedTuple):
    """What a detector says of loops that it was not fitted on, joined by row."""

    scores: Float  # (n,) float64, higher = more anomalous
    latents: Float  # (n, d) float32
    components: Mapping[str, Float]  # name -> (n,), the parts the score is made of


@dataclass(frozen=True)
class Unscored:
    """What a training that was stopped leaves: nothing is scored until somebody wants the unfinished model.

    `sentence` says what was not finished. `score(step)` makes the rest of the fit, of about `n_steps` steps, and calls
    `step` before each, which may raise Cancelled; it can be called again then.
    """

    sentence: str
    n_steps: int
    score: Callable[[Step], Fitted]
