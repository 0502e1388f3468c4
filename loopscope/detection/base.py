"""What every detector does around its own fitting: check the input, order it, split it, report on it.

Conventions: X is (n_loops, n_features), float32, one embedding per row; scores are (n_loops,) float64 and higher means
more anomalous. Rows are sorted by a hash of their own content before anything random happens, so a result depends on
the set of rows and the seed, never on the order in which the rows came. Equal rows form a group, and a group is never
divided between training and validation, nor between folds: a copy must not vouch for its twin.
"""

import hashlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from loopscope.arrays import Float, Int
from loopscope.detection.fitted import Arrays, FitReport, Fitted, Judgement, Unscored
from loopscope.detection.judging import Rows, checked_ids, finite, judged, require_variety
from loopscope.detection.pieces import counted_steps
from loopscope.embeddings.patch_set import PatchSet
from loopscope.errors import DataError, ModelError
from loopscope.progress import EpochCallback, ProgressCallback, StopCheck, ignore_epoch, ignore_progress, never_stop
from loopscope.threads import one_thread

log = logging.getLogger(__name__)
MIN_LOOPS = 8  # fewer different loops than this do not say what is normal
LARGEST_VALUE = 1e6  # embeddings of every encoder here stay below 100; the square must fit float32


def check_embeddings(X: object) -> Float:
    """X as a finite, contiguous (n_loops, n_features) float32 array; raises DataError with the remedy."""
    array = np.asarray(X)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(f"Embeddings have shape {array.shape}, but one row per loop is needed: (n_loops, n_features).")
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise DataError(f"Embeddings are of type {array.dtype}; pass real numbers (float32).")
    inside = (array.max(axis=1) < LARGEST_VALUE) & (array.min(axis=1) > -LARGEST_VALUE)  # False where one is NaN
    bad = np.flatnonzero(~inside)
    if bad.size:
        raise DataError(
            f"{bad.size} of {len(array)} embeddings are not finite or reach {LARGEST_VALUE:g} "
            f"(first: row {bad[0]}); embed these loops again or leave them out."
        )
    return np.ascontiguousarray(array, dtype=np.float32) + np.float32(0)  # + 0 makes -0.0 and 0.0 the same bytes


def is_enough(X: Float) -> bool:
    """Whether X, (n_loops, n_features), has rows of MIN_LOOPS kinds to learn from; looks no further than that."""
    seen: set[bytes] = set()
    for row in X:
        seen.add((row + 0).tobytes())
        if len(seen) >= MIN_LOOPS:
            return True
    return False


def content_order(X: Float) -> tuple[Int, Int]:
    """An order of the rows that depends on their content only, and the group of equal rows each belongs to.

    Returns `order` (n,), such that X[order] is the same array for every permutation of X, and `groups` (n,) int for
    the rows of X[order]: equal rows have equal numbers, counted from 0.
    """
    digests = np.array([hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in X], dtype="S16")
    order = np.argsort(digests, kind="stable")
    _, groups = np.unique(digests[order], return_inverse=True)
    return order, groups


class BaseDetector(ABC):
    """The contract around a detector: everything but the fitting and scoring of rows in canonical order.

    Attributes that end in _ are those of the rows given to `fit`, in their order; they raise ModelError before it.
    """

    def __init__(self, name: str, preset: str, seed: int, options: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.preset = preset
        self.seed = seed
        self.options = dict(options or {})
        self._fitted: Fitted | None = None
        self._unscored: tuple[Unscored, Rows] | None = None

    @property
    def fitted(self) -> Fitted:
        """All that is known of the rows fitted on; where training was stopped they are scored now (`finish`).

        Raises ModelError where nothing was fitted.
        """
        self.finish()
        if self._fitted is None:
            raise ModelError(f"The detector {self.name} has not been fitted; call fit first.")
        return self._fitted

    @property
    def encoder_id(self) -> str | None:
        """What made the embeddings fitted on."""
        return self.fitted.encoder_id

    @property
    def patch_id(self) -> str:
        """What made the patches that it hears; "" where it hears none."""
        return self.fitted.patch_id

    @property
    def loop_ids_(self) -> tuple[str, ...]:
        """The ids of the rows, () where none were given."""
        return self.fitted.loop_ids

    @property
    def scores_(self) -> Float:
        """Scores, (n,) float64."""
        return self.fitted.scores

    @property
    def split_(self) -> NDArray[np.str_]:
        """The side of the split, "train" or "validation", (n,)."""
        return self.fitted.split

    @property
    def latents_(self) -> Float:
        """Rows of the space that the figures show, (n, d) float32."""
        return self.fitted.latents

    @property
    def centre_(self) -> Float | None:
        """Where the latents of normal loops gather, (d,); None for detectors without a centre."""
        return None

    @property
    def components_(self) -> Mapping[str, Float]:
        """The parts the score is made of, name -> (n,)."""
        return self.fitted.components

    @property
    def repeat_scores_(self) -> Float:
        """What each of several independent trainings alone would have said, (n_repeats, n); (0, n) for a single one."""
        return self.fitted.repeat_scores

    @property
    def reference_scores_(self) -> Float:
        """What a percentile threshold refers to: the training rows' scores, (m,) ascending, not joined by position."""
        return self.fitted.reference_scores

    @property
    def report_(self) -> FitReport:
        """What training did and whether it may be trusted."""
        return self.fitted.report

    def fit(
        self,
        X: object,
        loop_ids: Sequence[str] | None = None,
        encoder_id: str | None = None,
        on_epoch: EpochCallback = ignore_epoch,
        should_stop: StopCheck = never_stop,
        patches: PatchSet | None = None,
    ) -> Self:
        """Learn what is normal in X, (n_loops, n_features). `loop_ids` and `encoder_id` are kept with the model.

        `patches` of the same loops in the same order are used by detectors that hear inside them. Raises DataError
        for input that cannot be learnt from. `should_stop` is asked every few seconds: before there is anything to keep
        Cancelled is raised and the detector is unfitted; after an epoch what was learnt until then is kept and the
        detector is usable, but nothing is scored before it is asked for (`unfinished`, `finish`).
        """
        X = check_embeddings(X)
        ids = checked_ids(loop_ids, len(X))
        order, groups = content_order(X)
        require_variety(len(X), int(groups.max()) + 1 if len(X) else 0, MIN_LOOPS)
        start = time.perf_counter()
        self._fitted = self._unscored = None  # what an earlier fit left does not go with what a stopped one leaves
        self._hear(patches, order)
        rows = Rows(X[order], groups, order, ids, encoder_id)
        with one_thread():
            learnt = self._fit(rows.X, groups, on_epoch, should_stop)
            if isinstance(learnt, Unscored):
                self._unscored = learnt, rows
                log.info("train: %s, stopped after %.2f s", self._on(len(X)), time.perf_counter() - start)
            else:
                self._take(learnt, rows, start)
        return self

    @property
    def unfinished(self) -> str:
        """What was left undone by a training that was stopped and that nobody had scored yet; "" where nothing was."""
        return self._unscored[0].sentence if self._unscored is not None else ""

    def finish(self, on_progress: ProgressCallback = ignore_progress, should_stop: StopCheck = never_stop) -> Self:
        """Score the loops of a training that was stopped; nothing where they are scored.

        Raises Cancelled at a stop, and can be called again.
        """
        if self._unscored is None:
            return self
        unscored, rows = self._unscored
        start = time.perf_counter()
        with one_thread():
            self._take(unscored.score(counted_steps(unscored.n_steps, on_progress, should_stop)), rows, start)
        self._unscored = None
        return self

    def _take(self, fitted: Fitted, rows: Rows, start: float) -> None:
        self._fitted = judged(fitted, rows, time.perf_counter() - start)
        report = self._fitted.report
        what, n_warnings = self._on(len(rows.X)), len(report.warnings)
        log.info("train: %s, %d epochs, %d warnings, %.2f s", what, report.epochs, n_warnings, report.seconds)

    def _on(self, n_loops: int) -> str:
        return f"{self.name}, {self.preset}, seed {self.seed}, {n_loops} loops"

    def restore(self, fitted: Fitted, state: Arrays) -> None:
        """Be the detector that `fitted` and `state` were taken from; name, preset, seed and options are as its own.

        Raises ValueError, KeyError, RuntimeError or DataError where they are no state of such a detector.
        """
        self._fitted = fitted
        self._restore(state)

    def anomaly_scores(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Float:
        """Scores of loops that were not trained on, (n,) float64, higher = more anomalous.

        Raises ModelError when `encoder_id` or the number of features is not that of the embeddings fitted on, and
        where the model is damaged so that what it gives is no number. `patches` as in `fit`.
        """
        return finite(self._scores(self._check_new(X, encoder_id)).astype(np.float64))

    def latents(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Float:
        """Where the loops lie in the space that the figures show, (n, d) float32."""
        return finite(self._latents(self._check_new(X, encoder_id)).astype(np.float32))

    def component_scores(
        self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None
    ) -> dict[str, Float]:
        """The parts that `anomaly_scores` is made of, name -> (n,), higher = more anomalous; of most detectors one."""
        return {name: self.anomaly_scores(X, encoder_id) for name in self.components_}

    def judge(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Judgement:
        """All three of loops that were not trained on; for a detector to make in one go where that is less work."""
        return Judgement(
            self.anomaly_scores(X, encoder_id, patches),
            self.latents(X, encoder_id, patches),
            self.component_scores(X, encoder_id, patches),
        )

    def repeat_scores(self, X: object, encoder_id: str | None = None) -> Float:
        """`anomaly_scores` as each repeat alone gives them, (n_repeats, n); (0, n) where training is not repeated."""
        return np.empty((0, len(self._check_new(X, encoder_id))))

    def made_up_patches(self, n: int) -> PatchSet | None:  # noqa: B027 (there are none)
        """Patches of n loops that nobody played, to try the detector with; None where it hears none."""

    def require_encoder(self, encoder_id: str | None, n_features: int) -> None:
        """Raise ModelError unless the model was fitted on embeddings of this encoder (None: unknown) and this size."""
        own = self.fitted.encoder_id
        if encoder_id is not None and own is not None and encoder_id != own:
            raise ModelError(
                f"The model was fitted on embeddings of {own}, these are of {encoder_id}; "
                "embed the loops with the encoder of the model."
            )
        if n_features != self.fitted.n_features:
            raise ModelError(
                f"The model was fitted on {self.fitted.n_features} features but these embeddings have {n_features}; "
                "embed the loops with the encoder of the model."
            )

    def _check_new(self, X: object, encoder_id: str | None) -> Float:
        checked = check_embeddings(X)
        self.require_encoder(encoder_id, checked.shape[1])
        return checked

    def _hear(self, patches: PatchSet | None, order: Int) -> None:  # noqa: B027 (no duty)
        """Take the patches of the rows that are fitted next, whose canonical order this is; most detectors have none.

        Raises DataError where they are needed.
        """

    @abstractmethod
    def _fit(self, X: Float, groups: Int, on_epoch: EpochCallback, should_stop: StopCheck) -> Fitted | Unscored:
        """Fit on rows in canonical order; `groups` (n,) numbers the equal rows, which no split may part (see
        `fold_numbers` and `validation_mask`); the split depends on the seed. Unscored where training was stopped.
        """

    @abstractmethod
    def _scores(self, X: Float) -> Float: ...

    @abstractmethod
    def _latents(self, X: Float) -> Float: ...

    @abstractmethod
    def state(self) -> Arrays:
        """Everything scoring needs, as named arrays (no objects), for `saved.save_model`."""

    @abstractmethod
    def _restore(self, state: Arrays) -> None:
        """The reverse of `state`, which may be anybody's: nothing is built before its shapes are known to be right."""
