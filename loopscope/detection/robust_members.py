"""What one repeat of K-fold training learnt: for each fold a member that scores the loops it did not train on.

Conventions: X is (n, n_features) float32 as the encoder gave it. A member sees z-scores clipped to ±10, fitted on its
own training rows, and reconstructs them; the same z-scores whitened (Ledoit-Wolf ZCA, unit mean square) are what its
Deep SVDD encoder maps to latents around the centre c. Raw scores are (n_members, n), positive, higher = more
anomalous.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from loopscope.arrays import Bool, Float
from loopscope.detection.networks import AutoEncoder
from loopscope.detection.pieces import Step, ask, no_steps
from loopscope.detection.preprocessing import CLIP, standardisation, standardise, whitening_matrix
from loopscope.progress import StopCheck

CHUNK = 2048  # rows scored at once, so that memory stays flat


class CrossFittedMembers(nn.Module):
    """K members: preprocessing, autoencoder of the z-scores, encoder of the whitened z-scores with its centre."""

    mean: Tensor
    scale: Tensor
    centre: Tensor
    radius: Tensor

    def __init__(self, autoencoder: AutoEncoder, encoder: nn.Sequential) -> None:
        super().__init__()
        k, f, d = autoencoder.n_members, autoencoder.n_features, autoencoder.latent_size
        self.autoencoder = autoencoder
        self.encoder = encoder
        self.whitening: Tensor | None = None  # only while training, see fold_whitening
        self.register_buffer("mean", torch.zeros(k, 1, f))
        self.register_buffer("scale", torch.ones(k, 1, f))
        self.register_buffer("centre", torch.zeros(k, 1, d))
        self.register_buffer("radius", torch.ones(k, 1))  # mean squared distance to c before fine-tuning

    def fit_views(self, X: Float, train_rows: Bool, should_stop: StopCheck) -> None:
        """Fit preprocessing of every member on its own rows; `train_rows` is (n_members, n) bool.

        Raises Cancelled.
        """
        whitening = []
        for k, rows in enumerate(train_rows):
            ask(should_stop)
            mean, scale = standardisation(X[rows])
            self.mean[k, 0], self.scale[k, 0] = torch.from_numpy(mean), torch.from_numpy(scale)
            whitening.append(torch.from_numpy(whitening_matrix(standardise(X[rows], mean, scale))))
        self.whitening = torch.stack(whitening)

    def fold_whitening(self) -> None:
        """Make whitening part of the encoder's first layer: both are linear, and the product is half the size."""
        if self.whitening is not None:
            weight = self.encoder.get_parameter("0.weight")
            weight.data = torch.bmm(self.whitening, weight.data)
            self.whitening = None

    def standardised(self, x: Tensor) -> Tensor:
        """(n_members, n, n_features) or (n, n_features) -> (n_members, n, n_features) z-scores."""
        return ((x - self.mean) / self.scale).clamp(-CLIP, CLIP)

    def encoder_input(self, x: Tensor) -> Tensor:
        """What the encoder maps to latents: whitened z-scores while training, z-scores once whitening is folded in."""
        z = self.standardised(x)
        return z if self.whitening is None else torch.bmm(z, self.whitening)

    def latents(self, x: Tensor) -> Tensor:
        """(n, n_features) or (n_members, n, n_features) -> (n_members, n, d)."""
        out: Tensor = self.encoder(self.encoder_input(x))
        return out

    def distance(self, latents: Tensor) -> Tensor:
        """Squared distance to the centre in units of the mean one before fine-tuning, (n_members, n)."""
        return (latents - self.centre).square().sum(dim=2) / self.radius

    def reconstruction_error(self, x: Tensor, with_skips: bool = True) -> Tensor:
        """Mean squared error of the z-scores per feature, (n_members, n)."""
        z = self.standardised(x)
        out: Tensor = (self.autoencoder(z, with_skips) - z).square().mean(dim=2)
        return out

    def place_centre(self, X: Tensor, train_rows: Tensor, step: Step = no_steps) -> None:
        """Fix c and the radius: mean latent of each member's training rows, and the mean squared distance to it."""
        with torch.inference_mode():
            latents = torch.cat([self.latents(piece) for piece in pieces_of(X, step)], dim=1)
            for k, trained in enumerate(train_rows):
                self.centre[k, 0] = latents[k, trained].mean(dim=0)
                spread = (latents[k, trained] - self.centre[k]).square().sum(dim=1).mean()
                self.radius[k, 0] = spread.clamp(min=1e-12)

    def scores(self, X: Float, step: Step = no_steps) -> Float:
        """Raw scores, (n_members, n_parts, n), parts in the order of DEEP_PARTS."""
        with torch.inference_mode():
            pieces = [
                torch.stack([self.distance(self.latents(x)), self.reconstruction_error(x)], dim=1)
                for x in pieces_of(torch.from_numpy(X), step)
            ]
        return torch.cat(pieces, dim=2).numpy().astype(np.float64)


def pieces_of(X: Tensor, step: Step = no_steps) -> Iterator[Tensor]:
    """Rows of X, CHUNK at a time, with a step before each."""
    for piece in torch.split(X, CHUNK):
        step()
        yield piece
