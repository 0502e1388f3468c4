"""Training of the robust preset: cross-fitted members of an autoencoder and a Deep SVDD that cannot collapse.

Conventions: X is (n, n_features) float32 in canonical order; `train_rows` is (n_repeats, n_members, n) bool. Phase
"pretrain" minimises the squared reconstruction error of the z-scores and of the whitened z-scores by an autoencoder
each; phase "finetune" moves the encoder of the latter only, with

    d = |latent - c|² / radius,  h(d) = √(d + 1) - 1,  loss = mean h(d of loops) - mean log(1 - exp(-h(d of noise)))

the noise-contrastive form of Deep SVDD (hypersphere classification: Ruff et al. 2021; Liznerski et al. 2022). A
constant map gives the noisy rows distance 0 and an unbounded loss, so the sphere keeps its size. Both phases run a
fixed number of steps: early stopping on a distance loss rewards small spheres. Repeats train side by side, one thread
each.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from loopscope.arrays import Bool, Float
from loopscope.detection.networks import LAYER_SIZES, AutoEncoder
from loopscope.detection.pieces import Step, no_steps, nothing_yet
from loopscope.detection.quality import latent_measures
from loopscope.detection.robust_members import CrossFittedMembers
from loopscope.progress import PHASES, EpochCallback, EpochReport, StopCheck

HELD_OUT_SHOWN = 1024  # rows per member that validation losses and quality checks are taken from
STEPS_SHOWN = 20  # an epoch of a large collection is reported, and can be stopped, every so many steps
Loss = Callable[[Tensor, Tensor], Tensor]  # rows, whitened ones (n_members, n, n_features) -> mean of each member


@dataclass(frozen=True)
class RobustPreset:
    """Settings of the robust preset; those without a source were measured (docs/EXPERIMENTS.md)."""

    layer_sizes: tuple[int, ...] = LAYER_SIZES  # paper section 4.3
    n_folds: int = 5
    n_repeats: int = 2  # of the whole cross-fitting, with other folds and weights
    trimmed: float = 0.1  # share of the most isolated loops that nothing is learnt from
    density_neighbours: int = 10
    skip_dropout: float = 0.5  # AEwRES only
    learning_rate: float = 1e-3  # of pretraining, paper section 4.3
    finetuning_rate: float = 1e-4  # ten times less keeps the sphere and what pretraining learnt
    min_learning_rate: float = 5e-6  # paper section 4.3
    weight_decay: float = 1e-5  # paper section 4.3
    batch_size: int = 32  # paper section 4.3
    large_batch_size: int = 64  # where min_steps of batch_size do not cover min_passes
    min_steps: int = 100  # of a phase
    min_passes: int = 2  # over the training rows in a phase
    noise: float = 1.0  # largest deviation of the contrasted noise, in units of the whitened features


@dataclass(frozen=True)
class RobustFit:
    """Fitted members of each repeat, and the quality checks of each."""

    repeats: tuple[CrossFittedMembers, ...]
    measures: tuple[dict[str, float], ...]


@dataclass
class TrainedRepeats:
    """What training came to: the losses on the way, and `phase`, the last one that was begun."""

    trainings: Sequence["_Training"]
    history: tuple[EpochReport, ...]
    phase: str
    _fit: RobustFit | None = None

    @property
    def fine_tuned(self) -> bool:
        """Whether the second phase was begun."""
        return self.history[-1].phase == PHASES[-1]

    @property
    def complete(self) -> bool:
        """Whether no stop left out an epoch of either phase."""
        return self.fine_tuned and self.history[-1].epoch == self.history[-1].n_epochs

    def finish(self, step: Step = no_steps) -> RobustFit:
        """End the last phase and take the figures of the quality checks, once. Raises what `step` does."""
        if self._fit is None:
            with _pool(len(self.trainings)) as pool:
                list(pool.map(lambda training: training.end_phase(self.phase, step), self.trainings))
                step()
                measures = tuple(pool.map(_Training.finish, self.trainings))
            self._fit = RobustFit(tuple(training.members for training in self.trainings), measures)
        return self._fit


def train_repeats(
    X: Float,
    train_rows: Bool,
    held_out: Bool,
    residual: bool,
    preset: RobustPreset,
    seed: int,
    on_epoch: EpochCallback,
    should_stop: StopCheck,
) -> TrainedRepeats:
    """Train a member for each (repeat, fold). A stop ends the running phase, in the middle of an epoch that is then not
    counted, and leaves out the next; before the end of the first epoch it raises Cancelled.

    `train_rows` and `held_out` are (n_repeats, n_members, n) bool; a row may be in neither.
    """
    history: list[EpochReport] = []
    stopped = False

    def begin(repeat: int) -> _Training:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + repeat)
        return _Training(X, train_rows[repeat], held_out[repeat], residual, preset, generator, should_stop)

    with _pool(len(train_rows)) as pool:
        trainings = list(pool.map(begin, range(len(train_rows))))
        for phase in PHASES:
            n_epochs = trainings[0].plan.n_epochs
            list(pool.map(_Training.begin_phase, trainings, [phase] * len(trainings)))
            for epoch in range(1, n_epochs + 1):
                figures = list(pool.map(_Training.run_epoch, trainings))
                if all(figures):
                    means = np.mean(np.array(figures), axis=0)
                    history.append(EpochReport(phase, epoch, n_epochs, *map(float, means)))
                    on_epoch(history[-1])
                stopped = not all(figures) or should_stop()
                if stopped:
                    break
            if not history:
                raise nothing_yet()
            if stopped or phase == PHASES[-1]:
                break
            list(pool.map(_Training.end_phase, trainings, [phase] * len(trainings)))
    return TrainedRepeats(trainings, tuple(history), phase)


def _pool(n_repeats: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_repeats, initializer=torch.set_num_threads, initargs=(1,))


def new_members(
    n_members: int, n_features: int, residual: bool, preset: RobustPreset, generator: torch.Generator
) -> tuple[CrossFittedMembers, AutoEncoder]:
    """Untrained members, and the autoencoder that their encoder is pretrained in."""
    sizes, dropout = preset.layer_sizes, preset.skip_dropout if residual else 0.0
    plain, whitened = (
        AutoEncoder(n_features, residual, generator, n_members=n_members, layer_sizes=sizes, skip_dropout=dropout)
        for _ in range(2)
    )
    return CrossFittedMembers(plain, whitened.encoder), whitened


@dataclass
class _Plan:
    """How many steps, in pieces of which size."""

    batch_size: int
    n_epochs: int
    steps_per_epoch: int

    @classmethod
    def for_rows(cls, n: int, preset: RobustPreset) -> "_Plan":
        covered = preset.min_steps * preset.batch_size >= preset.min_passes * n
        batch_size = preset.batch_size if covered else preset.large_batch_size
        steps_per_pass = max(1, n // batch_size)
        steps = max(preset.min_steps, preset.min_passes * steps_per_pass)
        per_epoch = min(steps_per_pass, STEPS_SHOWN)
        return cls(batch_size, math.ceil(steps / per_epoch), per_epoch)


class _Training:
    """One repeat: K members trained as one batched model, in a thread of its own."""

    def __init__(
        self,
        X: Float,
        train_rows: Bool,
        held_out: Bool,
        residual: bool,
        preset: RobustPreset,
        generator: torch.Generator,
        should_stop: StopCheck,
    ) -> None:
        self.X = torch.from_numpy(X)
        self.train_rows = torch.from_numpy(train_rows)
        self.residual, self.preset, self.generator = residual, preset, generator
        self.should_stop = should_stop
        self.members, self.whitened_autoencoder = new_members(len(train_rows), X.shape[1], residual, preset, generator)
        self.members.fit_views(X, train_rows, should_stop)
        self._modules = nn.ModuleList([self.members, self.whitened_autoencoder])
        n_shown = min(int(held_out.sum(axis=1).min()), HELD_OUT_SHOWN)
        self.shown = self.X[torch.stack([torch.from_numpy(np.flatnonzero(rows)[:n_shown]) for rows in held_out])]
        with torch.inference_mode():
            self.shown_white = self.members.encoder_input(self.shown)  # once, as it costs as much as a layer
        self.rows = [trained.nonzero()[:, 0] for trained in self.train_rows]
        self.plan = _Plan.for_rows(min(map(len, self.rows)), preset)
        self._waiting: Iterator[Tensor] = iter(())

    def begin_phase(self, phase: str) -> None:
        """Set up the loss and a fresh optimiser."""
        members = self.members
        learning: Sequence[nn.Module] = (
            [members.autoencoder, self.whitened_autoencoder] if phase == "pretrain" else [members.encoder]
        )
        self._loss: Loss = self._reconstruction_loss if phase == "pretrain" else self._sphere_loss
        self._optimizer = torch.optim.AdamW(
            [parameter for module in learning for parameter in module.parameters()],
            lr=self.preset.learning_rate if phase == "pretrain" else self.preset.finetuning_rate,
            weight_decay=self.preset.weight_decay,
            fused=True,
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self._optimizer, self.plan.n_epochs, self.preset.min_learning_rate
        )

    def run_epoch(self) -> tuple[float, float, float] | None:
        """Training loss, validation loss, spread of the held-out latents; means over the members. None if stopped."""
        self._modules.train()
        losses = []
        for _ in range(self.plan.steps_per_epoch):
            if self.should_stop():
                return None
            losses.append(self._step(self._next_batch()))
        self._schedule.step()
        self._modules.eval()
        with torch.inference_mode():
            latents = self.members.encoder(self.shown_white)
            spread = (latents - latents.mean(dim=1, keepdim=True)).square().sum(dim=2).mean()
            return float(np.mean(losses)), float(self._loss(self.shown, self.shown_white).mean()), float(spread)

    def end_phase(self, phase: str, step: Step = no_steps) -> None:
        """Fix the centre after pretraining."""
        self._modules.eval()
        if phase == "pretrain":
            self.members.place_centre(self.X, self.train_rows, step)
            self.pretrained = copy.deepcopy(self.members.encoder)

    def finish(self) -> dict[str, float]:
        """Take the quality checks' figures on held-out rows and let go of what only training needs."""
        members, x = self.members, self.shown
        with torch.inference_mode():
            latents = members.encoder(self.shown_white)
            before = members.distance(self.pretrained(self.shown_white))
            measures = latent_measures(latents.numpy(), before.numpy(), members.distance(latents).numpy())
            variance = max(float(members.standardised(x).square().mean()), 1e-12)
            measures["variance_lost"] = float(members.reconstruction_error(x).mean()) / variance
            if self.residual:
                without = members.reconstruction_error(x, with_skips=False)
                measures["variance_lost_without_skips"] = float(without.mean()) / variance
        members.fold_whitening()
        return measures

    def _next_batch(self) -> Tensor:
        """Row numbers, (n_members, batch): every member goes through as many of its rows as the smallest member has."""
        batch = next(self._waiting, None)
        if batch is not None:
            return batch
        n = min(map(len, self.rows))
        order = torch.stack([rows[torch.randperm(len(rows), generator=self.generator)][:n] for rows in self.rows])
        self._waiting = iter(order.chunk(max(1, n // self.plan.batch_size), dim=1))
        return next(self._waiting)

    def _step(self, rows: Tensor) -> float:
        self._optimizer.zero_grad(set_to_none=True)
        x = self.X[rows]
        losses = self._loss(x, self.members.encoder_input(x))
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return float(losses.detach().mean())

    def _reconstruction_loss(self, x: Tensor, white: Tensor) -> Tensor:
        plain = self.members.reconstruction_error(x).mean(dim=1)
        both: Tensor = (plain + (self.whitened_autoencoder(white) - white).square().mean(dim=(1, 2))) / 2
        return both

    def _sphere_loss(self, x: Tensor, white: Tensor) -> Tensor:
        latents = self.members.encoder(torch.cat([white, self._noisy(white)], dim=1))
        loops, noise = (torch.sqrt(self.members.distance(latents) + 1) - 1).chunk(2, dim=1)
        return loops.mean(dim=1) - torch.log(1 - torch.exp(-noise) + 1e-6).mean(dim=1)

    def _noisy(self, x: Tensor) -> Tensor:
        """x plus normal noise of a strength drawn for each row; in half the rows tripled on a tenth of the features."""
        row = (*x.shape[:2], 1)
        strength = self.preset.noise * torch.rand(row, generator=self.generator)
        noise = torch.randn(x.shape, generator=self.generator)
        sparse = torch.rand(row, generator=self.generator) < 0.5
        kept = torch.rand(x.shape, generator=self.generator) < 0.1
        return x + strength * torch.where(sparse, 3 * kept * noise, noise)
