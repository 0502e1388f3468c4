"""Where encoder weights come from, and how they are kept.

Every encoder's weights end as one safetensors file, `config.paths().weights / "<encoder>.safetensors"`: only the
tensors the encoder needs, under the names its network uses. aiSFX (Ma and Lerch, ISMIR 2022, CC BY 4.0) travels inside
a wheel of the package index and is taken out of it; CLAP (Wu et al., ICASSP 2023) is on the Hugging Face hub, on a
mirror of it, or in a file the user names. `python -m loopscope.checkpoints aisfx` fetches from the command line.
"""

from loopscope.checkpoints.fetching import MIRROR_VARIABLE, fetch, is_ready, load_weights, was_verified
from loopscope.checkpoints.published import AISFX, CHECKPOINTS, CLAP_FUSION, CLAP_MUSIC, Checkpoint

__all__ = [
    "AISFX",
    "CHECKPOINTS",
    "CLAP_FUSION",
    "CLAP_MUSIC",
    "MIRROR_VARIABLE",
    "Checkpoint",
    "fetch",
    "is_ready",
    "load_weights",
    "was_verified",
]
