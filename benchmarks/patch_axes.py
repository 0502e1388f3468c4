"""Makes `loopscope/encoders/aisfx_axes.npz`, the axes of aiSFX's patches, of the demo library: python -m
benchmarks.patch_axes.

That library is the only sound whose every sample is loopscope's own. Axes learnt of the labelled loops themselves find
no more in these (docs/EXPERIMENTS.md).
"""

from loopscope.checkpoints import AISFX, load_weights
from loopscope.demo import make_demo_library
from loopscope.embeddings.embed import embed_library
from loopscope.encoders.aisfx import AXES, make
from loopscope.encoders.patches import Axes
from loopscope.library import scan_folder

N_VALUES = 48


def main() -> None:
    """Writes the file anew."""
    encoder = make(load_weights(AISFX), precision="float32", with_axes=False)
    heard = embed_library(scan_folder(make_demo_library()), encoder, with_patches=True).patches
    assert heard is not None
    Axes.learnt_from(heard.values, N_VALUES).write(AXES)


if __name__ == "__main__":
    main()
