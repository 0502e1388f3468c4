"""Dasheng-base (Xiaomi), a transformer trained on 272,000 hours of sound of every kind, as an encoder of loopscope.

`pip install ./plugins/dasheng` beside loopscope; it is also the example for those who bring an encoder of their own.
Here is what loopscope lists it by, which is read wherever encoders are chosen: PyTorch is imported by `network`, when
the encoder is loaded.
"""

from loopscope.checkpoints import Checkpoint
from loopscope.encoders.catalogue import EncoderInfo

NAME = "dasheng-base"
WIDTH, N_MELS, PATCH_FRAMES = 768, 64, 4

CHECKPOINT = Checkpoint(
    encoder=NAME,
    filename="model.safetensors",
    prefix="encoder.",
    signature={"patch_embed.proj.weight": (WIDTH, 1, N_MELS, PATCH_FRAMES), "norm.weight": (WIDTH,)},
    repository="mispeech/dasheng-base",
    gigabytes=0.35,
)
INFO = EncoderInfo(
    NAME,
    "Dasheng-base (sound of every kind)",
    WIDTH,
    "Apache-2.0, Xiaomi",
    "loopscope_dasheng.network:load",
    CHECKPOINT,
)
