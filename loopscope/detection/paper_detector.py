"""AE and AEwRES with the paper's recipe behind the contract of all detectors (preset "paper").

Conventions: embeddings go in unscaled, scores are squared distances to c (Equation 2), training rows are scored by the
model that saw them. Latents are those of the fine-tuned encoder, (n, 32).
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from loopscope.detection.base import BaseDetector, FitReport, Fitted, validation_mask
from loopscope.detection.paper_training import DeepSVDD, PaperPreset, finetune, new_model, pretrain
from loopscope.detection.quality import FloatArray, effective_rank, is_collapsed, rank_agreement
from loopscope.progress import EpochCallback, StopCheck

STOPPED_EARLY = "Training was stopped while pretraining, so the model was not fine-tuned; train again for a full model."


class PaperDetector(BaseDetector):
    """One autoencoder, one split. `options` replace fields of `PaperPreset`."""

    def __init__(self, name: str, preset: str = "paper", seed: int = 0, **options: Any) -> None:
        super().__init__(name, preset, seed, options)
        self.settings = PaperPreset(**options)

    @property
    def centre_(self) -> FloatArray:
        """c in the space of `latents_`, (32,)."""
        out: FloatArray = self._model.centre.numpy()
        return out

    def _fit(self, X: FloatArray, groups: FloatArray, on_epoch: EpochCallback, should_stop: StopCheck) -> Fitted:
        validation = validation_mask(groups, self.settings.validation_fraction, np.random.default_rng(self.seed))
        generator = torch.Generator().manual_seed(self.seed)
        self._model = new_model(X.shape[1], self.name == "AEwRES", self.settings, generator)
        train, held_out = torch.from_numpy(X[~validation]), torch.from_numpy(X[validation])
        stopped = False

        def stop_now() -> bool:
            nonlocal stopped
            stopped = stopped or should_stop()
            return stopped

        history = pretrain(self._model, train, held_out, self.settings, generator, on_epoch, stop_now)
        before = copy.deepcopy(self._model).eval()
        interrupted = stopped
        if not interrupted:
            history += finetune(self._model, train, held_out, self.settings, generator, on_epoch, stop_now)
        measures = _measures(before, self._model, X[validation], self.name == "AEwRES")
        report = FitReport(
            history=tuple(history),
            epochs=len(history),
            spread_before=measures["spread_before"],
            spread_after=measures["spread_after"],
            collapsed=is_collapsed(measures["spread_before"], measures["spread_after"]),
            warnings=(STOPPED_EARLY,) if interrupted else (),
            measures=measures,
        )
        scores = self._scores(X)
        return Fitted(scores, validation, self._latents(X), report, {"distance": scores})

    def _scores(self, X: FloatArray) -> FloatArray:
        return _distances(self._model, X)

    def _latents(self, X: FloatArray) -> FloatArray:
        with torch.inference_mode():
            out: FloatArray = self._model.network.encode(torch.from_numpy(X)).numpy()
        return out

    def state(self) -> dict[str, FloatArray]:
        """Weights and centre."""
        return {name: tensor.numpy() for name, tensor in self._model.state_dict().items()}

    def restore(self, state: Mapping[str, FloatArray]) -> None:
        """Build the network for the saved weights and fill it."""
        self.n_features = state["network.encoder.0.weight"].shape[1]
        generator = torch.Generator().manual_seed(self.seed)
        self._model = new_model(self.n_features, self.name == "AEwRES", self.settings, generator)
        self._model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
        self._model.eval()


def _distances(model: DeepSVDD, X: FloatArray) -> FloatArray:
    with torch.inference_mode():
        out: FloatArray = model.distance(torch.from_numpy(X)).numpy()
    return out


def _measures(before: DeepSVDD, after: DeepSVDD, X: FloatArray, residual: bool) -> dict[str, float]:
    """Quality checks on held-out rows X, (n, n_features). The report adds the held-out exceedance."""
    rows = torch.from_numpy(X)
    with torch.inference_mode():
        latents = after.network.encode(rows).numpy()
        variance = max(float(np.square(X - X.mean(axis=0)).mean()), 1e-12)
        lost = float(before.reconstruction_error(rows).mean()) / variance
        without = float(before.reconstruction_error(rows, with_skips=False).mean()) / variance
    d_before, d_after = _distances(before, X), _distances(after, X)
    measures = {
        "spread_before": float(d_before.mean()),
        "spread_after": float(d_after.mean()),
        "effective_rank": effective_rank(latents),
        "latent_size": float(latents.shape[1]),
        "variance_lost": lost,
        "agreement_with_pretrained": rank_agreement(d_before, d_after),
    }
    return measures | ({"variance_lost_without_skips": without} if residual else {})
