"""Makes aisfx.json: embeddings of synthesised clips by a path of its own, from the published checkpoint.

Spectrogram by librosa, as in the package's own `spectrogram_librosa.py`; blocks and scaling as in its
`preprocessing.py`; the network written out with torch functionals over the tensors of the wheel. Run by hand, after
reading why a value changed:
    python -m tests.golden.make_aisfx path/to/aisfx-0.1.2-py2.py3-none-any.whl
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import librosa
import numpy as np
import torch
from torch.nn import functional

from tests.golden.clips import plucked

SAMPLE_RATE = 44_100
DURATIONS_S = (0.4, 2.4, 4.7, 11.3)
GOLDEN = Path(__file__).with_name("aisfx.json")


def spectrogram(samples: np.ndarray) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=samples / np.abs(samples).max(),
        sr=SAMPLE_RATE,
        n_fft=2048,
        hop_length=1024,
        n_mels=96,
        htk=True,
        norm=1.0,
        fmin=0.0,
        fmax=22050.0,
    )
    return np.log10(power.T * 10000.0 + 1) / 9.457798957824707


def blocks(frames: np.ndarray) -> np.ndarray:
    n_blocks = max(1, (len(frames) - 100) // 50 + 1)
    padded = np.vstack([frames, np.zeros((100, 96))])
    return np.stack([padded[50 * i : 50 * i + 100] for i in range(n_blocks)])


def network(views: torch.Tensor, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    x = views[:, None]
    for block, pool in ((1, 2), (2, 2), (3, 2), (4, 1)):
        for layer in (1, 2):
            name = f"embedding_net.conv_block{block}"
            x = functional.conv2d(x, tensors[f"{name}.conv{layer}.weight"].double(), padding=1)
            norm = {key: tensors[f"{name}.bn{layer}.{key}"].double() for key in ("weight", "bias")}
            mean, variance = (tensors[f"{name}.bn{layer}.running_{key}"].double() for key in ("mean", "var"))
            x = functional.batch_norm(x, mean, variance, norm["weight"], norm["bias"]).relu()
        x = functional.max_pool2d(x, pool)
    return x.mean(dim=3).amax(dim=2)


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        checkpoint = io.BytesIO(archive.read("aisfx/models/checkpoint.pth"))
    scalar = [np.core.multiarray.scalar, np.dtype, type(np.dtype("float64")), type(np.dtype("int64"))]
    with torch.serialization.safe_globals(scalar):
        tensors, _ = torch.load(checkpoint, map_location="cpu", weights_only=True)
    golden = {}
    for duration_s in DURATIONS_S:
        views = torch.from_numpy(blocks(spectrogram(plucked(duration_s, SAMPLE_RATE)))).double()
        golden[str(duration_s)] = [round(float(value), 5) for value in network(views, tensors).amax(0)]
    GOLDEN.write_text(json.dumps(golden) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
