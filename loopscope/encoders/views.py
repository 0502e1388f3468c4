"""An encoder made of a front end, a frozen network and a pooling over views; what CLAP and aiSFX have in common."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from loopscope.checkpoints import Checkpoint, Weights
from loopscope.checkpoints.reading import first_line
from loopscope.encoders.base import Samples
from loopscope.encoders.runtime import Runtime
from loopscope.errors import EncoderError, WeightsError

Pooling = Literal["max", "mean"]
MAX_VIEWS = 16  # views in one pass of the network: enough to keep it busy, few enough to keep memory flat


class FrontEnd(Protocol):
    """From sound to views, see `loopscope.encoders.frontend`."""

    sample_rate: int

    def features(self, pieces: Iterable[Tensor], n_samples: int) -> Tensor:
        """(n_views, n_frames, n_mels) float32 of one clip of `n_samples` that arrives in pieces of (n,) samples."""
        ...


class ViewEncoder:
    """Embeds every view of a clip with `network`, then takes the maximum or mean over the views.

    `network` maps (n, n_frames, n_mels) to (n, n_features); it is frozen here. `name` and `weights_sha256` go into the
    encoder_id. See `loopscope.encoders.base.StagedEncoder` for the methods.
    """

    batch_size = MAX_VIEWS

    def __init__(
        self,
        name: str,
        description: str,
        front_end: FrontEnd,
        network: nn.Module,
        pooling: Pooling,
        n_features: int,
        weights_sha256: str,
    ) -> None:
        self.description = description
        self.notice = ""
        self.sample_rate = front_end.sample_rate
        self.n_features = n_features
        self.weights_sha256 = weights_sha256
        self._front_end = front_end
        self._pooling = pooling
        self._runtime = Runtime(network)
        self.encoder_id = f"{name}-{weights_sha256[:12]}"

    def embed(self, waveforms: Sequence[Samples]) -> Samples:
        """(n, n_features) of n waveforms (n_samples,) at `sample_rate`; see `base.Encoder`."""
        return self.forward([self.prepare([waveform], len(waveform)) for waveform in waveforms])

    def prepare(self, pieces: Iterable[Samples], n_samples: int) -> Tensor:
        """The views of one clip, (n_views, n_frames, n_mels), on the processor. May run in several threads."""
        if n_samples < 1:
            raise EncoderError("A waveform is empty; leave this file out.")
        with torch.inference_mode():
            return self._front_end.features((_checked(piece) for piece in pieces), n_samples)

    def forward(self, features: Sequence[Tensor]) -> Samples:
        """(n, n_features) of n clips' views."""
        if not features:
            return np.empty((0, self.n_features), np.float32)
        with torch.inference_mode():
            return self._pooled(features).float().cpu().numpy()

    def _pooled(self, features: Sequence[Tensor]) -> Tensor:
        embedded = self._runtime.run(torch.cat(list(features)), MAX_VIEWS)
        clips = torch.split(embedded, [len(views) for views in features])
        return torch.stack([rows.amax(0) if self._pooling == "max" else rows.mean(0) for rows in clips])


def _checked(piece: Samples) -> Tensor:
    samples = np.ascontiguousarray(piece, dtype=np.float32)
    if samples.ndim != 1:
        raise EncoderError(f"A waveform has the shape {samples.shape}; mix it down to one channel (n_samples,).")
    if not np.isfinite(samples).all():
        raise EncoderError("A waveform holds NaN or infinite samples; leave this file out.")
    return torch.from_numpy(samples)


def fill(network: nn.Module, weights: Weights, checkpoint: Checkpoint) -> None:
    """Puts published weights into a network of ours. Raises `WeightsError` unless names and shapes agree one by one."""
    try:
        network.load_state_dict(weights.tensors)
    except RuntimeError as error:
        raise WeightsError(
            f"The weights {checkpoint.stored} do not fit the network of {checkpoint.encoder} ({first_line(error)}); "
            f"delete that file and give the published {Path(checkpoint.filename).name}."
        ) from None
