"""Preset "local": how odd a loop is inside, moment by moment, and as a whole.

Conventions: every part is a robust z-score (0 is typical). Three are made of curves over the loop's patches, by their
highest value and the mean of their highest 30 %: the distance to patches of other loops (`patch_bank`), the distance to
the centre of a Deep SVDD on patches, and what its autoencoder cannot rebuild (`linear_training`). One, which counts as
much as these three, is of the loop's highest stretch of the distance to its own other patches (`own_moments`): alone,
times the first and times the third curve. It is NaN in loops that are too short for it, which are judged by the other
parts; models of hardly any longer ones, and models saved before there was that part, go without it. Two are the local
densities of the loop's embedding, which together count half as much as one curve. A fitted loop is scored by
the member that did not learn from it, and never compared with itself; a new one is scored by the mean over the members.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from loopscope.arrays import Bool, Float, Int
from loopscope.detection import own_moments
from loopscope.detection.base import BaseDetector, check_embeddings
from loopscope.detection.calibration import log_part, median_and_scale
from loopscope.detection.curves import CurveMaker
from loopscope.detection.fitted import Arrays, Fitted, Judgement, Unscored, stopped_sentence
from loopscope.detection.folds import fold_numbers
from loopscope.detection.inside import numbers_of, of_patches, summits, worst_patches
from loopscope.detection.judging import finite
from loopscope.detection.linear_members import LinearMembers
from loopscope.detection.linear_training import LinearPreset, LinearTraining, train
from loopscope.detection.local_density import LARGEST_REFERENCE, LocalDensity, most_isolated
from loopscope.detection.networks import filled
from loopscope.detection.parts import DENSITY_PARTS, PATCH_PARTS, ScorePart
from loopscope.detection.patch_bank import LARGEST_BANK, PER_LOOP, PatchBank
from loopscope.detection.pieces import Step, no_steps
from loopscope.embeddings.patch_set import PatchSet
from loopscope.encoders.base import Patches
from loopscope.errors import DataError, ModelError
from loopscope.progress import EpochCallback, StopCheck

N_FOLDS = 5
TRIMMED = 0.1  # share of the oddest loops that nothing is learnt from
DENSITY_NEIGHBOURS = 10
LARGEST_SAMPLE = 40_000  # patches that the networks learn from
CHUNK = 4096
N_FIRST = 2 * len(PATCH_PARTS) + len(DENSITY_PARTS)  # figures that are calibrated: two of each curve
N_RAW = N_FIRST + 3  # and three of the loop's own other moments
UNHEARD = "This detector hears inside the loops: give the patches of each, from an embedding with patches."


class LocalDetector(BaseDetector):
    """Networks residual or not; `options` are fields of `LinearPreset`."""

    def __init__(self, residual: bool, name: str, preset: str = "local", seed: int = 0, **options: Any) -> None:
        super().__init__(name, preset, seed, options)
        self.residual = residual
        self.settings = LinearPreset(**options)
        self._density = LocalDensity(DENSITY_NEIGHBOURS)

    @property
    def centre_(self) -> Float:
        """c in the space of `latents_`, (32,)."""
        return self._members.centre[0, 0].numpy()

    def judge(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Judgement:
        """As of every detector; `patches` are needed. Raises ModelError where they are another maker's.

        Parts are robust z-scores, 0 is typical; latents (n, 32) are of each loop's oddest moments, by the first
        member.
        """
        rows = self._check_new(X, encoder_id)
        heard = self._check_heard(patches, len(rows))
        curve = self.curve(heard)
        curves = np.vstack([log_part(curve)[None], self._deep(heard)])
        own = own_moments.from_own(heard.values, heard.starts, self._metric)
        found = self._calibrated(self._figures(curves, own, heard, self._density.scores(rows)))
        parts = {name: part if name == ScorePart.OWN_MOMENTS else finite(part) for name, part in found.items()}
        return Judgement(finite(own_moments.fused(parts)), finite(self._latents_of(heard, curve)), parts)

    def anomaly_scores(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Float:
        """Those of `judge`."""
        return self.judge(X, encoder_id, patches).scores

    def component_scores(
        self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None
    ) -> dict[str, Float]:
        """Those of `judge`."""
        return dict(self.judge(X, encoder_id, patches).components)

    def latents(self, X: object, encoder_id: str | None = None, patches: PatchSet | None = None) -> Float:
        """Those of `judge`."""
        return self.judge(X, encoder_id, patches).latents

    def curve(self, heard: PatchSet) -> Float:
        """How odd each moment is: distance of every patch to those of other loops, (n_patches,), 1 is typical.

        A loop that the bank holds is not compared with itself. Some milliseconds a loop.
        """
        return self._bank.distances(heard.values, of_patches(numbers_of(heard), heard.starts)) / self._typical

    @property
    def curves(self) -> CurveMaker:
        """The same for one loop at a time."""
        fitted = self.fitted
        return CurveMaker(self._bank, self._typical, fitted.patch_id, fitted.patch_seconds)

    def made_up_patches(self, n: int) -> PatchSet:
        """One patch each of n loops; where a model knows own moments, the first has some, as far apart as usual."""
        values = np.random.default_rng(0).normal(size=(n, self._bank.patches.shape[2])).astype(np.float16)
        starts = np.arange(n + 1)
        if len(self._calibration) > N_FIRST:
            some = own_moments.made_up(self._bank.patches[0, 0], self._calibration[N_FIRST, 0], self._metric)
            values, starts = np.concatenate([some, values[1:]]), np.append(0, starts[1:] + len(some) - 1)
        return PatchSet(tuple(map(str, range(n))), values, starts, self.patch_id, 0.0)

    def _hear(self, patches: PatchSet | None, order: Int) -> None:
        if patches is None or len(patches.loop_ids) != len(order):
            raise DataError(UNHEARD)
        self._heard = patches.select([patches.loop_ids[row] for row in order])

    def _fit(self, X: Float, groups: Int, on_epoch: EpochCallback, should_stop: StopCheck) -> Fitted | Unscored:
        heard, rng = self._heard, np.random.default_rng(self.seed)
        del self._heard  # the loops' patches are not the model's
        numbers = numbers_of(heard)
        self._bank = PatchBank.of(heard.values, heard.starts, numbers, rng)
        distance = self._bank.distances(heard.values, of_patches(numbers, heard.starts), should_stop)
        self._metric: Float | None = own_moments.metric_of(self._bank.patches)
        own = own_moments.from_own(heard.values, heard.starts, self._metric, should_stop)
        self._typical = _typical(distance, heard.values)
        oddest = summits(distance, heard.starts).mean(axis=0)
        isolated = most_isolated(X, groups, TRIMMED, should_stop=should_stop)
        density = self._density.fit_scores(X, groups, isolated, should_stop)
        folds = fold_numbers(groups, N_FOLDS, rng)
        trained = self._train(heard, folds, oddest <= np.quantile(oddest, 1 - TRIMMED), rng, on_epoch, should_stop)

        def score(step: Step) -> Fitted:
            deep = self._out_of_fold(heard, folds, step)
            curves = np.vstack([log_part(distance / self._typical)[None], deep])
            figures = self._figures(curves, own, heard, density)
            scales = [*map(median_and_scale, figures[:N_FIRST]), *own_moments.locations_and_scales(figures[N_FIRST:])]
            self._calibration = np.array(scales)
            parts = self._calibrated(figures)
            latents = self._latents_of(heard, curves[0])
            return Fitted(
                *(own_moments.fused(parts), folds == 0, latents, trained.report(self._members), parts),
                patch_id=heard.patch_id,
                patch_seconds=heard.patch_seconds,
            )

        n_steps = -(-len(heard.values) // (CHUNK * N_FOLDS))
        return score(no_steps) if trained.complete else Unscored(stopped_sentence(trained.history), n_steps, score)

    def _train(
        self,
        heard: PatchSet,
        folds: Int,
        inliers: Bool,
        rng: np.random.Generator,
        on_epoch: EpochCallback,
        should_stop: StopCheck,
    ) -> LinearTraining:
        rows = np.flatnonzero(of_patches(inliers, heard.starts))
        rows = np.sort(rng.permutation(rows)[:LARGEST_SAMPLE])
        values, n_members = heard.values[rows].astype(np.float32), int(folds.max()) + 1
        held_out = of_patches(folds, heard.starts)[rows] == np.arange(n_members)[:, None]
        generator = torch.Generator().manual_seed(self.seed)
        self._members = self._made(n_members, values.shape[1], generator)
        return train(self._members, values, ~held_out, held_out, self.settings, generator, on_epoch, should_stop)

    def _made(self, n_members: int, n_values: int, generator: torch.Generator) -> LinearMembers:
        preset = self.settings
        k = min(preset.k, n_values)
        return LinearMembers(n_members, n_values, k, preset.layer_sizes, self.residual, preset.skip_dropout, generator)

    def _deep(self, heard: PatchSet) -> Float:
        """Logarithms of the deep curves, each centred as it was fitted, mean over the members, (2, n_patches)."""
        pieces = (heard.values[start : start + CHUNK] for start in range(0, len(heard.values), CHUNK))
        centred: Float = (self._log_deep(pieces) - self._locations[:, :, None]).mean(axis=0)
        return centred

    def _out_of_fold(self, heard: PatchSet, folds: Int, step: Step) -> Float:
        """(2, n_patches): each patch by the member that did not hear its loop, centred on what that did not hear."""
        fold = of_patches(folds, heard.starts)
        rows = [np.flatnonzero(fold == member) for member in range(int(folds.max()) + 1)]
        padded = np.stack([np.resize(own, max(map(len, rows))) for own in rows])
        pieces = (heard.values[padded[:, at : at + CHUNK]] for at in range(0, padded.shape[1], CHUNK))
        logs = self._log_deep(pieces, step)
        self._locations = np.array([np.median(of[:, : len(own)], axis=1) for of, own in zip(logs, rows, strict=True)])
        out = np.empty((2, len(fold)))
        for own, of, location in zip(rows, logs, self._locations, strict=True):
            out[:, own] = of[:, : len(own)] - location[:, None]
        return out

    def _log_deep(self, pieces: Iterable[Patches], step: Step = no_steps) -> Float:
        """(n_members, 2, n) of pieces (m, n_values), or (n_members, m, n_values) with rows of each member's own."""
        found = []
        with torch.inference_mode():
            for piece in pieces:
                step()
                found.append(self._members.scores(torch.from_numpy(piece.astype(np.float32))))
        return log_part(torch.cat(found, dim=2).numpy())

    def _latents_of(self, heard: PatchSet, curve: Float) -> Float:
        rows = torch.from_numpy(worst_patches(heard, curve))
        with torch.inference_mode():
            pieces = [self._members.latents(self._members.views(piece)[0])[0] for piece in torch.split(rows, CHUNK)]
        return torch.cat(pieces).numpy()

    def _figures(self, curves: Float, own: Float, heard: PatchSet, density: Mapping[str, Float]) -> Float:
        """(N_RAW, n_loops) logarithms, of those of curves, (3, n_patches), of the distance to the loops' own other
        patches, (n_patches,), NaN where a loop is too short, and of raw densities.
        """
        peaks = [log_part(summits(np.exp(curve), heard.starts)) for curve in curves]
        beside = (0.0, curves[0], curves[2] / 2)  # a rebuilding error is a squared distance
        stretches = [log_part(own_moments.highest_stretch(own * np.exp(other), heard.starts)) for other in beside]
        return np.vstack([*peaks, *map(log_part, density.values()), *stretches])

    def _calibrated(self, figures: Float) -> dict[str, Float]:
        """The parts; those of the first figures where a model has only these."""
        known, names = len(self._calibration), (*PATCH_PARTS, *DENSITY_PARTS)
        z = (figures[:known] - self._calibration[:, :1]) / self._calibration[:, 1:]
        n_curves = 2 * len(PATCH_PARTS)
        inside = z[:n_curves].reshape(len(PATCH_PARTS), 2, -1).mean(axis=1)
        parts = dict(zip(names, (*inside, *z[n_curves:N_FIRST]), strict=True))
        if known > N_FIRST:
            parts[ScorePart.OWN_MOMENTS] = np.minimum(z[N_FIRST:].mean(axis=0), own_moments.HIGHEST)
        return parts

    def _check_heard(self, patches: PatchSet | None, n: int) -> PatchSet:
        if patches is None or len(patches.loop_ids) != n:
            raise ModelError(UNHEARD)
        if patches.patch_id != self.patch_id or patches.values.shape[1] != self._bank.patches.shape[2]:
            raise ModelError(f"The model was fitted on other patches than {patches.patch_id}; train it again.")
        return patches

    def _scores(self, X: Float) -> Float:
        raise ModelError(UNHEARD)

    def _latents(self, X: Float) -> Float:
        raise ModelError(UNHEARD)

    def state(self) -> Arrays:
        """The networks, the bank, the calibration, and the rows that neighbours are among."""
        weights = {f"members.{name}": tensor.numpy() for name, tensor in self._members.state_dict().items()}
        return {
            **weights,
            "bank": self._bank.patches,
            "bank_numbers": self._bank.owner,
            "typical": np.array([self._typical]),
            "locations": self._locations,
            "calibration": self._calibration,
            "reference": self._density.reference,
            **({} if self._metric is None else {"own_metric": self._metric}),
        }

    def _restore(self, state: Arrays) -> None:
        """Nothing is built before the shapes are known to be right."""
        bank, reference, locations = state["bank"], check_embeddings(state["reference"]), state["locations"]
        n_loops, n_members = len(bank), len(locations)
        shapes = {
            "bank": (n_loops, PER_LOOP, bank.shape[-1]),
            "bank_numbers": (n_loops,),
            "typical": (1,),
            "locations": (n_members, 2),
            "calibration": (N_FIRST if state["calibration"].shape[:1] == (N_FIRST,) else N_RAW, 2),
            **({"own_metric": (bank.shape[-1],) * 2} if "own_metric" in state else {}),  # older models have none
        }
        for name, shape in shapes.items():
            if state[name].shape != shape:
                raise ValueError(f"{name} has the shape {state[name].shape} instead of {shape}")
        if not self.patch_id:
            raise ValueError("it does not say which patches it was fitted on")
        if not 2 <= n_loops <= LARGEST_BANK or not 1 <= n_members <= N_FOLDS or not bank.shape[2]:
            raise ValueError(f"there are {n_loops} loops to compare with and {n_members} members")
        if not 2 <= len(reference) <= LARGEST_REFERENCE or reference.shape[1] != self.fitted.n_features:
            raise ValueError(f"neighbours cannot be sought among rows of shape {reference.shape}")
        if min(state["calibration"][:, 1].min(), state["typical"][0]) <= 0:
            raise ValueError("the scores have no scale")
        own = {name.removeprefix("members."): array for name, array in state.items() if name.startswith("members.")}
        generator = torch.Generator().manual_seed(self.seed)
        self._members = filled(lambda: self._made(n_members, bank.shape[2], generator), own)
        self._bank = PatchBank(bank.astype(np.float32), state["bank_numbers"].astype(np.int64))
        self._typical = float(state["typical"][0])
        self._locations, self._calibration, self._metric = locations, state["calibration"], state.get("own_metric")
        self._density.fit(reference)


def _typical(distance: Float, patches: Patches) -> float:
    """The median distance of moments that differ from others by more than rounding: silence is alike everywhere."""
    pieces = (patches[start : start + CHUNK].astype(np.float32) for start in range(0, len(patches), CHUNK))
    length = np.concatenate([np.linalg.norm(piece, axis=1) for piece in pieces])
    apart = distance[distance > own_moments.ROUNDING * length]
    return float(np.median(apart)) if len(apart) else 1.0
