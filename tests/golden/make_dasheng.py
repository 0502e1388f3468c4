"""Makes dasheng.json: embeddings of synthesised clips by the package dasheng's own code, of random weights.

Run by hand, after reading why a value changed, where `pip install dasheng==0.0.9` works (it brings torchaudio):
    python -m tests.golden.make_dasheng
"""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from tests.golden.clips import plucked

SAMPLE_RATE = 16_000
DURATIONS_S = (0.1, 1.013, 10.07, 23.4)  # 10.07 s are 1008 frames: one window to the frame
SIZE = {"embed_dim": 48, "depth": 3, "num_heads": 3}
GOLDEN = Path(__file__).with_name("dasheng.json")


def random_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The same on every machine, each tensor by its name; variances are positive, counters and filters left out."""
    made = {}
    for name in sorted(shapes):
        if name.startswith("front_end.") or name.endswith("num_batches_tracked"):
            continue
        values = np.random.default_rng(list(name.encode())).standard_normal(shapes[name])
        scale = {"running_var": 900.0, "running_mean": 30.0}.get(name.split(".")[-1], 0.2)
        made[name] = torch.from_numpy((scale * (np.abs(values) + 0.5 if "var" in name else values)).astype(np.float32))
    return made


def main() -> None:
    """Writes the file."""
    network = import_module("dasheng.pretrained.pretrained").Dasheng(**SIZE).eval()  # no requirement of the tests
    tensors = random_weights({name: tuple(value.shape) for name, value in network.state_dict().items()})
    network.load_state_dict(tensors, strict=False)
    with torch.inference_mode():
        clips = [torch.from_numpy(plucked(seconds, SAMPLE_RATE))[None] for seconds in DURATIONS_S]
        rows = [network(clip).mean(1)[0].tolist() for clip in clips]
    GOLDEN.write_text(json.dumps({"durations_s": DURATIONS_S, "embeddings": np.round(rows, 6).tolist()}) + "\n")


if __name__ == "__main__":
    main()
