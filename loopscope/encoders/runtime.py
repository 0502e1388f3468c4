"""Where and how a frozen network runs: the device, the precision, and passes of bounded size.

Reduced precision is taken where it pays and does no harm, decided by a short trial at start: both networks embed the
same probe, and bfloat16 wins if it needs less than 0.8 of the time and every embedding keeps a cosine of at least
0.999 to float32. `numbers` then says whether the difference has to show in the encoder_id (a cosine under 0.9999).
"""

import time
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from loopscope.encoders.processor import has_bfloat16
from loopscope.errors import EncoderError
from loopscope.threads import one_thread

Precision = Literal["auto", "float32", "bfloat16"]
MakeNetwork = Callable[[torch.dtype], nn.Module]

MIN_COSINE = 0.999  # what the reduced network must keep
SAME_COSINE = 0.9999  # above it, embeddings count as the same numbers
MAX_TIME_RATIO = 0.8
N_TRIALS = 2


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


class Runtime:
    """A network in evaluation mode, without gradients, on one device, in the precision that the trial chose.

    `make_network(dtype)` builds it anew; it takes float32 views (n, …) and gives float32 (n, n_features), whatever it
    computes in. `probe` is a small batch of views. `tag` is what the encoder_id has to say of the precision, often
    empty. Raises EncoderError where a precision is asked for that the processor has not.
    """

    def __init__(
        self,
        make_network: MakeNetwork,
        probe: Tensor,
        precision: Precision,
    ) -> None:
        self.device = best_device()
        self.cosine = 1.0
        with torch.inference_mode():
            self.network = self._made(make_network, torch.float32)
            self.dtype = torch.float32
            if precision == "bfloat16" and self.device.type == "cpu" and not has_bfloat16():
                raise EncoderError("bfloat16 was asked for, but this processor cannot multiply in it; ask for float32.")
            if precision == "bfloat16" or (precision == "auto" and self._may_reduce()):
                self._try_reduced(self._made(make_network, torch.bfloat16), probe, forced=precision == "bfloat16")

    @property
    def tag(self) -> str:
        """Empty while the embeddings are float32's own for all purposes, else the precision."""
        return "" if self.cosine >= SAME_COSINE else "-bf16"

    def run(self, views: Tensor, max_views: int) -> Tensor:
        """(n, n_features) float32 on the processor of (n, …) views, at most `max_views` at a time."""
        parts = [self._embedded(self.network, part) for part in torch.split(views, max_views)]
        return torch.cat(parts)

    def _made(self, make_network: MakeNetwork, dtype: torch.dtype) -> nn.Module:
        return make_network(dtype).eval().requires_grad_(False).to(self.device)

    def _may_reduce(self) -> bool:
        return self.device.type == "cuda" or (self.device.type == "cpu" and has_bfloat16())

    def _embedded(self, network: nn.Module, views: Tensor) -> Tensor:
        embedded: Tensor = network(views.to(self.device, non_blocking=True))
        return embedded.float().cpu()

    def _try_reduced(self, reduced: nn.Module, probe: Tensor, forced: bool) -> None:
        exact, seconds = self._timed(self.network, probe)
        approximate, reduced_seconds = self._timed(reduced, probe)
        cosine = float(functional.cosine_similarity(exact, approximate).min())
        if forced or (cosine >= MIN_COSINE and reduced_seconds < MAX_TIME_RATIO * seconds):
            self.network, self.dtype, self.cosine = reduced, torch.bfloat16, cosine

    def _timed(self, network: nn.Module, probe: Tensor) -> tuple[Tensor, float]:
        """The probe's embeddings and the shortest of a few times in seconds, after one run to warm up.

        On the processor it is the time of this thread alone, so that other programs do not tip the scales.
        """
        clock = time.thread_time if self.device.type == "cpu" else time.perf_counter
        with one_thread():
            embedded = self._embedded(network, probe)
            seconds = []
            for _ in range(N_TRIALS):
                start = clock()
                self._embedded(network, probe)
                seconds.append(clock() - start)
        return embedded, min(seconds)
