"""The encoders one can choose: those of loopscope, and those of other packages that are installed here.

A package brings an encoder by an entry point of the group `loopscope.encoders` that names an `EncoderInfo` of its own.
`encoders.conformance` says whether the encoder keeps the contract.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from loopscope import checkpoints
from loopscope.defects import Defect, attempt
from loopscope.errors import LoopscopeError, first_line
from loopscope.late import importing

AUTO = "auto"
GROUP = "loopscope.encoders"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")  # it begins encoder ids, which are kept for years


@dataclass(frozen=True)
class EncoderInfo:
    """An encoder one can choose. `loader` is "package.module:function", which takes (weights_file, on_progress).

    `checkpoint`: a plug-in's published weights, where it has them fetched by `checkpoints.load_weights`.
    """

    name: str
    title: str
    n_features: int
    licence: str
    loader: str
    checkpoint: checkpoints.Checkpoint | None = field(default=None, compare=False)

    @property
    def ready(self) -> bool:
        """Whether its weights are on this machine, or none that we know of are to be fetched."""
        checkpoint = checkpoints.CHECKPOINTS.get(self.name, self.checkpoint)
        return checkpoint is None or checkpoints.is_ready(checkpoint)


@dataclass(frozen=True)
class Plugins:
    """What other packages bring: encoders, and one sentence for each that cannot be used."""

    encoders: tuple[EncoderInfo, ...]
    refused: tuple[str, ...]


_CLAP_LICENCE = "laion-clap CC0 1.0; the weights as their hub page says"
ENCODERS = (
    EncoderInfo(
        "clap-fusion",
        "CLAP with feature fusion (HTSAT-tiny, any sound)",
        768,
        _CLAP_LICENCE,
        "loopscope.encoders.clap:load_fusion",
    ),
    EncoderInfo("clap-music", "CLAP for music (HTSAT-base)", 1024, _CLAP_LICENCE, "loopscope.encoders.clap:load_music"),
    EncoderInfo(
        "aisfx",
        "aiSFX (sound effects, works offline)",
        512,
        "CC BY 4.0, Ma and Lerch 2022",
        "loopscope.encoders.aisfx:load",
    ),
)


def known_encoders() -> tuple[EncoderInfo, ...]:
    """All that can be chosen, our own first."""
    return (*ENCODERS, *plugins().encoders)


@lru_cache(maxsize=1)
def plugins() -> Plugins:
    """What is installed here, looked up once; a package that does not keep to the rules costs nobody else anything."""
    found: dict[str, EncoderInfo] = {}
    refused = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        info = _info_of(entry, {AUTO, *found, *(own.name for own in ENCODERS)})
        if isinstance(info, EncoderInfo):
            found[info.name] = info
        else:
            package = entry.dist.name if entry.dist is not None else entry.value
            refused.append(f"The encoder {entry.name!a} of the package {package} cannot be used: {info}.")
    return Plugins(tuple(found.values()), tuple(refused))


def _info_of(entry: EntryPoint, taken: set[str]) -> EncoderInfo | str:
    """What the entry point names, or why that is no encoder for us."""
    try:
        with importing:
            info = attempt("finding an encoder", entry.load)
    except (LoopscopeError, SystemExit) as error:  # what else passes `attempt`
        return f"{type(error).__name__}, {first_line(error)}"
    if isinstance(info, Defect):
        return info.reason
    if not isinstance(info, EncoderInfo):
        return f"{entry.value} is a {type(info).__name__}, not an EncoderInfo"
    return _breach_in(info, entry.name, taken) or info


def _breach_in(info: EncoderInfo, name: str, taken: set[str]) -> str:
    """Which rule these fields do not keep, or ""."""
    texts = (info.name, info.title, info.licence, info.loader)
    if not all(isinstance(text, str) for text in texts) or not isinstance(info.n_features, int):
        return "a field of its EncoderInfo is of another type than it must be"
    if not isinstance(info.checkpoint, checkpoints.Checkpoint | None):
        return "its checkpoint is of another type than it must be"
    if info.name != name or not _NAME.fullmatch(info.name):
        return "its name must be that of its entry point, in small letters, digits, dots and hyphens"
    return "another encoder has this name" if info.name in taken else ""
