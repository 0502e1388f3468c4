"""AE and AEwRES as cross-fitted ensembles behind the contract of all detectors (preset "robust", the default).

Conventions: the score has four parts (`components_`, robust z-scores, 0 is typical): distance to the centre of the
Deep SVDD latents, reconstruction error of the autoencoder, and local density in two views of the embeddings. A fitted
loop is scored by the members that did not train on it and without itself as a neighbour, a new loop by the mean over
all members. Scores are positive, 1 is typical. Latents are those of the first member, whose held-out fold is what
`split_` calls "validation": members have coordinate systems of their own.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from loopscope.arrays import Float, Int
from loopscope.detection.base import BaseDetector, check_embeddings
from loopscope.detection.calibration import fuse, log_part, median_and_scale
from loopscope.detection.fitted import Arrays, FitReport, Fitted, Judgement, Unscored, stopped_sentence
from loopscope.detection.folds import fold_numbers
from loopscope.detection.judging import finite
from loopscope.detection.local_density import LARGEST_REFERENCE, LocalDensity, most_isolated
from loopscope.detection.networks import filled
from loopscope.detection.parts import DEEP_PARTS, DENSITY_PARTS
from loopscope.detection.pieces import Step, no_steps
from loopscope.detection.quality import is_collapsed, mean_agreement, without_fine_tuning
from loopscope.detection.robust_members import CHUNK, CrossFittedMembers
from loopscope.detection.robust_training import RobustPreset, TrainedRepeats, new_members, train_repeats
from loopscope.embeddings.patch_set import PatchSet
from loopscope.progress import EpochCallback, StopCheck

CALIBRATION = ("locations", "scales", "density_calibration")


class RobustDetector(BaseDetector):
    """Repeats of K members, residual or not, each trained without one fold. `options` are fields of `RobustPreset`."""

    def __init__(self, residual: bool, name: str, preset: str = "robust", seed: int = 0, **options: Any) -> None:
        super().__init__(name, preset, seed, options)
        self.residual = residual
        self.settings = RobustPreset(**options)
        self._density = LocalDensity(self.settings.density_neighbours)

    @property
    def centre_(self) -> Float:
        """c in the space of `latents_`, (32,)."""
        return self._repeats[0].centre[0, 0].numpy()

    def _fit(self, X: Float, groups: Int, on_epoch: EpochCallback, should_stop: StopCheck) -> Fitted | Unscored:
        rng = np.random.default_rng(self.seed)
        folds = np.stack([fold_numbers(groups, self.settings.n_folds, rng) for _ in range(self.settings.n_repeats)])
        held_out = folds[:, None] == np.unique(folds)[None, :, None]
        isolated = most_isolated(X, groups, self.settings.trimmed, should_stop=should_stop)
        factors = self._density.fit_scores(X, groups, isolated, should_stop)
        trained = train_repeats(
            X, ~held_out & ~isolated, held_out, self.residual, self.settings, self.seed, on_epoch, should_stop
        )

        def score(step: Step) -> Fitted:
            fit = trained.finish(step)
            self._repeats = fit.repeats
            of_repeats = self._out_of_fold(folds, self._log_deep(X, step))
            density = self._calibrated_density(factors, fit=True)
            parts = _named(of_repeats.mean(axis=0)) | density
            each = [fuse(_named(deep) | density) for deep in of_repeats]
            report = _report(trained, fit.measures, each)
            return Fitted(fuse(parts), folds[0] == 0, self._latents(X), report, parts, np.stack(each))

        n_steps = 2 * len(trained.trainings) * -(-len(X) // CHUNK)
        return score(no_steps) if trained.complete else Unscored(stopped_sentence(trained.history), n_steps, score)

    def component_scores(
        self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None
    ) -> dict[str, Float]:
        """The parts of `anomaly_scores`, part -> (n,) robust z-scores, higher = more anomalous, 0 is typical."""
        return self._parts(self._check_new(X, encoder_id))

    def judge(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Judgement:
        """All of it from one pass of the networks."""
        rows = self._check_new(X, encoder_id)
        parts = self._parts(rows)
        return Judgement(finite(fuse(parts)), finite(self._latents(rows)), parts)

    def repeat_scores(self, X: object, encoder_id: str | None = None) -> Float:
        """What each repeat alone says of loops that were not trained on, (n_repeats, n)."""
        X = self._check_new(X, encoder_id)
        density = self._calibrated_density(self._density.scores(X))
        deep = self._deep(X).mean(axis=1)
        return np.stack([fuse(_named(parts) | density) for parts in deep])

    def _scores(self, X: Float) -> Float:
        return fuse(self._parts(X))

    def _parts(self, X: Float) -> dict[str, Float]:
        return _named(self._deep(X).mean(axis=(0, 1))) | self._calibrated_density(self._density.scores(X))

    def _deep(self, X: Float) -> Float:
        """Calibrated deep parts, (n_repeats, n_members, n_parts, n)."""
        out: Float = (self._log_deep(X) - self._locations) / self._scales
        return out

    def _latents(self, X: Float) -> Float:
        with torch.inference_mode():
            pieces = [self._repeats[0].latents(x)[0] for x in torch.split(torch.from_numpy(X), CHUNK)]
        return torch.cat(pieces).numpy()

    def _log_deep(self, X: Float, step: Step = no_steps) -> Float:
        """Uncalibrated deep parts, (n_repeats, n_members, n_parts, n)."""
        with ThreadPoolExecutor(len(self._repeats)) as pool:
            return log_part(np.stack(list(pool.map(lambda repeat: repeat.scores(X, step), self._repeats))))

    def _out_of_fold(self, folds: Int, logs: Float) -> Float:
        """Calibrate on held-out rows and return their z-scores, (n_repeats, n_parts, n); `folds` is (n_repeats, n).

        Every member has a location of its own (members differ), all share one scale (a fold alone is too small for it).
        """
        self._locations = np.empty((*logs.shape[:3], 1))
        for repeat, member in np.ndindex(logs.shape[:2]):
            held_out = logs[repeat, member][:, folds[repeat] == member]
            self._locations[repeat, member, :, 0] = np.median(held_out, axis=1)
        own = folds[:, None, None, :]
        centred = np.take_along_axis(logs - self._locations, own, axis=1)[:, 0]
        scales = [median_and_scale(centred[:, part].ravel())[1] for part in range(len(DEEP_PARTS))]
        self._scales = np.array(scales)[:, None]
        out: Float = centred / self._scales
        return out

    def _calibrated_density(self, raw: Mapping[str, Float], fit: bool = False) -> dict[str, Float]:
        if fit:
            self._density_calibration = np.array([median_and_scale(log_part(part)) for part in raw.values()])
        pairs = zip(raw.items(), self._density_calibration, strict=True)
        return {name: (log_part(part) - location) / scale for (name, part), (location, scale) in pairs}

    def state(self) -> Arrays:
        """Weights, preprocessing and centres of all members, their calibration, and the rows neighbours are among."""
        weights = {
            f"repeat{i}.{name}": tensor.numpy()
            for i, repeat in enumerate(self._repeats)
            for name, tensor in repeat.state_dict().items()
        }
        calibration = {name: getattr(self, f"_{name}") for name in CALIBRATION}
        return {**weights, **calibration, "reference": self._density.reference}

    def _restore(self, state: Arrays) -> None:
        """Build members for the saved arrays and fill them; local densities are computed again from their rows."""
        reference = check_embeddings(state["reference"])
        if not 2 <= len(reference) <= LARGEST_REFERENCE or reference.shape[1] != self.fitted.n_features:
            raise ValueError(f"neighbours cannot be sought among rows of shape {reference.shape}")
        n_repeats, n_members = state["locations"].shape[:2]
        for name, shape in _calibration_shapes(n_repeats, n_members).items():
            if state[name].shape != shape:
                raise ValueError(f"{name} has the shape {state[name].shape} instead of {shape}")
            setattr(self, f"_{name}", state[name])
        if n_repeats < 1 or min(self._scales.min(), self._density_calibration[:, 1].min()) <= 0:
            raise ValueError("the scores have no scale")
        self._density.fit(reference)
        self._repeats = tuple(self._restored(state, f"repeat{i}.", n_members) for i in range(n_repeats))

    def _restored(self, state: Arrays, prefix: str, n_members: int) -> CrossFittedMembers:
        generator, n_features = torch.Generator().manual_seed(self.seed), self.fitted.n_features
        own = {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
        return filled(lambda: new_members(n_members, n_features, self.residual, self.settings, generator)[0], own)


def _calibration_shapes(n_repeats: int, n_members: int) -> dict[str, tuple[int, ...]]:
    """Of the arrays in CALIBRATION."""
    n_parts = len(DEEP_PARTS)
    shapes = ((n_repeats, n_members, n_parts, 1), (n_parts, 1), (len(DENSITY_PARTS), 2))
    return dict(zip(CALIBRATION, shapes, strict=True))


def _named(deep: Float) -> dict[str, Float]:
    """(n_parts, n) -> part -> (n,)."""
    return dict(zip(DEEP_PARTS, deep, strict=True))


def _report(trained: TrainedRepeats, of_each: Sequence[Mapping[str, float]], of_repeats: Sequence[Float]) -> FitReport:
    """Quality checks are means over the repeats; the weakest sphere decides whether the model has collapsed."""
    agreement = {"agreement_over_seeds": mean_agreement(of_repeats)} if len(of_repeats) > 1 else {}
    measures = {name: float(np.mean([each[name] for each in of_each])) for name in of_each[0]}
    fallen = any(is_collapsed(each["spread_before"], each["spread_after"]) for each in of_each)
    return FitReport(
        history=trained.history,
        collapsed=trained.fine_tuned and fallen,
        warnings=() if trained.complete else (stopped_sentence(trained.history),),
        measures=(measures if trained.fine_tuned else without_fine_tuning(measures)) | agreement,
        complete=trained.complete,
    )
