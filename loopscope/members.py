"""The members of the robust detector: what each of K folds learnt, and the scores it gives.

Conventions: X is (n, n_features) float32 as the encoder gave it. Every member k has two views of it, fitted on its own
training rows: "standardised" (z-scores clipped to ±10, paper section 4.2 leaves the scale to the reader) and
"whitened" (Ledoit-Wolf ZCA, unit mean square). Component scores are (n_members, n), divided by the median over the
member's held-out rows, so that 1 is the typical loop; higher = more anomalous.
"""

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn

from loopscope.ensemble import MemberAutoEncoder, MemberEncoder
from loopscope.guards import FloatArray

CLIP = 10.0  # z-scores beyond this say no more than this
CONSTANT = 1e-6  # a feature whose deviation is below this share of its size does not vary
COMPONENTS = ("reconstruction", "distance", "neighbours")
CHUNK = 2048  # rows scored at once, so that memory stays flat


class Members(nn.Module):
    """K members: an autoencoder for each view, and a centre for the latents of the whitened view."""

    mean: Tensor
    scale: Tensor
    whitening: Tensor
    centre: Tensor
    radius: Tensor
    medians: Tensor
    fitted: Tensor
    train_rows: Tensor

    def __init__(
        self, autoencoder: MemberAutoEncoder, whitened_autoencoder: MemberAutoEncoder, n_train: int, n_neighbours: int
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.whitened_autoencoder = whitened_autoencoder
        self.n_neighbours = n_neighbours
        k, f, d = autoencoder.n_members, autoencoder.n_features, autoencoder.latent_size
        self.register_buffer("mean", torch.zeros(k, 1, f))
        self.register_buffer("scale", torch.ones(k, 1, f))
        self.register_buffer("whitening", torch.zeros(k, f, f))
        self.register_buffer("centre", torch.zeros(k, 1, d))
        self.register_buffer("radius", torch.ones(k, 1))  # mean squared distance to c before fine-tuning
        self.register_buffer("medians", torch.ones(len(COMPONENTS), k, 1))
        self.register_buffer("fitted", torch.zeros(n_train, f))
        self.register_buffer("train_rows", torch.zeros((k, n_train), dtype=torch.bool))

    @property
    def encoder(self) -> MemberEncoder:
        """The encoder whose latents are measured against the centre."""
        return self.whitened_autoencoder.encoder

    def fit_views(self, X: FloatArray, train_rows: FloatArray) -> None:
        """Fit both views of every member on its own rows; `train_rows` is (n_members, n) bool."""
        self.fitted.copy_(torch.from_numpy(X))
        self.train_rows.copy_(torch.from_numpy(train_rows))
        for k, rows in enumerate(train_rows):
            mean, scale = standardisation(X[rows])
            z = np.clip((X[rows] - mean) / scale, -CLIP, CLIP)
            self.mean[k, 0] = torch.from_numpy(mean)
            self.scale[k, 0] = torch.from_numpy(scale)
            self.whitening[k] = torch.from_numpy(whitening_matrix(z))

    def standardised(self, x: Tensor) -> Tensor:
        """(n_members, n, n_features) or (n, n_features) -> (n_members, n, n_features) z-scores."""
        return ((x - self.mean) / self.scale).clamp(-CLIP, CLIP)

    def whitened(self, x: Tensor) -> Tensor:
        """(n_members, n, n_features) or (n, n_features) -> (n_members, n, n_features), uncorrelated, of unit power."""
        return torch.bmm(self.standardised(x), self.whitening)

    def place_centre(self, X: Tensor) -> None:
        """Fix c and the radius: mean latent of each member's training rows, and the mean squared distance to it."""
        self.eval()
        with torch.inference_mode():
            latents = self.latents(X)
            for k, trained in enumerate(self.train_rows):
                self.centre[k, 0] = latents[k, trained].mean(dim=0)
                spread = (latents[k, trained] - self.centre[k]).square().sum(dim=1).mean()
                self.radius[k, 0] = spread.clamp(min=1e-12)

    def calibrate(self, X: Tensor) -> None:
        """Set each member's medians from the rows it did not train on."""
        for i, part in enumerate(self.raw_components(X).values()):
            for k, trained in enumerate(self.train_rows):
                self.medians[i, k] = part[k, ~trained].median().clamp(min=1e-12)

    def reconstruction_error(self, x: Tensor, with_skips: bool = True) -> Tensor:
        """Mean squared error per feature of the standardised view, (n_members, n)."""
        z = self.standardised(x)
        out: Tensor = (self.autoencoder(z, with_skips) - z).square().mean(dim=2)
        return out

    def whitened_reconstruction_error(self, x: Tensor) -> Tensor:
        """The same of the whitened view; only training asks for it."""
        white = self.whitened(x)
        out: Tensor = (self.whitened_autoencoder(white) - white).square().mean(dim=2)
        return out

    def latents(self, X: Tensor) -> Tensor:
        """(n, n_features) -> (n_members, n, d)."""
        out: Tensor = self.encoder(self.whitened(X))
        return out

    def distance(self, latents: Tensor) -> Tensor:
        """Squared distance to the centre in units of the mean one before fine-tuning, (n_members, n)."""
        return (latents - self.centre).square().sum(dim=2) / self.radius

    def raw_components(self, X: Tensor) -> dict[str, Tensor]:
        """Uncalibrated scores, name -> (n_members, n), in pieces of a bounded size."""
        with torch.inference_mode():
            pieces = [self._components(piece) for piece in torch.split(X, CHUNK)]
        return {name: torch.cat([piece[name] for piece in pieces], dim=1) for name in COMPONENTS}

    def components(self, X: Tensor) -> dict[str, Tensor]:
        """Calibrated scores, name -> (n_members, n): 1 is the median loop that the member did not train on."""
        return {name: part / self.medians[i] for i, (name, part) in enumerate(self.raw_components(X).items())}

    def _components(self, X: Tensor) -> dict[str, Tensor]:
        return {
            "reconstruction": self.reconstruction_error(X),
            "distance": self.distance(self.latents(X)),
            "neighbours": self._neighbour_distance(self.standardised(X)),
        }

    def _neighbour_distance(self, z: Tensor) -> Tensor:
        """Mean squared distance per feature to the nearest training rows of each member, (n_members, n)."""
        out = []
        for k, queries in enumerate(z):
            rows = ((self.fitted[self.train_rows[k]] - self.mean[k]) / self.scale[k]).clamp(-CLIP, CLIP)
            nearest = torch.cdist(queries, rows).topk(min(self.n_neighbours, len(rows)), largest=False).values
            out.append(nearest.mean(dim=1).square() / z.shape[2])
        return torch.stack(out)


def standardisation(X: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and scale of each feature, (n_features,) float32 each; features that do not vary get scale 1."""
    mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    varies = deviation > CONSTANT * np.maximum(np.abs(mean), 1e-12)
    return mean.astype(np.float32), np.where(varies, deviation, 1.0).astype(np.float32)


def whitening_matrix(z: FloatArray) -> FloatArray:
    """The symmetric W, (n_features, n_features) float32, for which z @ W has about uncorrelated features and unit mean
    square.
    """
    covariance = LedoitWolf(assume_centered=True).fit(z).covariance_
    values, vectors = np.linalg.eigh(covariance)
    root = 1 / np.sqrt(np.maximum(values, 1e-6 * values.max()))
    W = ((vectors * root) @ vectors.T).astype(np.float32)
    unit: FloatArray = W / np.sqrt(np.mean(np.square(z @ W)))
    return unit


def fuse(components: Mapping[str, FloatArray], weights: Mapping[str, float]) -> FloatArray:
    """The weighted geometric mean of calibrated components, shapes kept: positive, 1 is the typical loop."""
    total = sum(weights.values())
    parts = [weight / total * np.log(components[name] + 1e-9) for name, weight in weights.items() if weight]
    fused: FloatArray = np.exp(np.sum(parts, axis=0))
    return fused
