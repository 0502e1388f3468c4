"""Encoders: frozen networks that turn a waveform into one embedding, all behind one protocol.

Conventions: a waveform is (n_samples,) float32 mono at the encoder's own sample rate, full scale ±1; embeddings are
(n, n_features) float32, one row per waveform in the order given, not normalised. `encoder_id` names everything that
the numbers depend on (encoder, version of the front end, weights, and the precision where it shows), so that
embeddings of two encoders are never mixed. A new encoder is one module with a loading function and one line of
`catalogue.ENCODERS`, or a package of its own with an entry point (see `catalogue`).

Patches are what an early layer of a network hears in each tenth of a second, beside the one embedding of the whole:
(n_patches, n_values) float16 of a clip, in the order of time; patch i begins at i · patch_seconds, and a clip shorter
than that has one. They lie along axes that belong to the encoder, not to a library: the same sound has the same patches
wherever it is. `patch_id` names all that they depend on, so that patches of two makers are never mixed.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from loopscope.defects import Defect, attempt
from loopscope.encoders.catalogue import AUTO, ENCODERS, EncoderInfo, known_encoders
from loopscope.errors import EncoderError, WeightsError
from loopscope.late import importing
from loopscope.progress import ProgressCallback, ignore_progress

if TYPE_CHECKING:
    from torch import Tensor

PREFERRED, OFFLINE = "clap-fusion", "aisfx"

Samples = NDArray[np.float32]
Patches = NDArray[np.float16]


class Encoder(Protocol):
    """What the rest of loopscope knows of an encoder.

    `sample_rate` in Hz; `description` is one sentence for the user; `notice` another, about a fall-back, else empty.
    """

    encoder_id: str
    sample_rate: int
    n_features: int
    description: str
    notice: str

    def embed(self, waveforms: Sequence[Samples]) -> Samples:
        """(n, n_features) of n waveforms of any lengths. Raises `EncoderError` on an empty or non-finite one."""
        ...


@runtime_checkable
class StagedEncoder(Encoder, Protocol):
    """An encoder whose work divides into a part for many threads (`prepare`) and one for the network (`forward`)."""

    batch_size: int

    def prepare(self, pieces: Iterable[Samples], n_samples: int) -> "Tensor":
        """What the network needs of one clip of `n_samples` that arrives in pieces; small, however long the clip is."""
        ...

    def forward(self, features: Sequence["Tensor"]) -> Samples:
        """(n, n_features) of n clips that went through `prepare`."""
        ...


@runtime_checkable
class PatchMaker(Protocol):
    """What hears inside a clip; `prepare` as in `StagedEncoder`."""

    sample_rate: int
    patch_id: str
    patch_seconds: float
    n_patch_values: int

    def prepare(self, pieces: Iterable[Samples], n_samples: int) -> "Tensor":
        """What the network needs of one clip."""
        ...

    def listen(self, features: Sequence["Tensor"]) -> list[Patches]:
        """The patches of clips that went through `prepare`; neither company nor order changes them."""
        ...


@runtime_checkable
class PatchEncoder(StagedEncoder, Protocol):
    """An encoder that gives patches beside its embeddings.

    They are its own, made in the same pass of the network, or those of its `companion`, which then reads each clip too:
    features are pairs of what the two prepared.
    """

    companion: PatchMaker | None
    patch_id: str
    patch_seconds: float
    n_patch_values: int

    def hear(self, features: Sequence[Any]) -> tuple[Samples, list[Patches]]:
        """Embeddings (n, n_features), those of `forward`, and the patches of each clip."""
        ...

    def patches(self, waveform: Samples) -> tuple[Patches, float]:
        """The patches of one waveform (n_samples,) at `sample_rate`, and the seconds from one to the next."""
        ...


def encoder_info(name: str) -> EncoderInfo:
    """What is known of an encoder. Raises `EncoderError` for an unknown name."""
    own = {info.name: info for info in ENCODERS}  # without a look at other packages
    found = own.get(name) or next((info for info in known_encoders() if info.name == name), None)
    if found is not None:
        return found
    known = ", ".join(info.name for info in known_encoders())
    raise EncoderError(f'There is no encoder "{name}"; choose one of {AUTO}, {known}.')


def load_encoder(
    name: str = AUTO, weights_file: str | Path | None = None, on_progress: ProgressCallback = ignore_progress
) -> Encoder:
    """The encoder of that name, its weights fetched if need be.

    "auto" takes CLAP with fusion when its weights are at hand, else aiSFX, whose `notice` then says so: nobody asked
    for a download of gigabytes. Raises `EncoderError` for an unknown name, `WeightsError` when weights cannot be had.
    """
    if name == AUTO:
        return _load_best(on_progress) if weights_file is None else _load(PREFERRED, weights_file, on_progress)
    return _load(name, weights_file, on_progress)


def hearing_inside(encoder: Encoder) -> PatchEncoder:
    """The encoder with patches beside its embeddings: its own where it makes any, else those of aiSFX.

    Raises `EncoderError` for an encoder that does not work in stages, `WeightsError` where aiSFX cannot be had.
    """
    if isinstance(encoder, PatchEncoder):
        return encoder
    if not isinstance(encoder, StagedEncoder):
        raise EncoderError(
            f"The encoder {encoder.encoder_id} makes no patches; choose aisfx or a detector without them."
        )
    companion = _load(OFFLINE, None, ignore_progress)
    assert isinstance(companion, PatchMaker)
    with importing:
        module = import_module("loopscope.encoders.companion")
    both: PatchEncoder = module.WithCompanion(encoder, companion)
    return both


def _load_best(on_progress: ProgressCallback) -> Encoder:
    try:
        with importing:
            import_module("loopscope.encoders.htsat").package_folder()
        if encoder_info(PREFERRED).ready:
            return _load(PREFERRED, None, on_progress)
        reason = (
            f"Its weights are not here; the Embed page or python -m loopscope.checkpoints {PREFERRED} fetches them."
        )
    except (EncoderError, WeightsError) as error:
        reason = str(error)
    encoder = _load(OFFLINE, None, on_progress)
    encoder.notice = f"Embedded with aiSFX, a smaller encoder that works offline, because CLAP cannot be had: {reason}"
    return encoder


def _load(name: str, weights_file: str | Path | None, on_progress: ProgressCallback) -> Encoder:
    info = encoder_info(name)
    if info in ENCODERS:
        return _loaded(info, weights_file, on_progress)
    encoder = attempt(f"loading the encoder {name}", lambda: _loaded(info, weights_file, on_progress))
    if isinstance(encoder, Defect):
        raise EncoderError(f"The encoder {name} cannot be loaded ({encoder.reason}); update or remove its package.")
    called = getattr(encoder, "encoder_id", None)
    if not isinstance(called, str) or not called.startswith(f"{name}-"):
        raise EncoderError(
            f"The encoder {name} calls itself {called!a:.80}, which must begin with {name}-; update or remove its "
            "package."
        )
    return encoder


def _loaded(info: EncoderInfo, weights_file: str | Path | None, on_progress: ProgressCallback) -> Encoder:
    module, _, function = info.loader.partition(":")
    with importing:
        found = import_module(module)
    encoder: Encoder = getattr(found, function)(weights_file, on_progress)
    return encoder
