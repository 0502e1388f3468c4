"""What a deep score is made of."""

from enum import StrEnum


class ScorePart(StrEnum):
    """Keys of `components_`; the values stand in saved models."""

    DISTANCE = "distance"  # of the latent to the centre
    RECONSTRUCTION = "reconstruction"  # error of the autoencoder
    DENSITY = "local density"  # of z-scored features
    DECORRELATED_DENSITY = "decorrelated density"  # of the same after half whitening
    PATCH_DISTANCE = "patches of other loops"  # distance of the oddest moments to any moment of other loops
    PATCH_SPHERE = "patch sphere"  # of the same moments' latents to the centre
    PATCH_RECONSTRUCTION = "patch reconstruction"  # error of their autoencoder, and what lies outside of its input
    OWN_MOMENTS = "own other moments"  # how far a stretch is from the rest of its loop, and how odd it is beside that


DEEP_PARTS = (ScorePart.DISTANCE, ScorePart.RECONSTRUCTION)  # in the order of arrays with an axis of parts
DENSITY_PARTS = (ScorePart.DENSITY, ScorePart.DECORRELATED_DENSITY)
DEEP_PATCH_PARTS = (ScorePart.PATCH_SPHERE, ScorePart.PATCH_RECONSTRUCTION)
PATCH_PARTS = (ScorePart.PATCH_DISTANCE, *DEEP_PATCH_PARTS)
