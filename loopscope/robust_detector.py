"""AE and AEwRES as cross-fitted ensembles behind the contract of all detectors (preset "robust", the default).

Conventions: a fitted loop is scored by the member that did not train on it, a new loop by the mean over all members.
The score is a weighted geometric mean of calibrated parts (`components_`): positive, 1 is the typical loop. Latents are
those of member 0, whose held-out fold is what `split_` calls "validation": members have coordinate systems of their
own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from loopscope.fitting import BaseDetector, FitReport, Fitted, fold_numbers
from loopscope.guards import FloatArray, effective_rank, is_collapsed, rank_agreement
from loopscope.members import fuse
from loopscope.progress import EpochCallback, StopCheck
from loopscope.robust_svdd import RobustFit, RobustPreset, fit_members, new_members

STOPPED_EARLY = (
    "Training was stopped before its end, so the ranking is that of a half-trained model; train again for a full one."
)


class RobustDetector(BaseDetector):
    """K members, each trained without one fold. `options` replace fields of `RobustPreset`."""

    def __init__(self, name: str, preset: str = "robust", seed: int = 0, **options: Any) -> None:
        super().__init__(name, preset, seed, options)
        self.settings = RobustPreset(**options)

    @property
    def centre_(self) -> FloatArray:
        """c in the space of `latents_`, (32,)."""
        out: FloatArray = self._members.centre[0, 0].numpy()
        return out

    def _fit(self, X: FloatArray, groups: FloatArray, on_epoch: EpochCallback, should_stop: StopCheck) -> Fitted:
        fold = fold_numbers(groups, self.settings.n_folds, np.random.default_rng(self.seed))
        train_rows = fold != np.unique(fold)[:, None]
        fit = fit_members(X, train_rows, self.name == "AEwRES", self.settings, self.seed, on_epoch, should_stop)
        self._members = fit.members
        by_member = self._components(X)
        rows = np.arange(len(X))
        components = {name: part[fold, rows] for name, part in by_member.items()}
        measures = self._measures(fit, X, fold)
        report = FitReport(
            history=fit.history,
            epochs=len(fit.history),
            spread_before=measures["spread_before"],
            spread_after=measures["spread_after"],
            collapsed=is_collapsed(measures["spread_before"], measures["spread_after"]),
            warnings=(STOPPED_EARLY,) if fit.stopped else (),
            measures=measures,
        )
        return Fitted(fuse(components, self.settings.weights), fold == 0, self._latents(X), report, components)

    def _components(self, X: FloatArray) -> dict[str, FloatArray]:
        """Name -> (n_members, n), calibrated."""
        return {name: part.numpy() for name, part in self._members.components(torch.from_numpy(X)).items()}

    def _scores(self, X: FloatArray) -> FloatArray:
        by_member = fuse(self._components(X), self.settings.weights)
        mean: FloatArray = np.exp(np.log(by_member).mean(axis=0))
        return mean

    def _latents(self, X: FloatArray) -> FloatArray:
        with torch.inference_mode():
            out: FloatArray = self._members.latents(torch.from_numpy(X))[0].numpy()
        return out

    def _measures(self, fit: RobustFit, X: FloatArray, fold: FloatArray) -> dict[str, float]:
        """Guards, each a mean over members on the rows they did not train on."""
        members, rows = self._members, torch.from_numpy(X)
        with torch.inference_mode():
            white = members.whitened(rows)
            before = members.distance(fit.pretrained(white)).numpy()
            latents = members.encoder(white).numpy()
            after = members.distance(torch.from_numpy(latents)).numpy()
            lost = members.reconstruction_error(rows).numpy()
            without = members.reconstruction_error(rows, with_skips=False).numpy()
            variance = np.square(members.standardised(rows).numpy()).mean(axis=2)
        held = [np.flatnonzero(fold == k) for k in range(len(before))]

        def mean_held_out(values: FloatArray) -> float:
            return float(np.mean([values[k, rows].mean() for k, rows in enumerate(held)]))

        measures = {
            "spread_before": mean_held_out(before),
            "spread_after": mean_held_out(after),
            "effective_rank": float(np.mean([effective_rank(latents[k, rows]) for k, rows in enumerate(held)])),
            "latent_size": float(latents.shape[2]),
            "variance_lost": mean_held_out(lost) / max(mean_held_out(variance), 1e-12),
            "agreement_with_pretrained": float(
                np.mean([rank_agreement(before[k, rows], after[k, rows]) for k, rows in enumerate(held)])
            ),
        }
        if self.name == "AEwRES":
            measures["variance_lost_without_skips"] = mean_held_out(without) / max(mean_held_out(variance), 1e-12)
        return measures

    def state(self) -> dict[str, FloatArray]:
        """Weights, preprocessing, centres, calibration and the training rows that neighbours are sought among."""
        return {name: tensor.numpy() for name, tensor in self._members.state_dict().items()}

    def restore(self, state: Mapping[str, FloatArray]) -> None:
        """Build members for the saved arrays and fill them."""
        n_members, shape = len(state["train_rows"]), state["fitted"].shape
        self.n_features = shape[1]
        generator = torch.Generator().manual_seed(self.seed)
        self._members = new_members(n_members, shape, self.name == "AEwRES", self.settings, generator)
        self._members.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
        self._members.eval()
