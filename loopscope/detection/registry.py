"""The one door to every detector: `make_detector(name, preset, seed)`.

Conventions: X is (n_loops, n_features) float32; scores are (n_loops,) float64, higher = more anomalous. A new detector
is one file with a class that derives from `base.BaseDetector`, and one line in `DETECTORS`; it is imported when it is
first made, since most need a large library.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from loopscope.detection.base import BaseDetector
from loopscope.errors import DataError
from loopscope.late import importing

ROBUST, PAPER = "robust", "paper"
LOCAL = "local"  # of deep detectors: hears inside the loops, so it needs their patches
Maker = Callable[..., BaseDetector]  # (name, preset, seed, **options)


@dataclass(frozen=True)
class DetectorInfo:
    """A detector by name: its title, what its score is in one phrase, and how to make it for each preset it has.

    The recommended preset is the first. `is_deep`: it trains networks, epoch by epoch.
    """

    name: str
    title: str
    score: str
    is_deep: bool
    presets: Mapping[str, Maker]


def _robust(residual: bool, *named: Any, **options: Any) -> BaseDetector:
    with importing:
        from loopscope.detection.robust_detector import RobustDetector
    return RobustDetector(residual, *named, **options)


def _local(residual: bool, *named: Any, **options: Any) -> BaseDetector:
    with importing:
        from loopscope.detection.local_detector import LocalDetector
    return LocalDetector(residual, *named, **options)


def _paper(residual: bool, *named: Any, **options: Any) -> BaseDetector:
    with importing:
        from loopscope.detection.paper_detector import PaperDetector
    return PaperDetector(residual, *named, **options)


def _from_scikit_learn(learn: str, *named: Any, **options: Any) -> BaseDetector:
    with importing:
        from loopscope.detection import baselines
    return baselines.BaselineDetector(getattr(baselines, learn), *named, **options)


def _deep(name: str, title: str, score: str, residual: bool) -> DetectorInfo:
    presets = {LOCAL: partial(_local, residual), ROBUST: partial(_robust, residual), PAPER: partial(_paper, residual)}
    return DetectorInfo(name, title, score, True, presets)


def _baseline(name: str, title: str, score: str, learn: str) -> DetectorInfo:
    """`learn`: a function of `detection.baselines`."""
    return DetectorInfo(name, title, score, False, dict.fromkeys((ROBUST, PAPER), partial(_from_scikit_learn, learn)))


DETECTORS = (
    _deep(
        "AEwRES", "Residual autoencoder Deep SVDD", "distance to the centre of a residual autoencoder's latents", True
    ),
    _deep("AE", "Autoencoder Deep SVDD", "distance to the centre of an autoencoder's latents", False),
    _baseline("isolation-forest", "Isolation Forest", "how few random cuts isolate a loop", "isolation_forest"),
    _baseline("pca", "PCA reconstruction", "what principal components cannot rebuild", "pca_reconstruction"),
    _baseline("knn", "Nearest neighbours", "distance to the five nearest loops", "neighbour_distance"),
    _baseline(
        "mahalanobis",
        "Mahalanobis distance",
        "distance to the mean in units of the features' covariance",
        "mahalanobis_distance",
    ),
)


def detector_names() -> tuple[str, ...]:
    """Every detector, the recommended one first."""
    return tuple(info.name for info in DETECTORS)


def detector_info(name: str) -> DetectorInfo:
    """What is known of a detector. Raises DataError for an unknown name."""
    for info in DETECTORS:
        if info.name == name:
            return info
    raise DataError(f"There is no detector named {name!r}; choose one of {', '.join(detector_names())}.")


def recommended_preset(name: str) -> str:
    """The preset to take where nobody asks for another. Raises DataError for an unknown name."""
    return next(iter(detector_info(name).presets))


def make_detector(name: str, preset: str = ROBUST, seed: int = 0, **options: Any) -> BaseDetector:
    """An unfitted detector; where no `preset` is named it needs nothing but embeddings.

    `options` replace fields of the preset (`LinearPreset`, `RobustPreset`, `PaperPreset`) or of the baseline.
    Raises DataError for an unknown name, preset or option.
    """
    presets = detector_info(name).presets
    if preset not in presets:
        raise DataError(f"There is no preset named {preset!r}; choose one of {', '.join(presets)}.")
    try:
        return presets[preset](name, preset, seed, **options)
    except TypeError as error:
        raise DataError(f"The detector {name} does not take these options ({error}); see its preset.") from error
