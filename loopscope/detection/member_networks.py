"""Several autoencoders of one shape trained as one: every layer is a batched matrix product over the members.

Conventions: x is (n_members, n, n_features) float32, one batch for each member; a latent is (n_members, n, 32). The
layers are those of `networks` without dropout: members see different folds, which regularises the mean of their
scores, and a score should not depend on a mask. Random numbers come from the generator passed in.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loopscope.detection.networks import ELU_ALPHA, LAYER_SIZES


class MemberLayer(nn.Module):
    """Bias-free Linear, BatchNorm, ELU for each member; or Linear alone."""

    def __init__(self, n_members: int, n_in: int, n_out: int, linear_only: bool, generator: torch.Generator) -> None:
        super().__init__()
        bound = 1 / math.sqrt(n_in)  # torch.nn.Linear's
        weight = torch.empty(n_members, n_in, n_out).uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight)
        self.norm = None if linear_only else nn.BatchNorm1d(n_members * n_out)

    def forward(self, x: Tensor) -> Tensor:
        """(n_members, n, n_in) -> (n_members, n, n_out)."""
        x = torch.bmm(x, self.weight)
        if self.norm is None:
            return x
        n_members, n, n_out = x.shape
        flat = self.norm(x.transpose(0, 1).reshape(n, n_members * n_out))
        return F.elu(flat, ELU_ALPHA).view(n, n_members, n_out).transpose(0, 1)


class MemberEncoder(nn.Module):
    """n_features → 512 → 256 → 128 → 64 → 32 for each member."""

    def __init__(
        self, n_members: int, n_features: int, generator: torch.Generator, layer_sizes: Sequence[int] = LAYER_SIZES
    ) -> None:
        super().__init__()
        sizes = [n_features, *layer_sizes]
        self.layers = _stack(n_members, sizes, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Latents, (n_members, n, 32)."""
        for layer in self.layers:
            x = layer(x)
        return x


class MemberAutoEncoder(nn.Module):
    """AE, or AEwRES when `residual`, for each member.

    With `skip_dropout`, each skip of each row is left out with that probability while training (and the rest scaled
    up), so that the decoder of AEwRES cannot lean on the skips alone and pass the bottleneck by.
    """

    def __init__(
        self,
        n_members: int,
        n_features: int,
        residual: bool,
        skip_dropout: float,
        generator: torch.Generator,
        layer_sizes: Sequence[int] = LAYER_SIZES,
    ) -> None:
        super().__init__()
        self.n_members, self.n_features, self.latent_size = n_members, n_features, layer_sizes[-1]
        self.encoder = MemberEncoder(n_members, n_features, generator, layer_sizes)
        self.decoder = _stack(n_members, [*reversed(layer_sizes), n_features], generator)
        self.residual = residual
        self.skip_dropout = skip_dropout
        self.generator = generator

    def forward(self, x: Tensor, with_skips: bool = True) -> Tensor:
        """The reconstruction, (n_members, n, n_features)."""
        skips: list[Tensor] = []
        for layer in self.encoder.layers:
            x = layer(x)
            skips.append(x)
        skips.pop()  # the latent itself is the decoder's input
        for depth, layer in enumerate(self.decoder):
            if depth > 0 and self.residual and with_skips:
                x = x + self._thinned(skips.pop())
            x = layer(x)
        return x

    def _thinned(self, skip: Tensor) -> Tensor:
        if not self.training or self.skip_dropout == 0:
            return skip
        keep = torch.rand((*skip.shape[:2], 1), generator=self.generator) >= self.skip_dropout
        return skip * keep / (1 - self.skip_dropout)


def _stack(n_members: int, sizes: Sequence[int], generator: torch.Generator) -> nn.ModuleList:
    last = len(sizes) - 2
    return nn.ModuleList(
        MemberLayer(n_members, sizes[i], sizes[i + 1], i == last, generator) for i in range(len(sizes) - 1)
    )
