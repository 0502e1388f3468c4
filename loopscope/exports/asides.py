"""Files that were being removed when the process was killed, each in a hidden folder beside its name (`new_files`).

They get their names again. Conventions: nothing is overwritten and no content removed; what keeps its hidden place is
told with the reason.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from loopscope.errors import ExportError
from loopscope.exports.new_files import ASIDE_PREFIX, rename_to_free
from loopscope.files import display_name

MOMENT_S = 1.0  # who removes a file holds it aside for much less
NAMELESS = "It was being moved by an older version, and its name is not known; give it one."


def give_back(folders: Iterable[Path]) -> list[tuple[str, str]]:
    """Give what lies aside in these folders its name again. Returns path and reason of each that is left there.

    What somebody is removing at this moment is let alone: it is gone a moment later.
    """
    asides = [aside for folder in folders for aside in _asides(folder)]
    if asides:
        time.sleep(MOMENT_S)
    said = [(file, _reason_left(file, aside.parent)) for aside in asides for file in _held(aside)]
    for aside in asides:
        with suppress(OSError):  # not empty, or no folder
            aside.rmdir()
    return [(str(file), reason) for file, reason in said if reason]


def _asides(folder: Path) -> list[Path]:
    with suppress(OSError):  # gone, or nobody may look into it
        return sorted(path for path in folder.iterdir() if path.name.startswith(ASIDE_PREFIX))
    return []


def _held(aside: Path) -> list[Path]:
    """What lies in it; older versions gave the file itself the hidden name."""
    if aside.is_symlink():
        return []
    with suppress(OSError):  # gone by now, or nobody may look into it
        return sorted(aside.iterdir()) if aside.is_dir() else [aside][: aside.is_file()]
    return []


def _reason_left(file: Path, folder: Path) -> str:
    """Give one its name again, or say why not."""
    if file.parent == folder:
        return NAMELESS
    place = folder / file.name
    try:
        if not _is_same(file, place):
            rename_to_free(file, place)
        else:
            file.unlink()
    except ExportError:
        return f"It was being moved as {display_name(place)}, which is another file by now; give it another name."
    except OSError as error:
        return f"It was being moved as {display_name(place)} and cannot get that name back ({error.strerror})."
    return ""


def _is_same(file: Path, place: Path) -> bool:
    """Whether a file has both names; it loses nothing with one of them."""
    with suppress(FileNotFoundError):
        found = file.lstat()
        return found.st_nlink > 1 and os.path.samestat(found, place.lstat())
    return False
