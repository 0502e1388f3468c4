"""An encoder made of a front end, a frozen network and a pooling over views; what CLAP and aiSFX have in common."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from loopscope.checkpoints import Checkpoint
from loopscope.checkpoints.stored import Weights
from loopscope.encoders.base import Samples
from loopscope.encoders.runtime import MakeNetwork, Precision, Runtime
from loopscope.errors import EncoderError, WeightsError, first_line

Pooling = Literal["max", "mean"]
MAX_VIEWS = 16  # views in one pass of the network, so that long clips do not decide how much memory it takes
BATCH_SIZE, ACCELERATED_BATCH_SIZE = 8, 32  # clips; larger ones gain nothing on processors


class FrontEnd(Protocol):
    """From sound to views, see `loopscope.encoders.mel`."""

    sample_rate: int

    def features(self, pieces: Iterable[Tensor], n_samples: int) -> Tensor:
        """(n_views, n_frames, n_mels) float32 of one clip of `n_samples` that arrives in pieces of (n,) samples.

        Or what the encoder makes views of.
        """
        ...


class WindowedEncoder:
    """Embeds every view of a clip with a frozen network, then takes the maximum or mean over the views.

    `make_network(dtype)` gives a network from (n, n_frames, n_mels) to (n, n_features); `Runtime` chooses device and
    precision. `name` and `weights_sha256` go into the encoder_id. See `loopscope.encoders.base.StagedEncoder` for the
    methods.
    """

    def __init__(
        self,
        name: str,
        description: str,
        front_end: FrontEnd,
        make_network: MakeNetwork,
        pooling: Pooling,
        n_features: int,
        weights_sha256: str,
        precision: Precision = "auto",
    ) -> None:
        self.description = description
        self.notice = ""
        self.sample_rate = front_end.sample_rate
        self.n_features = n_features
        self.weights_sha256 = weights_sha256
        self._front_end = front_end
        self._pooling = pooling
        sounds = _probe_sounds(self.sample_rate)
        probe = torch.cat([self._views(self.prepare([sound], len(sound))) for sound in sounds])
        self._runtime = Runtime(make_network, probe, precision)
        self.batch_size = BATCH_SIZE if self._runtime.device.type == "cpu" else ACCELERATED_BATCH_SIZE
        self.encoder_id = f"{name}-{weights_sha256[:12]}{self._runtime.tag}"

    @property
    def precision(self) -> str:
        """What the network computes in: "float32" or "bfloat16"."""
        return str(self._runtime.dtype).removeprefix("torch.")

    def embed(self, waveforms: Sequence[Samples]) -> Samples:
        """(n, n_features) of n waveforms (n_samples,) at `sample_rate`; see `base.Encoder`."""
        return self.forward([self.prepare([waveform], len(waveform)) for waveform in waveforms])

    def prepare(self, pieces: Iterable[Samples], n_samples: int) -> Tensor:
        """What the front end makes of one clip, on the processor. May run in several threads."""
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

    def _views(self, features: Tensor) -> Tensor:
        """(n_views, n_frames, n_mels) of what the front end made of one clip; most make views themselves."""
        return features

    def _pooled(self, features: Sequence[Tensor]) -> Tensor:
        views = list(map(self._views, features))
        embedded = self._runtime.run(torch.cat(views), MAX_VIEWS)
        clips = torch.split(embedded, list(map(len, views)))
        return torch.stack([rows.amax(0) if self._pooling == "max" else rows.mean(0) for rows in clips])


def _probe_sounds(sample_rate: int) -> list[Samples]:
    """Five seconds each of decaying notes, white noise, and both: what the trial of precisions listens to."""
    seconds = np.arange(5 * sample_rate) / sample_rate
    notes = 0.7 * np.sin(2 * np.pi * 110 * seconds) * np.exp(-6 * (seconds % 0.5))
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(seconds))
    return [sound.astype(np.float32) for sound in (notes, noise, notes + noise)]


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
