"""The autoencoders of the paper, AE and AEwRES (section 4.3, Figure 3), one of them or several trained as one.

Conventions: x is (n_members, n, n_features) float32, one batch for each member; a latent is (n_members, n, 32). Every
layer is one matrix product over all members; a single autoencoder is one member. Layers run n_features → 512 → 256 →
128 → 64 → 32 and back; each is Linear, BatchNorm, ELU, Dropout as the paper has it, except the last of the encoder and
of the decoder: those are linear alone here (a latent with dropout has no fixed distance to a centre).

No Linear has a bias, as Deep SVDD asks for: with one, an optimum maps every input to the centre (Ruff et al. 2018,
proposition 2). That does not rule such a collapse out here: the β of BatchNorm is a bias, and a layer whose weights
have shrunk to nothing passes on its β alone.

Random numbers come from the generator passed in, not from torch's global one, which other sessions draw from as well.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

ModuleT = TypeVar("ModuleT", bound=nn.Module)
LAYER_SIZES = (512, 256, 128, 64, 32)  # paper section 4.3
ELU_ALPHA = 0.1  # paper section 4.3


class Dropout(nn.Module):
    """Zeroes a share p of the values, or of `whole_rows`, and scales the rest up, in training mode only."""

    def __init__(self, p: float, generator: torch.Generator, whole_rows: bool = False) -> None:
        super().__init__()
        self.p, self.generator, self.whole_rows = p, generator, whole_rows

    def forward(self, x: Tensor) -> Tensor:
        """(n_members, n, d) -> the same shape."""
        if not self.training or self.p == 0:
            return x
        drawn = (*x.shape[:2], 1) if self.whole_rows else x.shape
        keep = torch.rand(drawn, generator=self.generator) >= self.p
        return x * keep / (1 - self.p)


class Layer(nn.Module):
    """Linear, BatchNorm, ELU, Dropout for each member; or Linear alone. `weight` is (n_members, n_in, n_out)."""

    def __init__(
        self, n_members: int, n_in: int, n_out: int, dropout: float, linear_only: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(_weights(n_members, n_in, n_out, generator))
        self.norm = None if linear_only else nn.BatchNorm1d(n_members * n_out)
        self.dropout = Dropout(dropout, generator)

    def forward(self, x: Tensor) -> Tensor:
        """(n_members, n, n_in) -> (n_members, n, n_out)."""
        x = torch.bmm(x, self.weight)
        if self.norm is None:
            return x
        n_members, n, n_out = x.shape
        flat = self.norm(x.transpose(0, 1).reshape(n, n_members * n_out))
        out: Tensor = self.dropout(F.elu(flat, ELU_ALPHA).view(n, n_members, n_out).transpose(0, 1))
        return out


class AutoEncoder(nn.Module):
    """AE, a symmetric autoencoder; or AEwRES when `residual`, for each member.

    In AEwRES the output of encoder layer i is added to the input of decoder layer 5 - i (i = 1 to 4). With
    `skip_dropout`, each skip of each row is left out with that probability while training (and the rest scaled up), so
    that the decoder cannot lean on the skips alone and pass the bottleneck by.
    """

    def __init__(
        self,
        n_features: int,
        residual: bool,
        generator: torch.Generator,
        *,
        n_members: int = 1,
        layer_sizes: Sequence[int] = LAYER_SIZES,
        dropout: float = 0.0,
        skip_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_members, self.n_features, self.latent_size = n_members, n_features, layer_sizes[-1]
        self.residual = residual
        self.encoder = _stack(n_members, (n_features, *layer_sizes), dropout, generator)
        self.decoder = _stack(n_members, (*reversed(layer_sizes), n_features), dropout, generator)
        self.skip_dropout = Dropout(skip_dropout, generator, whole_rows=True)

    def forward(self, x: Tensor, with_skips: bool = True) -> Tensor:
        """The reconstruction, (n_members, n, n_features); without skips, what went through the bottleneck alone."""
        skips: list[Tensor] = []
        for layer in self.encoder:
            x = layer(x)
            skips.append(x)
        skips.pop()  # the latent itself is the decoder's input
        for depth, layer in enumerate(self.decoder):
            if depth > 0 and self.residual and with_skips:
                x = x + self.skip_dropout(skips.pop())
            x = layer(x)
        return x


def filled(make: Callable[[], ModuleT], arrays: Mapping[str, NDArray[Any]]) -> ModuleT:
    """The network that `make` builds, in eval mode, with saved values in the place of its parameters and buffers.

    It is built without memory first: raises RuntimeError where names or shapes of the arrays are not those of the
    network, before anything of its size exists.
    """
    with torch.device("meta"):
        network = make()
    kinds = {name: tensor.dtype for name, tensor in network.state_dict().items()}
    values = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    network.load_state_dict({name: value.to(kinds.get(name)) for name, value in values.items()}, assign=True)
    return network.eval()


def _stack(n_members: int, sizes: Sequence[int], dropout: float, generator: torch.Generator) -> nn.Sequential:
    """Layers between these numbers of values, the last of them linear alone."""
    last = len(sizes) - 2
    return nn.Sequential(
        *(Layer(n_members, *ends, dropout, i == last, generator) for i, ends in enumerate(pairwise(sizes)))
    )


def _weights(n_members: int, n_in: int, n_out: int, generator: torch.Generator) -> Tensor:
    """Initial weights as torch.nn.Linear draws them, (n_members, n_in, n_out).

    Those of a single member are drawn and kept in the order of torch.nn.Linear: the same seed gives the same scores.
    """
    bound = 1 / math.sqrt(n_in)
    if n_members == 1:
        return torch.empty(1, n_out, n_in).uniform_(-bound, bound, generator=generator).transpose(1, 2)
    return torch.empty(n_members, n_in, n_out).uniform_(-bound, bound, generator=generator)
