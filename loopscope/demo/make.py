"""Write the demo library: complete or absent.

Takes are rendered into a hidden folder beside the target, which is renamed when everything is there. A hidden file
names the version and the seed; while it matches, the library is used as it stands. A folder without it is never
touched.
"""

import csv
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import soundfile

from loopscope.config import paths
from loopscope.demo.catalogue import Take, plan_takes
from loopscope.demo.render import render_take
from loopscope.errors import Cancelled, LibraryError
from loopscope.files import flush, remove_folder, unfinished_folder
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop

VERSION = 2  # raise with every change of what is rendered or written
MANIFEST = ".loopscope-demo.json"
LABELS = "labels.csv"
LABEL_COLUMNS = ("path", "instrument", "label", "category", "bpm", "key", "duration_s")
STAGE = "Synthesising"
THREADS = 2


def make_demo_library(
    folder: str | os.PathLike[str] | None = None,
    seed: int = 0,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> Path:
    """The folder of the demo library (default: in the cache folder), made now if it is not yet there.

    It holds loops in Bass/<style> and Guitar/<style> and `labels.csv` (path, instrument, label normal or anomaly,
    category of the anomaly, bpm, key, duration_s). Raises LibraryError if it cannot be written or if the folder holds
    something else, Cancelled if told to stop; neither leaves anything behind.
    """
    target = Path(folder).expanduser() if folder is not None else paths().demo
    takes = plan_takes(seed)
    if _is_complete(target, seed, takes):
        return target
    if target.exists() and not (target / MANIFEST).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise LibraryError(f"The folder {target} holds something else; choose a new folder for the demo library.")
    try:
        with unfinished_folder(target.parent) as part:
            _write_takes(part, seed, takes, on_progress, should_stop)
            _write_labels(part / LABELS, takes)
            (part / MANIFEST).write_text(json.dumps({"version": VERSION, "seed": seed}), encoding="utf-8")
            flush(part)
            _put_in_place(part, target, seed, takes)
    except (OSError, soundfile.SoundFileError) as error:
        raise LibraryError(f"The demo library cannot be written to {target} ({error}); free some space.") from error
    return target


def _write_takes(
    part: Path, seed: int, takes: Sequence[Take], on_progress: ProgressCallback, should_stop: StopCheck
) -> None:
    for parent in {(part / take.path).parent for take in takes}:
        parent.mkdir(parents=True)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="demo") as threads:
        waiting = [threads.submit(_write_take, part, take, seed) for take in takes]
        for done, future in enumerate(waiting, start=1):
            future.result()
            on_progress(Progress(STAGE, done, len(takes), unit="loops"))
            if should_stop():
                threads.shutdown(cancel_futures=True)
                raise Cancelled("The demo library was stopped before it was complete; nothing was kept.")


def _write_take(part: Path, take: Take, seed: int) -> None:
    samples = render_take(take, seed)
    soundfile.write(str(part / take.path), samples.T, take.sample_rate, subtype=take.subtype)


def _write_labels(path: Path, takes: Sequence[Take]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(LABEL_COLUMNS)
        for take in takes:
            label = "anomaly" if take.oddity else "normal"
            duration_s = f"{take.n_samples / take.sample_rate:.4f}"
            writer.writerow([take.path, take.instrument.lower(), label, take.oddity, take.bpm, take.key, duration_s])


def _is_complete(target: Path, seed: int, takes: Sequence[Take]) -> bool:
    """Whether the manifest is ours and every file is still there."""
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if manifest != {"version": VERSION, "seed": seed}:
        return False
    return (target / LABELS).is_file() and all((target / take.path).is_file() for take in takes)


def _put_in_place(part: Path, target: Path, seed: int, takes: Sequence[Take]) -> None:
    """Rename the finished folder to its name; an older demo library there makes room first."""
    if target.exists():
        remove_folder(target)
    try:
        part.rename(target)
    except OSError:
        if not _is_complete(target, seed, takes):  # else another process was faster
            raise
