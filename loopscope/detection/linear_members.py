"""Cross-fitted members of an autoencoder that begins as PCA and only learns what that misses.

Conventions: rows are (n, f) float32; a member sees z-scores clipped to ±10 along the k largest principal axes of its
own training rows, whitened with shrinkage (`views`: (n_members, n, k)), and how much of a row lies outside of these
axes. The latent is the first d whitened coordinates plus an MLP of all, the reconstruction is the latent put back plus
an MLP, and both MLPs give zero at first: before training, distance and reconstruction error are those of PCA. Raw
scores are (n_members, 2, n), positive, higher = more anomalous.
"""

import copy
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from loopscope.arrays import Bool, Float
from loopscope.detection.networks import Dropout, Layer
from loopscope.detection.pieces import ask
from loopscope.detection.preprocessing import CLIP, standardisation, standardise
from loopscope.progress import StopCheck

SHRINKAGE_FLOOR = 1e-6  # of the mean variance
ROWS = 4096  # encoded at once, which bounds memory


class LinearMembers(nn.Module):
    """K members: preprocessing, an autoencoder (with skip connections where `residual`), and `sphere`, which begins as
    its encoder and is what maps rows to latents around the centre.
    """

    mean: Tensor
    scale: Tensor
    middle: Tensor
    axes: Tensor
    deviation: Tensor
    tail: Tensor
    centre: Tensor
    radius: Tensor

    def __init__(
        self,
        n_members: int,
        n_features: int,
        k: int,
        sizes: Sequence[int],
        residual: bool,
        skip_dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.latent_size = sizes[-1]
        self.residual = residual
        self.encoder = _stack(n_members, (k, *sizes), generator)
        self.decoder = _stack(n_members, (*reversed(sizes), k), generator)
        self.sphere = copy.deepcopy(self.encoder)
        self.skip_dropout = Dropout(skip_dropout, generator, whole_rows=True)
        shapes = {
            "mean": (1, n_features),
            "scale": (1, n_features),
            "middle": (1, n_features),
            "axes": (n_features, k),
            "deviation": (1, k),
            "tail": (1,),
            "centre": (1, self.latent_size),
            "radius": (1,),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.ones(n_members, *shape))  # until they are fitted

    def fit_views(self, X: Float, train_rows: Bool, shrinkage: float, should_stop: StopCheck) -> None:
        """Fit every member's axes on its own rows; `train_rows` is (n_members, n) bool. Raises Cancelled."""
        k = self.axes.shape[2]
        for member, rows in enumerate(train_rows):
            ask(should_stop)
            mean, scale = standardisation(X[rows])
            Z = standardise(X[rows], mean, scale).astype(np.float64)
            middle = Z.mean(axis=0)
            variances, vectors = np.linalg.eigh((Z - middle).T @ (Z - middle) / max(1, len(Z) - 1))
            average = max(variances.mean(), SHRINKAGE_FLOOR)
            shrunk = (1 - shrinkage) * variances[::-1] + shrinkage * average
            found = {
                "mean": mean,
                "scale": scale,
                "middle": middle,
                "axes": vectors[:, ::-1][:, :k],
                "deviation": np.sqrt(shrunk[:k] * variances.sum() / shrunk.sum()),
                "tail": shrunk[k:].mean() if len(shrunk) > k else 1.0,
            }
            for name, value in found.items():
                buffer = getattr(self, name)
                buffer[member] = torch.as_tensor(np.asarray(value, np.float32)).view(buffer.shape[1:])

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, f) or (n_members, n, f) -> whitened (n_members, n, k), and (n_members, n): energy outside of the axes, in
        units of what one dimension there has.
        """
        z: Tensor = ((x - self.mean) / self.scale).clamp(-CLIP, CLIP) - self.middle
        along = torch.bmm(z, self.axes)
        outside = (z.square().sum(dim=2) - along.square().sum(dim=2)).clamp(min=0) / self.tail
        return along / self.deviation, outside

    def latents(self, white: Tensor, encoder: nn.Sequential | None = None) -> Tensor:
        """(n_members, n, k) -> (n_members, n, d), by the sphere's encoder unless another is given."""
        return self._encoded(white, encoder or self.sphere)[-1]

    def forward(self, white: Tensor, with_skips: bool = True) -> Tensor:
        """The reconstruction, (n_members, n, k)."""
        *skips, latent = self._encoded(white, self.encoder)
        x = latent
        for depth, layer in enumerate(self.decoder):
            if depth > 0 and self.residual and with_skips:
                x = x + self.skip_dropout(skips.pop())
            x = layer(x)
        return x + _put_back(latent, white.shape[2])

    def distance(self, latents: Tensor) -> Tensor:
        """Squared distance to the centre in units of the mean one before fine-tuning, (n_members, n)."""
        return (latents - self.centre).square().sum(dim=2) / self.radius

    def scores(self, x: Tensor) -> Tensor:
        """Distance to the centre, and reconstruction error with what lies outside, of (n, f): (n_members, 2, n)."""
        white, outside = self.views(x)
        wrong = (self(white) - white).square().sum(dim=2) + outside
        return torch.stack([self.distance(self.latents(white)), wrong], dim=1)

    def begin_sphere(self, white: Tensor, train_rows: Tensor) -> None:
        """From the autoencoder's encoder, with c and radius of each member's training rows, (n_members, n) bool."""
        self.sphere.load_state_dict(self.encoder.state_dict())
        latents = torch.cat([self.latents(piece) for piece in torch.split(white, ROWS, dim=1)], dim=1)
        for member, rows in enumerate(train_rows):
            self.centre[member, 0] = latents[member, rows].mean(dim=0)
            spread = (latents[member, rows] - self.centre[member]).square().sum(dim=1).mean()
            self.radius[member, 0] = spread.clamp(min=1e-12)

    def _encoded(self, white: Tensor, encoder: nn.Sequential) -> list[Tensor]:
        """The output of every layer, the latent last."""
        x, outputs = white, []
        for layer in encoder:
            x = layer(x)
            outputs.append(x)
        outputs[-1] = x + _put_back(white[..., : self.latent_size], self.latent_size)
        return outputs


def _put_back(x: Tensor, width: int) -> Tensor:
    """(…, a) -> (…, width), zeros behind."""
    return functional.pad(x, (0, width - x.shape[-1]))[..., :width]


def _stack(n_members: int, sizes: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """Layers between these numbers of values; the last gives zero at first."""
    last = len(sizes) - 2
    layers = [Layer(n_members, *ends, 0.0, i == last, generator) for i, ends in enumerate(pairwise(sizes))]
    nn.init.zeros_(layers[-1].weight)
    return nn.Sequential(*layers)
