"""What every maker of patches needs: axes that raw values are projected on, and where a clip's patches are taken from.

Conventions: as in `base`, where patches are defined.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LARGEST_Z = 6.0  # a value further out, in deviations, says no more than this
FLATTEST = 0.1  # of the median deviation: values that hardly vary are not blown up
SMALLEST_VARIANCE = 1e-3  # of the first axis: likewise
LARGEST_SAMPLE = 20_000  # patches that axes are learnt from


@dataclass(frozen=True)
class Axes:
    """Where raw values (…, n_raw) go: z-scores clipped to ±6, along principal axes, half-whitened.

    `mean`, `scale`, `centre` are (n_raw,), `axes` (n_raw, n_values), all float32. Half-whitening divides by Λ^1/4
    instead of Λ^1/2, which keeps something of the order of the axes.
    """

    mean: Tensor
    scale: Tensor
    centre: Tensor
    axes: Tensor

    @classmethod
    def learnt_from(cls, raw: NDArray[Any], n_values: int, seed: int = 0) -> Self:
        """The axes of raw patches, (n, n_raw); of a sample where they are many."""
        rows = np.random.default_rng(seed).permutation(len(raw))[:LARGEST_SAMPLE]
        sample = np.asarray(raw[rows], np.float64)
        mean, deviation = sample.mean(axis=0), sample.std(axis=0)
        scale = np.maximum(deviation, FLATTEST * np.median(deviation))
        z = np.clip((sample - mean) / scale, -LARGEST_Z, LARGEST_Z)
        variances, vectors = np.linalg.eigh(np.cov(z.T))
        largest, axes = variances[::-1][:n_values], vectors[:, ::-1][:, :n_values]
        axes = axes / np.maximum(largest, SMALLEST_VARIANCE * largest[0]) ** 0.25
        return cls(*(torch.from_numpy(part.astype(np.float32)) for part in (mean, scale, z.mean(axis=0), axes)))

    @classmethod
    def read(cls, file: Path) -> Self:
        """As `write` left them."""
        with np.load(file, allow_pickle=False) as arrays:
            return cls(*(torch.from_numpy(arrays[field.name].astype(np.float32)) for field in fields(cls)))

    def write(self, file: Path) -> None:
        """In half precision, as small as may be."""
        arrays = {field.name: getattr(self, field.name).numpy().astype(np.float16) for field in fields(self)}
        np.savez_compressed(file, **arrays)

    def project(self, raw: Tensor) -> Tensor:
        """(…, n_raw) → (…, n_values)."""
        z = ((raw - self.mean) / self.scale).clamp(-LARGEST_Z, LARGEST_Z)
        return (z - self.centre) @ self.axes


@dataclass(frozen=True)
class Layout:
    """Which view of a clip each of its patches is taken from, so that it hears no edge but those of the clip.

    Views of `length` frames begin at `starts`; a patch is `frames` of them, and those within `margin` patches of a
    view's edge hear it. `view` and `place` are (n_patches,): patch `place[i]` of view `view[i]` is the clip's patch i.
    A view that does not begin on a patch's first frame gives patches half a patch late; it is only taken where the
    others have their edges.
    """

    view: NDArray[np.int64]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, n_patches: int, starts: Sequence[int], length: int, frames: int, margin: int) -> Self:
        """Every patch must lie inside one of the views."""
        first = frames * np.arange(n_patches)[:, None]
        place = (first - np.array(starts) + frames // 2) // frames
        per_view = length // frames
        is_late = np.array(starts) % frames > 0
        cost = 2 * ((place < margin) | (place >= per_view - margin)) + is_late
        cost = np.where((place < 0) | (place >= per_view), np.inf, cost)
        view = cost.argmin(axis=1)
        return cls(view, place[np.arange(n_patches), view])
