"""The one door to every detector: `make_detector(name, preset, seed)`.

Conventions: X is (n_loops, n_features) float32; scores are (n_loops,) float64, higher = more anomalous. A new detector
is one class that derives from `fitting.BaseDetector` and one line in `_REGISTRY`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from loopscope.detection.base import BaseDetector, FitReport
from loopscope.detection.baselines import BaselineDetector
from loopscope.detection.paper_detector import PaperDetector
from loopscope.detection.paper_training import PaperPreset
from loopscope.detection.robust_detector import RobustDetector
from loopscope.detection.robust_training import RobustPreset
from loopscope.errors import DataError
from loopscope.progress import EpochCallback, StopCheck, ignore_epoch, never_stop

__all__ = [
    "PRESETS",
    "Detector",
    "DetectorInfo",
    "FitReport",
    "PaperPreset",
    "RobustPreset",
    "detector_info",
    "detector_names",
    "make_detector",
]

PRESETS = ("robust", "paper")


class Detector(Protocol):
    """What pages, models and the pipeline rely on; see `fitting.BaseDetector` for shapes and errors."""

    name: str
    preset: str
    seed: int
    encoder_id: str | None
    loop_ids_: tuple[str, ...]
    scores_: NDArray[np.float64]
    split_: NDArray[np.str_]
    latents_: NDArray[np.float32]
    components_: Mapping[str, NDArray[np.float64]]
    reference_scores_: NDArray[np.float64]
    report_: FitReport

    def fit(
        self,
        X: object,
        loop_ids: Sequence[str] | None = None,
        encoder_id: str | None = None,
        on_epoch: EpochCallback = ignore_epoch,
        should_stop: StopCheck = never_stop,
    ) -> Self:
        """Learn what is normal."""

    def anomaly_scores(self, X: object, encoder_id: str | None = None) -> NDArray[np.float64]:
        """Scores of loops that were not trained on, (n,)."""

    def latents(self, X: object, encoder_id: str | None = None) -> NDArray[np.float32]:
        """Rows of the space that pictures show, (n, d)."""


@dataclass(frozen=True)
class DetectorInfo:
    """How a detector is presented: its title and one sentence on what its score is."""

    name: str
    title: str
    score: str


_INFO = (
    DetectorInfo(
        "AEwRES", "Residual autoencoder Deep SVDD", "distance to the centre of a residual autoencoder's latents"
    ),
    DetectorInfo("AE", "Autoencoder Deep SVDD", "distance to the centre of an autoencoder's latents"),
    DetectorInfo("isolation-forest", "Isolation Forest", "how few random cuts isolate a loop"),
    DetectorInfo("pca", "PCA reconstruction", "what principal components cannot rebuild"),
    DetectorInfo("knn", "Nearest neighbours", "distance to the five nearest loops"),
    DetectorInfo("mahalanobis", "Mahalanobis distance", "distance to the mean in units of the features' covariance"),
)
_REGISTRY: Mapping[tuple[str, str], Callable[..., BaseDetector]] = {
    **{(name, "robust"): RobustDetector for name in ("AE", "AEwRES")},
    **{(name, "paper"): PaperDetector for name in ("AE", "AEwRES")},
    **{(info.name, preset): BaselineDetector for info in _INFO[2:] for preset in PRESETS},
}


def detector_names() -> tuple[str, ...]:
    """Every detector, the recommended one first."""
    return tuple(info.name for info in _INFO)


def detector_info(name: str) -> DetectorInfo:
    """Title and meaning of a detector's score."""
    for info in _INFO:
        if info.name == name:
            return info
    raise DataError(f"There is no detector named {name!r}; choose one of {', '.join(detector_names())}.")


def make_detector(name: str, preset: str = "robust", seed: int = 0, **options: Any) -> BaseDetector:
    """An unfitted detector. `options` replace fields of the preset (`RobustPreset`, `PaperPreset`) or of the baseline.

    Raises DataError for an unknown name, preset or option.
    """
    detector_info(name)
    if (name, preset) not in _REGISTRY:
        raise DataError(f"There is no preset named {preset!r}; choose one of {', '.join(PRESETS)}.")
    try:
        return _REGISTRY[name, preset](name, preset, seed, **options)
    except TypeError as error:
        raise DataError(f"The detector {name} does not take these options ({error}); see its preset.") from error
