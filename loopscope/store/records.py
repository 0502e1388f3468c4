"""The rows of the store as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

MarkName = Literal["keep", "quarantine", "love"]
MARK_NAMES: tuple[str, ...] = get_args(MarkName)


class FileKey(NamedTuple):
    """A file as it was: absolute path, size in bytes, modification time in ns. Another size or time is another file."""

    path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class FileRow:
    """What an inspection found: the header and `loop_id`, or the `reason` for which the file is left out.

    `reader` names the code that looked (our version and libsndfile's): another reader looks again.
    """

    reader: str
    loop_id: str = ""
    duration_s: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    format: str = ""
    subtype: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Mark:
    """A triage decision: `mark` is keep, quarantine, love or None; `updated_at` is seconds since the epoch."""

    mark: str | None
    note: str
    updated_at: float


@dataclass(frozen=True)
class Correction:
    """What a user says of a loop: `bpm` in beats per minute, `key` such as "F#m"; None where nothing is said."""

    bpm: float | None = None
    key: str | None = None


@dataclass(frozen=True)
class ProjectRow:
    """A folder that was analysed, as it is remembered: `state` is what its owner did there, anything JSON can hold.

    `owner` is "local" for whoever sits at this machine, else an unguessable key of one browser; `opened_at` is seconds
    since the epoch.
    """

    project_id: str
    owner: str
    folder: str
    name: str
    opened_at: float
    state: Mapping[str, Any] = field(default_factory=dict)
