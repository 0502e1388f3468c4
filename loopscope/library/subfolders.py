"""The sub-folders of a folder with the number of audio files below each, for a folder browser.

Counting stops at a number and at a time, whatever the folder holds: a home folder is listed as fast as a sample pack.
"""

import os
import time
from pathlib import Path

import pandas as pd

from loopscope.errors import LibraryError
from loopscope.library.walk import is_passed_over, walk

COUNT_LIMIT = 1000
SECONDS = 1.0


def list_subfolders(
    folder: str | os.PathLike[str], count_limit: int = COUNT_LIMIT, seconds: float = SECONDS
) -> pd.DataFrame:
    """The visible sub-folders, by name in any case; links are left out, as a scan does not follow them.

    Columns: name, path (object), n_audio_files (a lower bound where `is_partial`), is_partial, count (text such as
    "12" or "1,000+"). Counting gives up after `seconds` in all. Raises LibraryError if the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = [
                entry for entry in entries if entry.is_dir(follow_symlinks=False) and not is_passed_over(entry.name)
            ]
    except (OSError, ValueError) as error:
        raise LibraryError(f"The folder {os.fspath(folder)!r} cannot be read ({error}); choose another one.") from error
    found.sort(key=lambda entry: (entry.name.casefold(), os.fsencode(entry.name)))
    end = time.monotonic() + seconds
    counts = []
    for position, entry in enumerate(found):
        now = time.monotonic()
        counts.append(_count(Path(entry.path), count_limit, now + max(0.0, end - now) / (len(found) - position)))
    return pd.DataFrame(
        {
            "name": pd.Series([entry.name for entry in found], dtype="object"),
            "path": pd.Series([entry.path for entry in found], dtype="object"),
            "n_audio_files": pd.Series([number for number, _ in counts], dtype="int64"),
            "is_partial": pd.Series([partial for _, partial in counts], dtype="bool"),
            "count": pd.Series(
                [f"{number:,}+" if partial else f"{number:,}" for number, partial in counts], dtype="str"
            ),
        }
    )


def _count(folder: Path, limit: int, end: float) -> tuple[int, bool]:
    """(audio files found, whether the counting was cut off)."""
    number = 0
    for file in walk(folder, should_stop=lambda: time.monotonic() > end):
        number += not file.reason
        if number >= limit:
            return number, True
    return number, time.monotonic() > end
