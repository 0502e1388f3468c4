"""What files themselves say, read once and kept; their keys in our own notation, such as "F#m".

Programs write keys as "F#m", "Gb minor" or by Camelot's and Traktor's wheels ("11A", "4m").
"""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from loopscope import audio
from loopscope.audio.tags import FileTags, read_tags
from loopscope.store import Store
from loopscope.store.parsing import is_number
from loopscope.user_files import FilePath, UserFile

TAGS_VERSION = "tags-1"  # raise it whenever `audio.tags` would read something else in the same file
_KEY = re.compile(r"([A-G])(#|b|sharp|flat)?(m|min|minor|maj|major)?", re.IGNORECASE)
_WHEEL = re.compile(r"(\d{1,2})([ABMD])", re.IGNORECASE)
_ACCIDENTALS = {"#": "#", "sharp": "#", "b": "b", "flat": "b"}
_FIFTHS = ("C", "G", "D", "A", "E", "B", "F#", "C#", "Ab", "Eb", "Bb", "F")  # majors, upwards
_MINORS = ("A", "E", "B", "F#", "C#", "G#", "Eb", "Bb", "F", "C", "G", "D")  # their relatives
_CAMELOT_C = 8  # 8B is C major, 8A its relative A minor

Report = dict[str, Any]  # the fields of FileTags, as JSON holds them


def key_of(tags: FileTags) -> str | None:
    """The key as note, accidental and "m" for minor; None where it is written in no way that is known."""
    text = re.sub(r"[\s_\-]+", "", (tags.key or "").replace("♯", "#").replace("♭", "b"))
    if wheel := _WHEEL.fullmatch(text):
        return _on_wheel(int(wheel[1]), wheel[2].upper())
    found = _KEY.fullmatch(text)
    if found is None:
        return None
    mode = found[3] or ""
    is_minor = mode == "m" or mode.casefold() in ("min", "minor")  # a lone capital M is major
    return found[1].upper() + _ACCIDENTALS.get((found[2] or "").casefold(), "") + ("m" if is_minor else "")


def _on_wheel(hour: int, side: str) -> str | None:
    if not 1 <= hour <= 12:
        return None
    fifth = (hour - (_CAMELOT_C if side in "AB" else 1)) % 12
    return _FIFTHS[fifth] if side in "BD" else f"{_MINORS[fifth]}m"


def known_tags(loop_ids: "pd.Series[str]", store: Store) -> dict[str, FileTags]:
    """What was read before; opens no file."""
    found = store.get_reports("measurements", loop_ids, TAGS_VERSION, _is_report)
    return {loop_id: _tags(report) for loop_id, report in found.items()}


def files_of(table: pd.DataFrame, root: Path | None) -> dict[str, UserFile]:
    """One file of each loop in `table` (loop_id, path), by loop_id."""
    unique, top = table.drop_duplicates("loop_id"), None if root is None else str(root)
    return {loop_id: UserFile(path, top) for loop_id, path in zip(unique["loop_id"], unique["path"], strict=True)}


def tags_report(path: FilePath) -> Report:
    """What the store keeps of a file's tags. Raises AudioError if it cannot be read."""
    return vars(read_tags(path, audio.probe(path)))


def _tags(report: Report) -> FileTags:
    loop = report["loop_s"]
    return FileTags(**report | {"loop_s": None if loop is None else (loop[0], loop[1])})


def _is_report(found: Any) -> bool:
    """Whether something read from the store is what `tags_report` makes."""
    if not isinstance(found, dict) or found.keys() != FileTags.__dataclass_fields__.keys():
        return False
    numbers = (found["bpm"], found["root_note"])
    loop, key = found["loop_s"], found["key"]
    is_loop = loop is None or (isinstance(loop, list | tuple) and len(loop) == 2 and all(map(is_number, loop)))
    is_key = key is None or isinstance(key, str)
    return is_key and is_loop and all(number is None or is_number(number) for number in numbers)
