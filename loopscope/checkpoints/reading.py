"""Named tensors out of checkpoint files, without running any code of theirs.

`torch.load(weights_only=True)` through a memory map where the file is a zip archive, so that tensors nobody asks for
(the text tower, the optimiser) never enter memory. What a file claims to hold is held against its size first.
"""

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from loopscope.checkpoints.published import Checkpoint
from loopscope.errors import WeightsError, first_line

# torch raises it but does not re-export it, and the unpickler's own module is never to be imported here.
_UnpicklingError: type[Exception] = torch.serialization.pickle.UnpicklingError  # type: ignore[attr-defined]

_KINDS = {
    getattr(torch, name) for name in ("float16", "bfloat16", "float32", "float64", "uint8", "int32", "int64", "bool")
}
_DAMAGES = (
    *(_UnpicklingError, SafetensorError, zipfile.BadZipFile, struct.error, EOFError, OSError, ValueError, LookupError),
    *(TypeError, AttributeError, ArithmeticError, RuntimeError, AssertionError, ImportError, MemoryError),
)


def read_encoder(checkpoint: Checkpoint, path: Path, opened: Path) -> dict[str, Tensor]:
    """The encoder's own tensors in the file at `path`, under the network's names.

    It is read by the path `opened`, which leads to the open file whatever lies at `path` by now
    (`user_files.path_to_open`). Raises `WeightsError` if they are not there.
    """
    tensors = _read_tensors(path, opened)
    for prefix in (checkpoint.prefix, checkpoint.prefix.removeprefix("module."), ""):
        chosen = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if checkpoint.signature.keys() <= chosen.keys():
            break
    for name, shape in checkpoint.signature.items():
        _expect_shape(checkpoint, path, name, shape, chosen.get(name))
    _expect_numbers(path, opened.stat().st_size, chosen)
    return chosen


def _expect_shape(checkpoint: Checkpoint, path: Path, name: str, shape: tuple[int, ...], tensor: Tensor | None) -> None:
    if tensor is None or tuple(tensor.shape) != shape:
        found = "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"
        raise WeightsError(
            f"{path} does not hold the weights of {checkpoint.encoder} ({name} is {found}, expected {shape}); "
            f"give {Path(checkpoint.filename).name}."
        )


def _expect_numbers(path: Path, n_bytes: int, tensors: Mapping[str, Tensor]) -> None:
    """Plain arrays of numbers that the file has room for: views may claim any size."""
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > n_bytes:
        raise WeightsError(f"{path} claims to hold more than it can; fetch it again.")
    for name, tensor in tensors.items():
        plain = tensor.layout is torch.strided and tensor.device.type == "cpu" and tensor.dtype in _KINDS
        if not plain or not name.isascii() or not torch.isfinite(tensor).all():
            raise WeightsError(f"{path} holds something else than numbers as {name!a:.100}; fetch it again.")


def _read_tensors(path: Path, opened: Path) -> Mapping[str, Tensor]:
    """All tensors of a file by their full names, in whatever wrapping the publisher saved them."""
    if path.suffix == ".safetensors":
        return read_safetensors(path, opened)
    loaded = _load_archive(path, opened)
    if isinstance(loaded, tuple) and loaded:
        loaded = loaded[0]
    if isinstance(loaded, Mapping):
        loaded = loaded.get("state_dict", loaded.get("model", loaded))
    if not isinstance(loaded, Mapping):
        raise WeightsError(f"{path} holds one {type(loaded).__name__} instead of named tensors; give another file.")
    return {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}


def read_safetensors(path: Path, opened: Path | None = None) -> dict[str, Tensor]:
    """All tensors of a safetensors file. Raises `WeightsError` if it is incomplete or something else."""
    try:
        return load_file(opened or path)
    except _DAMAGES as error:
        raise WeightsError(
            f"{path} is not a complete safetensors file ({first_line(error)}); fetch it again."
        ) from None


def _load_archive(path: Path, opened: Path) -> Any:
    try:
        is_zip = zipfile.is_zipfile(opened)
        if is_zip:
            _expect_stored(opened)
        with torch.serialization.safe_globals(_numpy_scalars()):
            return torch.load(opened, map_location="cpu", weights_only=True, mmap=is_zip)
    except _DAMAGES as error:
        raise WeightsError(
            f"{path} is not a complete PyTorch checkpoint of plain tensors ({first_line(error)}); fetch it again."
        ) from None


def _expect_stored(path: Path) -> None:
    """Raises ValueError for compressed parts, which PyTorch writes none of: a few bytes could fill the memory."""
    with zipfile.ZipFile(path) as archive:
        if any(part.file_size != part.compress_size for part in archive.infolist()):
            raise ValueError("its parts are compressed")


def _numpy_scalars() -> list[Any]:
    """What training scripts leave beside tensors: numpy scalars (a loss, an epoch), under old and new module names."""
    scalar = np.float64().__reduce__()[0]
    types = [type(np.dtype(code)) for code in "?bBhHiIlLqQefd"]
    return [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar"), np.dtype, *types]
