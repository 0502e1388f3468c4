"""Where and how a frozen network runs: the device, and passes of bounded size."""

import torch
from torch import Tensor, nn


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


class Runtime:
    """A network in evaluation mode, without gradients, on the best device of this machine."""

    def __init__(self, network: nn.Module, device: torch.device | None = None) -> None:
        self.device = device or best_device()
        self.network = network.eval().requires_grad_(False).to(self.device)

    def run(self, views: Tensor, max_views: int) -> Tensor:
        """(n, n_features) float32 of (n, n_frames, n_mels), at most `max_views` at a time."""
        return torch.cat([self.network(part.to(self.device)).float() for part in torch.split(views, max_views)])
