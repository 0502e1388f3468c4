"""An encoder whose patches another network hears."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import soxr

from loopscope.encoders.base import Patches, PatchMaker, Samples, StagedEncoder

if TYPE_CHECKING:
    from torch import Tensor


class WithCompanion:
    """`encoder` with the patches of `companion`, as a `PatchEncoder`; both read every clip."""

    def __init__(self, encoder: StagedEncoder, companion: PatchMaker) -> None:
        self.encoder, self.companion = encoder, companion
        self.encoder_id, self.sample_rate, self.n_features = encoder.encoder_id, encoder.sample_rate, encoder.n_features
        self.description, self.notice, self.batch_size = encoder.description, encoder.notice, encoder.batch_size
        self.embed, self.prepare, self.forward = encoder.embed, encoder.prepare, encoder.forward
        self.patch_id, self.patch_seconds = companion.patch_id, companion.patch_seconds
        self.n_patch_values = companion.n_patch_values

    def hear(self, features: "Sequence[tuple[Tensor, Tensor]]") -> tuple[Samples, list[Patches]]:
        """Each of the two on what it prepared."""
        X = self.encoder.forward([own for own, _ in features])
        return X, self.companion.listen([theirs for _, theirs in features])

    def patches(self, waveform: Samples) -> tuple[Patches, float]:
        """Those of the companion, which hears the waveform at its own rate."""
        resampled = soxr.resample(waveform, self.sample_rate, self.companion.sample_rate)
        (patches,) = self.companion.listen([self.companion.prepare([resampled], len(resampled))])
        return patches, self.patch_seconds
