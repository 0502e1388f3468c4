"""What a deep score is made of."""

from enum import StrEnum


class ScorePart(StrEnum):
    """Keys of `components_`; the values stand in saved models."""

    DISTANCE = "distance"  # of the latent to the centre
    RECONSTRUCTION = "reconstruction"  # error of the autoencoder
    DENSITY = "local density"  # of z-scored features
    DECORRELATED_DENSITY = "decorrelated density"  # of the same after half whitening


DEEP_PARTS = (ScorePart.DISTANCE, ScorePart.RECONSTRUCTION)  # in the order of arrays with an axis of parts
DENSITY_PARTS = (ScorePart.DENSITY, ScorePart.DECORRELATED_DENSITY)
