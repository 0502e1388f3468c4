"""AE and AEwRES with the paper's recipe behind the contract of all detectors (preset "paper").

Conventions: embeddings go in unscaled, scores are squared distances to c (Equation 2), training rows are scored by the
model that saw them. A score is the sum over the 32 latent dimensions as the equation has it; the scores and thresholds
that the paper prints are means over them, 32 times smaller. Latents are those of the fine-tuned encoder, (n, 32).
"""

import copy
from typing import Any

import numpy as np
import torch

from loopscope.arrays import Float, Int
from loopscope.detection.base import BaseDetector
from loopscope.detection.fitted import Arrays, FitReport, Fitted, Unscored, stopped_sentence
from loopscope.detection.folds import validation_mask
from loopscope.detection.networks import filled
from loopscope.detection.paper_training import DeepSVDD, PaperPreset, PaperTraining, new_model
from loopscope.detection.parts import ScorePart
from loopscope.detection.pieces import Step, no_steps
from loopscope.detection.quality import is_collapsed, latent_measures, without_fine_tuning
from loopscope.progress import EpochCallback, StopCheck


class PaperDetector(BaseDetector):
    """One autoencoder, `residual` or not, and one split. `options` replace fields of `PaperPreset`."""

    def __init__(self, residual: bool, name: str, preset: str = "paper", seed: int = 0, **options: Any) -> None:
        super().__init__(name, preset, seed, options)
        self.residual = residual
        self.settings = PaperPreset(**options)

    @property
    def centre_(self) -> Float:
        """c in the space of `latents_`, (32,)."""
        return self._model.centre.numpy()

    def _fit(self, X: Float, groups: Int, on_epoch: EpochCallback, should_stop: StopCheck) -> Fitted | Unscored:
        validation = validation_mask(groups, self.settings.validation_fraction, np.random.default_rng(self.seed))
        generator = torch.Generator().manual_seed(self.seed)
        self._model = new_model(X.shape[1], self.residual, self.settings, generator)
        train, held_out = torch.from_numpy(X[~validation]), torch.from_numpy(X[validation])
        training = PaperTraining(self._model, train, held_out, self.settings, generator, on_epoch, should_stop)
        history = training.pretrain()
        before = copy.deepcopy(self._model).eval()
        tuning = [] if training.stopped else training.finetune()
        history += tuning
        fine_tuned = bool(tuning)
        complete = fine_tuned and training.ended
        unfinished = "" if complete else stopped_sentence(history, at_most=True)

        def score(step: Step) -> Fitted:
            step()
            measures = _measures(before, self._model, X[validation])
            report = FitReport(
                history=tuple(history),
                collapsed=fine_tuned and is_collapsed(measures["spread_before"], measures["spread_after"]),
                warnings=() if complete else (unfinished,),
                measures=measures if fine_tuned else without_fine_tuning(measures),
                complete=complete,
            )
            scores = self._scores(X)
            return Fitted(scores, validation, self._latents(X), report, {ScorePart.DISTANCE: scores})

        return score(no_steps) if complete else Unscored(unfinished, 1, score)

    def _scores(self, X: Float) -> Float:
        return _distances(self._model, X)

    def _latents(self, X: Float) -> Float:
        with torch.inference_mode():
            return self._model.latents(torch.from_numpy(X)).numpy()

    def state(self) -> Arrays:
        """Weights and centre."""
        return {name: tensor.numpy() for name, tensor in self._model.state_dict().items()}

    def _restore(self, state: Arrays) -> None:
        """Build the network for the saved weights and fill it."""
        generator = torch.Generator().manual_seed(self.seed)
        self._model = filled(lambda: new_model(self.fitted.n_features, self.residual, self.settings, generator), state)


def _distances(model: DeepSVDD, X: Float) -> Float:
    with torch.inference_mode():
        return model.distance(torch.from_numpy(X)).numpy()


def _measures(before: DeepSVDD, after: DeepSVDD, X: Float) -> dict[str, float]:
    """Measures on held-out rows X, (n, n_features). The report adds the held-out exceedance."""
    rows = torch.from_numpy(X)
    with torch.inference_mode():
        latents = after.latents(rows).numpy()
        measures = latent_measures(latents[None], _distances(before, X)[None], _distances(after, X)[None])
        variance = max(float(np.square(X - X.mean(axis=0)).mean()), 1e-12)
        measures["variance_lost"] = float(before.reconstruction_error(rows).mean()) / variance
        if before.network.residual:
            without = before.reconstruction_error(rows, with_skips=False)
            measures["variance_lost_without_skips"] = float(without.mean()) / variance
    return measures
