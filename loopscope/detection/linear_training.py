"""Training of `LinearMembers`: nothing is kept that does not lower the loss of loops held out.

Conventions: X is (n, f) float32, `train_rows` and `held_out` (n_members, n) bool, inliers only. Phase "pretrain" is a
denoising autoencoder on the whitened rows; phase "finetune" moves the encoder only, and contrasts rows with noisy rows
around the centre (see `robust_training`). Both losses, of training and of held-out rows, are taken alike, without the
noise of denoising and with the same contrasted noise each time, so that they lie on one axis; each phase ends at the
step at which that of the held-out rows was lowest, the start among them.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from loopscope.arrays import Bool, Float
from loopscope.detection.fitted import FitReport, stopped_sentence
from loopscope.detection.linear_members import LinearMembers
from loopscope.detection.pieces import nothing_yet
from loopscope.detection.quality import is_collapsed, latent_measures, rank_agreement, without_fine_tuning
from loopscope.progress import PHASES, EpochCallback, EpochReport, StopCheck

SHOWN = 1000  # rows of each side that losses are taken of
Loss = Callable[[Tensor, torch.Generator, bool], Tensor]  # rows, noise, while training -> mean loss of each member


@dataclass(frozen=True)
class LinearPreset:
    """Settings of the training; those without a source were measured (docs/EXPERIMENTS.md)."""

    k: int = 96
    layer_sizes: tuple[int, ...] = (256, 128, 64, 32)
    shrinkage: float = 0.01
    skip_dropout: float = 0.5
    learning_rate: float = 1e-3  # paper section 4.3
    finetuning_rate: float = 3e-4
    min_learning_rate: float = 5e-6  # paper section 4.3
    weight_decay: float = 1e-2
    batch_size: int = 256
    steps: int = 200  # of a phase
    steps_shown: int = 20
    denoised: float = 0.5  # largest deviation of the noise that pretraining removes, and
    masked: float = 0.1  # share of the values that it puts back
    noise: float = 1.0  # largest deviation of the contrasted noise


@dataclass(frozen=True)
class PhaseFigures:
    """Losses of held-out rows at the start of a phase and where it was ended, of training rows there."""

    start: float
    end: float
    training: float


@dataclass(frozen=True)
class LinearTraining:
    """What training came to."""

    history: tuple[EpochReport, ...]
    figures: dict[str, PhaseFigures]
    shown: Tensor  # (n_members, SHOWN, k) whitened held-out rows
    complete: bool  # whether no stop left anything out

    def measures(self, members: LinearMembers) -> dict[str, float]:
        """What the quality checks judge, on held-out rows."""
        white, d = self.shown, members.latent_size
        with torch.inference_mode():
            latents = members.latents(white)
            before, after = members.distance(members.latents(white, members.encoder)), members.distance(latents)
            lost = (members(white) - white).square().mean(dim=2)
            lost_without = (members(white, with_skips=False) - white).square().mean(dim=2)
        found = latent_measures(latents.numpy(), before.numpy(), after.numpy())
        variance = max(float(white.square().mean()), 1e-12)
        found["variance_lost"] = float(lost.mean()) / variance
        if members.residual:
            found["variance_lost_without_skips"] = float(lost_without.mean()) / variance
        linear = ((white[..., :d].square().sum(dim=2), after), (white[..., d:].square().sum(dim=2), lost))
        pairs = [pair for start, end in linear for pair in zip(start.numpy(), end.numpy(), strict=True) if start.any()]
        found["agreement_with_linear"] = float(np.mean([rank_agreement(start, end) for start, end in pairs]))
        for phase, figures in self.figures.items():
            found |= {
                f"{phase}_loss_start": figures.start,
                f"{phase}_loss_held_out": figures.end,
                f"{phase}_loss_training": figures.training,
            }
        return found if len(self.figures) == len(PHASES) else without_fine_tuning(found)

    def report(self, members: LinearMembers) -> FitReport:
        """What training did, and whether its result may be trusted."""
        measures = self.measures(members)
        fine_tuned = "spread_after" in measures
        return FitReport(
            history=self.history,
            collapsed=fine_tuned and is_collapsed(measures["spread_before"], measures["spread_after"]),
            warnings=() if self.complete else (stopped_sentence(self.history),),
            measures=measures,
            complete=self.complete,
        )


def train(
    members: LinearMembers,
    X: Float,
    train_rows: Bool,
    held_out: Bool,
    preset: LinearPreset,
    generator: torch.Generator,
    on_epoch: EpochCallback,
    should_stop: StopCheck,
) -> LinearTraining:
    """Train in place. A stop ends the phase at its best step so far and leaves out the next; Cancelled before there is
    anything to keep.
    """
    members.fit_views(X, train_rows, preset.shrinkage, should_stop)
    with torch.inference_mode():
        white = members.views(torch.from_numpy(X))[0].clone()
    rows = [torch.from_numpy(np.flatnonzero(of)) for of in train_rows]
    run = _Run(members, white, rows, _sample(white, held_out), _sample(white, train_rows), preset, generator)
    figures: dict[str, PhaseFigures] = {}
    history: list[EpochReport] = []
    for phase in PHASES:
        if phase == PHASES[-1]:
            with torch.inference_mode():
                members.begin_sphere(white, torch.from_numpy(train_rows))
        figures[phase], complete = run.phase(phase, history, on_epoch, should_stop)
        if not history:
            raise nothing_yet()
        if not complete:
            break
    return LinearTraining(tuple(history), figures, run.held_out, complete)


def _sample(white: Tensor, rows: Bool) -> Tensor:
    """(n_members, m, k), as many rows of each member."""
    found = [np.flatnonzero(of) for of in rows]
    m = min(SHOWN, *map(len, found))
    return torch.stack(
        [white[member, of[np.linspace(0, len(of) - 1, m).astype(int)]] for member, of in enumerate(found)]
    )


@dataclass
class _Run:
    members: LinearMembers
    white: Tensor
    rows: list[Tensor]
    held_out: Tensor
    training: Tensor
    preset: LinearPreset
    generator: torch.Generator

    def phase(
        self, phase: str, history: list[EpochReport], on_epoch: EpochCallback, should_stop: StopCheck
    ) -> tuple[PhaseFigures, bool]:
        preset, members = self.preset, self.members
        pretraining = phase == PHASES[0]
        parts: Sequence[nn.Module] = (members.encoder, members.decoder) if pretraining else (members.sphere,)
        loss: Loss = self._denoising if pretraining else self._contrast
        rate = preset.learning_rate if pretraining else preset.finetuning_rate
        optimizer = torch.optim.AdamW(
            [p for part in parts for p in part.parameters()], lr=rate, weight_decay=preset.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, preset.steps, preset.min_learning_rate)
        n_epochs, n_done = preset.steps // preset.steps_shown, 0
        first, training = self._shown(loss)
        best, kept, at_best = first, copy.deepcopy(members.state_dict()), training
        for epoch in range(1, n_epochs + 1):
            members.train()
            for _ in range(preset.steps_shown):
                if stopped := should_stop():
                    break
                optimizer.zero_grad(set_to_none=True)
                loss(self._batch(), self.generator, True).sum().backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            if stopped:
                break
            held_out, training = self._shown(loss)
            if held_out < best:
                best, kept, at_best = held_out, copy.deepcopy(members.state_dict()), training
            history.append(EpochReport(phase, epoch, n_epochs, training, held_out, self._spread(pretraining)))
            on_epoch(history[-1])
            n_done = epoch
        members.load_state_dict(kept)
        members.eval()
        return PhaseFigures(first, best, at_best), n_done == n_epochs

    def _shown(self, loss: Loss) -> tuple[float, float]:
        """Of held-out and of training rows."""
        self.members.eval()
        with torch.inference_mode():
            held_out, training = (
                float(loss(rows, torch.Generator().manual_seed(1), False).mean())
                for rows in (self.held_out, self.training)
            )
        return held_out, training

    def _spread(self, pretraining: bool) -> float:
        with torch.inference_mode():
            latents = self.members.latents(self.held_out, self.members.encoder if pretraining else None)
            return float((latents - latents.mean(dim=1, keepdim=True)).square().sum(dim=2).mean())

    def _batch(self) -> Tensor:
        """(n_members, batch, k) of each member's own rows."""
        n = min(self.preset.batch_size, *map(len, self.rows))
        drawn = [rows[torch.randint(len(rows), (n,), generator=self.generator)] for rows in self.rows]
        return self.white[torch.arange(len(drawn))[:, None], torch.stack(drawn)]

    def _denoising(self, white: Tensor, generator: torch.Generator, training: bool) -> Tensor:
        x = white
        if training:
            strength = self.preset.denoised * torch.rand((*white.shape[:2], 1), generator=generator)
            kept = torch.rand(white.shape, generator=generator) >= self.preset.masked
            x = (white + strength * torch.randn(white.shape, generator=generator)) * kept
        error: Tensor = (self.members(x) - white).square().mean(dim=(1, 2))
        return error

    def _contrast(self, white: Tensor, generator: torch.Generator, training: bool) -> Tensor:
        both = torch.cat([white, contrasted(white, self.preset.noise, generator)], dim=1)
        distance = self.members.distance(self.members.latents(both))
        loops, noise = (torch.sqrt(distance + 1) - 1).chunk(2, dim=1)
        return loops.mean(dim=1) - torch.log(1 - torch.exp(-noise) + 1e-6).mean(dim=1)


def contrasted(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """x plus normal noise of a strength drawn for each row; in half the rows tripled on a tenth of the features."""
    row = (*x.shape[:2], 1)
    drawn = strength * torch.rand(row, generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    sparse = torch.rand(row, generator=generator) < 0.5
    kept = torch.rand(x.shape, generator=generator) < 0.1
    return x + drawn * torch.where(sparse, 3 * kept * noise, noise)
