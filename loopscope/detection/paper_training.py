"""Deep SVDD as in the paper (section 4): pretrain an autoencoder, fix the centre, draw the latents to it.

Conventions: x is (n, n_features) float32 as the encoder gave it, unscaled; a score is the squared distance of the
latent to the centre c (Equation 2), so higher means more anomalous. Losses are means over rows: squared error per
feature while pretraining, squared distance to c while fine-tuning. The published scores and thresholds are means over
the 32 dimensions of the latent where these are sums. The recipe is kept as published, but for the linear last layers
(`networks`). It is known to collapse: nothing in the second loss keeps the latents apart, and early stopping on that
loss prefers the smallest sphere. `FitReport.collapsed` says when.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loopscope.detection.networks import LAYER_SIZES, AutoEncoder
from loopscope.detection.pieces import nothing_yet
from loopscope.progress import EpochCallback, EpochReport, StopCheck

Loss = Callable[[Tensor], Tensor]  # rows (n, n_features) -> (n,)


@dataclass(frozen=True)
class PaperPreset:
    """The published settings, of section 4.3 where nothing else is said."""

    layer_sizes: tuple[int, ...] = LAYER_SIZES
    dropout: float = 0.2
    learning_rate: float = 1e-3
    min_learning_rate: float = 5e-6  # end of the cosine annealing
    weight_decay: float = 1e-5
    batch_size: int = 32
    max_epochs: int = 1000  # in each phase
    patience: int = 20  # epochs without a better validation loss
    validation_fraction: float = 0.2  # section 4.1


class DeepSVDD(nn.Module):
    """One autoencoder with its centre. The centre is a buffer: it is saved and loaded with the weights."""

    centre: Tensor

    def __init__(self, network: AutoEncoder) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("centre", torch.zeros(network.latent_size))

    def latents(self, x: Tensor) -> Tensor:
        """(n, n_features) -> (n, 32)."""
        out: Tensor = self.network.encoder(x[None])[0]
        return out

    def distance(self, x: Tensor) -> Tensor:
        """Squared distance of each latent to the centre, (n,)."""
        return (self.latents(x) - self.centre).square().sum(dim=1)

    def reconstruction_error(self, x: Tensor, with_skips: bool = True) -> Tensor:
        """Squared error of each row's reconstruction per feature, (n,)."""
        out: Tensor = (self.network(x[None], with_skips)[0] - x).square().mean(dim=1)
        return out


def new_model(n_features: int, residual: bool, preset: PaperPreset, generator: torch.Generator) -> DeepSVDD:
    """An untrained model; `residual` chooses AEwRES over AE."""
    return DeepSVDD(
        AutoEncoder(n_features, residual, generator, layer_sizes=preset.layer_sizes, dropout=preset.dropout)
    )


def batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Row numbers 0 to n - 1 in random order, in pieces of `size`; a last single row joins the piece before it."""
    pieces = list(torch.split(torch.randperm(n, generator=generator), size))
    if len(pieces) > 1 and len(pieces[-1]) == 1:  # BatchNorm has no variance of one row
        pieces[-2:] = [torch.cat(pieces[-2:])]
    yield from pieces


@dataclass
class PaperTraining:
    """Both phases on rows of `train` (n, n_features), each with early stopping on `validation` and the best weights.

    `should_stop` is asked before every batch, and an epoch that it cuts short does not count; before the end of the
    first one Cancelled is raised. `stopped` is what it said last, `ended` whether the last phase came to its own end.
    """

    model: DeepSVDD
    train: Tensor
    validation: Tensor
    preset: PaperPreset
    generator: torch.Generator
    on_epoch: EpochCallback
    should_stop: StopCheck
    stopped: bool = False
    ended: bool = False

    def pretrain(self) -> list[EpochReport]:
        """Phase one: reconstruct. Leaves the weights of the best validation loss, and the centre set from them."""
        history = self._phase("pretrain", self.model.network, self.model.reconstruction_error)
        if not history:
            raise nothing_yet()
        with torch.inference_mode():
            self.model.centre.copy_(self.model.latents(self.train).mean(dim=0))
        return history

    def finetune(self) -> list[EpochReport]:
        """Phase two: draw the latents to the centre. Leaves the weights of the best validation loss."""
        return self._phase("finetune", self.model.network.encoder, self.model.distance)

    def _phase(self, name: str, learning: nn.Module, loss: Loss) -> list[EpochReport]:
        preset = self.preset
        optimizer = torch.optim.AdamW(learning.parameters(), lr=preset.learning_rate, weight_decay=preset.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, T_max=preset.max_epochs, eta_min=preset.min_learning_rate
        )
        history: list[EpochReport] = []
        self.ended = False
        best_loss, best_epoch, best_weights = float("inf"), 0, copy.deepcopy(self.model.state_dict())
        for epoch in range(1, preset.max_epochs + 1):
            train_loss = self._epoch(loss, optimizer)
            if train_loss is None:
                break
            schedule.step()
            validation_loss, spread = self._validate(loss)
            history.append(EpochReport(name, epoch, preset.max_epochs, train_loss, validation_loss, spread))
            self.on_epoch(history[-1])
            if validation_loss < best_loss:
                best_loss, best_epoch, best_weights = validation_loss, epoch, copy.deepcopy(self.model.state_dict())
            self.stopped = self.should_stop()
            self.ended = epoch == preset.max_epochs or epoch - best_epoch >= preset.patience
            if self.stopped or self.ended:
                break
        self.model.load_state_dict(best_weights)
        self.model.eval()
        return history

    def _epoch(self, loss: Loss, optimizer: torch.optim.Optimizer) -> float | None:
        """The mean training loss of one pass over the rows, None if it was stopped."""
        self.model.train()
        total = 0.0
        for chosen in batches(len(self.train), self.preset.batch_size, self.generator):
            self.stopped = self.should_stop()
            if self.stopped:
                return None
            optimizer.zero_grad(set_to_none=True)
            mean = loss(self.train[chosen]).mean()
            mean.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += mean.item() * len(chosen)
        return total / len(self.train)

    def _validate(self, loss: Loss) -> tuple[float, float]:
        """Loss and spread of the held-out rows."""
        self.model.eval()
        with torch.inference_mode():
            latents = self.model.latents(self.validation)
            spread = (latents - latents.mean(dim=0)).square().sum(dim=1).mean().item()
            return loss(self.validation).mean().item(), spread
