"""What became of a folder since it was last seen: files that are new, changed, gone, or lie elsewhere by now.

Files are told apart by their path, sounds by their content (`loop_id`). Paths are str that may hold the surrogates of
invalid UTF-8, so they go through dictionaries and lists and never through a table's text columns.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from loopscope.library.tables import Library
from loopscope.library.walk import is_audio_name, is_passed_over

NOTHING_NEW = "nothing new"


@dataclass(frozen=True)
class Changes:
    """Paths as in `Library.loops`, each kind in the order of the scan; `gone` in the order in which they were known.

    `new`: files that were not there, `changed`: other content at a known path, `moved`: (old path, new path) of the
    same content, `gone`: files that are not there any more, were overwritten by one that moved, or cannot be read now.
    `new_ids`: loop_ids of new or changed files that were nowhere in the folder before, each once.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    new_ids: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Such as "8 new, 2 changed, 1 gone"; "nothing new" where the folder is as it was."""
        counts = {"new": self.new, "changed": self.changed, "moved": self.moved, "gone": self.gone}
        return ", ".join(f"{len(files):,} {what}" for what, files in counts.items() if files) or NOTHING_NEW

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone or self.moved)


def changes_between(known: Mapping[str, str], library: Library) -> Changes:
    """What differs between `known` (path -> loop_id of the files as last seen) and a scan of the folder now."""
    now: dict[str, str] = dict(zip(library.loops["path"], library.loops["loop_id"], strict=True))
    arrived = {path: loop_id for path, loop_id in now.items() if known.get(path) != loop_id}
    left = {path: loop_id for path, loop_id in known.items() if now.get(path) != loop_id}
    moved = _moves(left, arrived)
    for old, place in moved:
        del left[old], arrived[place]
    changed = tuple(path for path in arrived if path in left)
    before = set(known.values())
    return Changes(
        new=tuple(path for path in arrived if path not in left),
        changed=changed,
        gone=tuple(path for path in left if path not in arrived),
        moved=moved,
        new_ids=tuple(dict.fromkeys(loop_id for loop_id in arrived.values() if loop_id not in before)),
    )


def _moves(left: Mapping[str, str], arrived: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Pairs of a path that content left and one where the same content arrived; of copies those of one name first."""
    free: dict[str, list[str]] = {}
    for path, loop_id in left.items():
        free.setdefault(loop_id, []).append(path)
    found = []
    for place, loop_id in arrived.items():
        if candidates := free.get(loop_id):
            name = Path(place).name
            old = next((path for path in candidates if Path(path).name == name), candidates[0])
            candidates.remove(old)
            found.append((old, place))
    return tuple(found)


def changes_since(library: Library, touched: Iterable[str], scanned_ns: int) -> Changes:
    """What became of `touched` paths (files, and folders with all in them) since the scan that made `library`.

    `scanned_ns`: when that was, nanoseconds since 1970; by it files that could not be read then are told again.
    """
    columns = library.loops[["path", "size_bytes", "mtime_ns"]]
    known = {path: (size, mtime) for path, size, mtime in columns.itertuples(index=False, name=None)}
    rejected = set(library.rejected["path"])
    new, changed, gone = [], [], []
    for path in sorted(_files_of(touched, known, library.root)):
        now = _status(path)
        if path in known and now is None:
            gone.append(path)
        elif now is None:
            continue
        elif path in known:
            changed += [path] if (now.st_size, now.st_mtime_ns) != known[path] else []
        elif path not in rejected:
            new.append(path)
        elif max(now.st_mtime_ns, now.st_ctime_ns) > scanned_ns:
            changed.append(path)
    return Changes(tuple(new), tuple(changed), tuple(gone))


def _files_of(touched: Iterable[str], known: Iterable[str], root: Path) -> set[str]:
    """Sound files among `touched`, those in touched folders, and the known ones of folders that went."""
    found: set[str] = set()
    folders = []
    for path in touched:
        if Path(path).is_dir():
            found.update(_sounds_below(path))
        if is_audio_name(PurePath(path).name):
            found.add(path)
        elif path != str(root):
            folders.append(f"{path}{os.sep}")
    if folders:
        found.update(path for path in known if path.startswith(tuple(folders)))
    return {path for path in found if not any(map(is_passed_over, PurePath(os.path.relpath(path, root)).parts))}


def _sounds_below(folder: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (str(PurePath(parent, name)) for name in names if is_audio_name(name))


def _status(path: str) -> os.stat_result | None:
    """Of a file; None where there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None
