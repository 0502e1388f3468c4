"""Training of the robust preset: cross-fitted members of an autoencoder and a Deep SVDD that cannot collapse.

Conventions: X is (n, n_features) float32 in canonical order; `train_rows` is (n_members, n) bool, the complement of
each member's held-out fold. Phase "pretrain" minimises the squared reconstruction error of both views; phase
"finetune" moves the encoders of the whitened view only, with

    d = |latent - c|² / radius,  h(d) = √(d + 1) - 1,  loss = mean h(d of loops) - mean log(1 - exp(-h(d of noise)))

the noise-contrastive form of Deep SVDD (hypersphere classifier, Liznerski et al. 2021; Ruff et al. 2021): a constant
map gives the noisy rows distance 0 and an unbounded loss, so the sphere keeps its size. Both phases run a fixed number
of epochs: early stopping on a distance loss rewards small spheres.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from loopscope.ensemble import MemberAutoEncoder, MemberEncoder
from loopscope.guards import FloatArray
from loopscope.members import COMPONENTS, Members
from loopscope.networks import LAYER_SIZES
from loopscope.progress import EpochCallback, EpochReport, StopCheck

HELD_OUT_SHOWN = 1024  # rows per member that the validation curve is drawn from


@dataclass(frozen=True)
class RobustPreset:
    """Settings of the robust preset; those without a source were measured (docs/EXPERIMENTS.md)."""

    layer_sizes: tuple[int, ...] = LAYER_SIZES  # paper section 4.3
    n_folds: int = 5
    skip_dropout: float = 0.5  # AEwRES only
    learning_rate: float = 1e-3  # paper section 4.3
    min_learning_rate: float = 5e-6  # paper section 4.3
    weight_decay: float = 1e-5  # paper section 4.3
    batch_size: int = 32  # paper section 4.3; grows with the collection up to
    largest_batch: int = 128
    min_steps: int = 200  # of a phase
    min_epochs: int = 8  # of a phase
    noise: float = 1.0  # largest deviation of the contrasted noise, in units of the whitened view
    n_neighbours: int = 5
    weights: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 1.0))


@dataclass(frozen=True)
class RobustFit:
    """Fitted members, their encoder before fine-tuning, and the losses on the way."""

    members: Members
    pretrained: MemberEncoder
    history: tuple[EpochReport, ...]
    stopped: bool


def fit_members(
    X: FloatArray,
    train_rows: FloatArray,
    residual: bool,
    preset: RobustPreset,
    seed: int,
    on_epoch: EpochCallback,
    should_stop: StopCheck,
) -> RobustFit:
    """Train one member for each row of `train_rows`. A stop ends the running phase and leaves out the next."""
    generator = torch.Generator().manual_seed(seed)
    members = new_members(len(train_rows), X.shape, residual, preset, generator)
    members.fit_views(X, train_rows)
    training = _Training(members, torch.from_numpy(X), preset, generator, on_epoch, should_stop)
    training.pretrain()
    members.place_centre(training.X)
    pretrained = copy.deepcopy(members.encoder)
    if not training.stopped:
        training.finetune()
    members.eval()
    members.calibrate(training.X)
    return RobustFit(members, pretrained.eval(), tuple(training.history), training.stopped)


def new_members(
    n_members: int, data_shape: tuple[int, ...], residual: bool, preset: RobustPreset, generator: torch.Generator
) -> Members:
    """Untrained members for data of shape (n, n_features)."""
    n, n_features = data_shape
    skip_dropout = preset.skip_dropout if residual else 0.0

    def network() -> MemberAutoEncoder:
        return MemberAutoEncoder(n_members, n_features, residual, skip_dropout, generator, preset.layer_sizes)

    return Members(network(), network(), n_train=n, n_neighbours=preset.n_neighbours)


@dataclass
class _Training:
    members: Members
    X: Tensor
    preset: RobustPreset
    generator: torch.Generator
    on_epoch: EpochCallback
    should_stop: StopCheck
    history: list[EpochReport] = field(default_factory=list)
    stopped: bool = False

    def __post_init__(self) -> None:
        preset, n_train = self.preset, int(self.members.train_rows.sum(dim=1).max())
        wanted = n_train * preset.min_epochs // preset.min_steps
        self.batch_size = min(max(wanted, preset.batch_size), preset.largest_batch)
        self.n_epochs = max(preset.min_epochs, round(preset.min_steps / max(1, n_train // self.batch_size)))

    def pretrain(self) -> None:
        """Both views learn to reconstruct."""
        members = self.members

        def loss(x: Tensor) -> Tensor:
            errors = members.reconstruction_error(x), members.whitened_reconstruction_error(x)
            return torch.stack(errors).mean(dim=(0, 2))

        self._run("pretrain", [members.autoencoder, members.whitened_autoencoder], loss)

    def finetune(self) -> None:
        """The encoder of the whitened view learns to tell loops from noise by their distance to the centre."""

        def loss(x: Tensor) -> Tensor:
            white = self.members.whitened(x)
            latents = self.members.encoder(torch.cat([white, self._noisy(white)], dim=1))
            h = torch.sqrt(self.members.distance(latents) + 1) - 1
            real, noise = h.chunk(2, dim=1)
            return real.mean(dim=1) - torch.log(1 - torch.exp(-noise) + 1e-6).mean(dim=1)

        self._run("finetune", [self.members.encoder], loss)

    def _noisy(self, x: Tensor) -> Tensor:
        """x plus normal noise of a strength drawn for each row; in half the rows tripled on a tenth of the features."""
        row = (*x.shape[:2], 1)
        strength = self.preset.noise * torch.rand(row, generator=self.generator)
        noise = torch.randn(x.shape, generator=self.generator)
        sparse = torch.rand(row, generator=self.generator) < 0.5
        kept = torch.rand(x.shape, generator=self.generator) < 0.1
        return x + strength * torch.where(sparse, 3 * kept * noise, noise)

    def _run(self, phase: str, modules: list[nn.Module], loss: Callable[[Tensor], Tensor]) -> None:
        parameters = [parameter for module in modules for parameter in module.parameters()]
        preset = self.preset
        optimizer = torch.optim.AdamW(parameters, lr=preset.learning_rate, weight_decay=preset.weight_decay, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.n_epochs, preset.min_learning_rate)
        for epoch in range(1, self.n_epochs + 1):
            self.members.train()
            losses = [self._step(optimizer, loss, rows) for rows in self._batches()]
            schedule.step()
            report = self._report(phase, epoch, float(np.mean(losses)), loss)
            self.history.append(report)
            self.on_epoch(report)
            if self.should_stop():
                self.stopped = True
                break
        self.members.eval()

    def _step(self, optimizer: torch.optim.Optimizer, loss: Callable[[Tensor], Tensor], rows: Tensor) -> float:
        optimizer.zero_grad(set_to_none=True)
        losses = loss(self.X[rows])
        losses.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return losses.mean().item()

    def _batches(self) -> tuple[Tensor, ...]:
        """Row numbers, (n_members, about batch_size) each: every member goes through its own training rows once.

        Members with fewer rows than the largest draw some of theirs again, so that all have batches of one size.
        """
        n = int(self.members.train_rows.sum(dim=1).max())
        orders = []
        for trained in self.members.train_rows:
            rows = trained.nonzero()[:, 0]
            first, again = (rows[torch.randperm(len(rows), generator=self.generator)] for _ in range(2))
            orders.append(torch.cat([first, again])[:n])
        return torch.stack(orders).chunk(max(1, n // self.batch_size), dim=1)

    def _report(self, phase: str, epoch: int, train_loss: float, loss: Callable[[Tensor], Tensor]) -> EpochReport:
        """Losses and spread over the held-out rows of all members."""
        self.members.eval()
        with torch.inference_mode():
            held_out = held_out_rows(self.members.train_rows)
            x = self.X[held_out]
            latents = self.members.encoder(self.members.whitened(x))
            spread = (latents - latents.mean(dim=1, keepdim=True)).square().sum(dim=2).mean().item()
            return EpochReport(phase, epoch, self.n_epochs, train_loss, loss(x).mean().item(), spread)


def held_out_rows(train_rows: Tensor) -> Tensor:
    """Row numbers that each member did not train on, (n_members, m): m is the smallest fold, at most HELD_OUT_SHOWN."""
    m = min(int((~train_rows).sum(dim=1).min()), HELD_OUT_SHOWN)
    return torch.stack([(~trained).nonzero()[:m, 0] for trained in train_rows])
