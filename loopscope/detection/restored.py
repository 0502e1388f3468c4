"""A saved model as it comes from disk: what is known of its own loops at once, the rest once it is asked for.

A stored project is shown from the scores of its loops alone; networks are built, and the libraries for them loaded,
when a new loop is to be scored.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from safetensors import SafetensorError

from loopscope.arrays import Float, Int
from loopscope.detection.base import BaseDetector
from loopscope.detection.curves import CurveMaker
from loopscope.detection.fitted import Arrays, Fitted, Judgement
from loopscope.detection.registry import detector_info, make_detector
from loopscope.embeddings.patch_set import PatchSet
from loopscope.errors import DataError, ModelError
from loopscope.progress import EpochCallback, StopCheck

DAMAGES = (
    *(ValueError, LookupError, TypeError, RuntimeError, ArithmeticError, OSError),
    *(SafetensorError, DataError, ModelError),
)


class RestoredDetector(BaseDetector):
    """Stands for the detector of that name and preset, which is made from `fitted` and `state` when it is needed.

    Raises DataError for an unknown name. Where the state turns out not to be the detector's own, when it is needed, the
    model is `set_aside`, and ModelError says what that returns.
    """

    def __init__(
        self,
        name: str,
        preset: str,
        seed: int,
        options: Mapping[str, Any],
        fitted: Fitted,
        state: Arrays,
        set_aside: Callable[[Exception], str],
    ) -> None:
        super().__init__(name, preset, seed, options)
        detector_info(name)
        self._fitted, self._state, self._set_aside = fitted, state, set_aside

    def whole(self) -> BaseDetector:
        """The detector itself, built anew. Raises one of DAMAGES where the state is not its own."""
        detector = make_detector(self.name, self.preset, self.seed, **self.options)
        detector.restore(self.fitted, self._state)
        nothing, own = np.zeros((1, self.fitted.n_features)), self.fitted.latents.shape[1]
        width = detector.latents(nothing, patches=detector.made_up_patches(1)).shape[1]
        if own != width:
            raise ValueError(f"the latents have {own} dimensions where the model gives {width}")
        return detector

    @cached_property
    def _whole(self) -> BaseDetector:
        try:
            return self.whole()
        except DAMAGES as error:
            raise ModelError(self._set_aside(error)) from error

    @cached_property
    def curves(self) -> CurveMaker | None:
        """That of the detector, made from the state alone. Raises ModelError where the state is not its own."""
        if not self.patch_id:
            return None
        try:
            return CurveMaker.restored(self._state, self.patch_id, self.fitted.patch_seconds)
        except DAMAGES as error:
            raise ModelError(self._set_aside(error)) from error

    @property
    def centre_(self) -> Float | None:
        """That of the detector."""
        return self._whole.centre_

    def anomaly_scores(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Float:
        """Those of the detector."""
        return self._whole.anomaly_scores(X, encoder_id, patches)

    def latents(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Float:
        """Those of the detector."""
        return self._whole.latents(X, encoder_id, patches)

    def component_scores(
        self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None
    ) -> dict[str, Float]:
        """Those of the detector."""
        return self._whole.component_scores(X, encoder_id, patches)

    def judge(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Judgement:
        """That of the detector."""
        return self._whole.judge(X, encoder_id, patches)

    def repeat_scores(self, X: object, encoder_id: str | None = None) -> Float:
        """Those of the detector."""
        return self._whole.repeat_scores(X, encoder_id)

    def made_up_patches(self, n: int) -> PatchSet | None:
        """Those of the detector."""
        return self._whole.made_up_patches(n)

    def state(self) -> Arrays:
        """As it was saved."""
        return self._state

    def _fit(self, X: Float, groups: Int, on_epoch: EpochCallback, should_stop: StopCheck) -> Fitted:
        raise ModelError(f"The saved model {self.name} is not fitted again; make a new detector.")

    def _scores(self, X: Float) -> Float:
        return self._whole.anomaly_scores(X)

    def _latents(self, X: Float) -> Float:
        return self._whole.latents(X)

    def _restore(self, state: Arrays) -> None:
        self._state = state
        for made in ("_whole", "curves"):
            vars(self).pop(made, None)
