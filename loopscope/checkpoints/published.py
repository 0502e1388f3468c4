"""The published weights loopscope knows: where they are, how they are told apart, what is kept of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loopscope import config


@dataclass(frozen=True)
class Checkpoint:
    """The published weights of one encoder.

    `prefix` starts the names of the tensors that are kept, and is cut off. `signature` maps names to shapes that tell
    these weights from those of a sibling model. They are either `filename` of a hub's `repository`, or `filename`
    inside the wheel of `requirement`; digests are sha256 in hexadecimal, empty where the publisher gives none: then the
    one that the hub names with the file holds. `gigabytes` is what a download takes, about.
    """

    encoder: str
    filename: str
    prefix: str
    signature: Mapping[str, tuple[int, ...]]
    sha256: str = ""
    repository: str = ""
    requirement: str = ""
    wheel_sha256: str = ""
    gigabytes: float = 0.0

    @property
    def stored(self) -> Path:
        """Where the converted weights are kept."""
        return config.paths().weights / f"{self.encoder}.safetensors"

    @property
    def source(self) -> str:
        """Where they are published, for messages."""
        return f"the Hugging Face hub ({self.repository})" if self.repository else f"the package {self.requirement}"


AISFX = Checkpoint(
    encoder="aisfx",
    filename="aisfx/models/checkpoint.pth",
    prefix="embedding_net.",
    signature={"conv_block1.conv1.weight": (64, 1, 3, 3), "conv_block4.conv2.weight": (512, 512, 3, 3)},
    sha256="499ea75909c932a2f94c35fa722fa4fabc5bcb7e84917209cc5f7402627b7eb5",
    requirement="aisfx==0.1.2",
    wheel_sha256="bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194",
)
CLAP_FUSION = Checkpoint(
    encoder="clap-fusion",
    filename="630k-audioset-fusion-best.pt",
    prefix="module.audio_branch.",
    signature={
        "patch_embed.proj.weight": (96, 1, 4, 4),
        "patch_embed.mel_conv2d.weight": (96, 1, 4, 12),
        "norm.weight": (768,),
    },
    repository="lukewys/laion_clap",
    gigabytes=1.9,
)
CLAP_MUSIC = Checkpoint(
    encoder="clap-music",
    filename="music_audioset_epoch_15_esc_90.14.pt",
    prefix="module.audio_branch.",
    signature={
        "patch_embed.proj.weight": (128, 1, 4, 4),
        "logmel_extractor.melW": (513, 64),
        "norm.weight": (1024,),
    },
    repository="lukewys/laion_clap",
    gigabytes=2.4,
)
CHECKPOINTS: Mapping[str, Checkpoint] = {item.encoder: item for item in (AISFX, CLAP_FUSION, CLAP_MUSIC)}
