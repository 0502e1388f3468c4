"""The autoencoders of the paper: AE and AEwRES (section 4.3, Figure 3).

Conventions: x is (n, n_features) float32, a latent is (n, 32). Layers run n_features → 512 → 256 → 128 → 64 → 32 and
back; each is Linear, BatchNorm, ELU, Dropout, except the last of the encoder and of the decoder, which are linear
alone (a latent with dropout has no fixed distance to a centre). No layer has a bias: with one, Deep SVDD has a trivial
optimum that maps every input to the centre (Ruff et al. 2018, proposition 2).

Random numbers come from the generator passed in, not from torch's global one, which other sessions draw from as well.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYER_SIZES = (512, 256, 128, 64, 32)  # paper section 4.3
ELU_ALPHA = 0.1  # paper section 4.3


class Dropout(nn.Module):
    """Dropout drawn from a generator of its own."""

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """x with a share p of its values zeroed and the rest scaled up, in training mode only."""
        if not self.training or self.p == 0:
            return x
        keep = torch.rand(x.shape, generator=self.generator) >= self.p
        return x * keep / (1 - self.p)


class Layer(nn.Module):
    """Linear, BatchNorm, ELU, Dropout; or Linear alone."""

    def __init__(self, n_in: int, n_out: int, dropout: float, linear_only: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)  # as torch.nn.Linear does
        self.norm = None if linear_only else nn.BatchNorm1d(n_out)
        self.dropout = Dropout(dropout, generator)

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in) -> (n, n_out)."""
        x = F.linear(x, self.weight)
        if self.norm is None:
            return x
        out: Tensor = self.dropout(F.elu(self.norm(x), ELU_ALPHA))
        return out


class AutoEncoder(nn.Module):
    """AE: a symmetric autoencoder without skips."""

    def __init__(
        self,
        n_features: int,
        layer_sizes: Sequence[int] = LAYER_SIZES,
        dropout: float = 0.2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        sizes = [n_features, *layer_sizes]
        last = len(layer_sizes) - 1
        self.encoder = nn.ModuleList(
            Layer(sizes[i], sizes[i + 1], dropout, i == last, generator) for i in range(len(layer_sizes))
        )
        sizes.reverse()
        self.decoder = nn.ModuleList(
            Layer(sizes[i], sizes[i + 1], dropout, i == last, generator) for i in range(len(layer_sizes))
        )

    def encode(self, x: Tensor) -> Tensor:
        """Latents, (n, 32)."""
        for layer in self.encoder:
            x = layer(x)
        return x

    def forward(self, x: Tensor, with_skips: bool = True) -> Tensor:
        """The reconstruction, (n, n_features). `with_skips` is for AEwRES; there is none here."""
        x = self.encode(x)
        for layer in self.decoder:
            x = layer(x)
        return x


class ResidualAutoEncoder(AutoEncoder):
    """AEwRES: the output of encoder layer i is added to the input of decoder layer 5 - i (i = 1 to 4)."""

    def forward(self, x: Tensor, with_skips: bool = True) -> Tensor:
        """The reconstruction, (n, n_features); without skips it shows what went through the bottleneck alone."""
        skips: list[Tensor] = []
        for layer in self.encoder:
            x = layer(x)
            skips.append(x)
        skips.pop()  # the latent itself is the decoder's input
        for depth, layer in enumerate(self.decoder):
            if depth > 0 and with_skips:
                x = x + skips.pop()
            x = layer(x)
        return x
