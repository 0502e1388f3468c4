"""Tells that sound files of a folder come, change or go, as the system reports it while they do (package watchdog).

Nothing is read. Where the system reports nothing (network folders, more folders than it watches) nothing is told, and a
scan finds it as ever.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from loopscope.library.walk import is_audio_name

if TYPE_CHECKING:
    from watchdog.events import FileSystemEventHandler

log = logging.getLogger(__name__)
QUIET_S = 2.0  # after the last event: who copies a pack is told once
MOST_PATHS = 20_000  # that are kept; a larger upheaval is told by those
TOLD_OF = ("created", "modified", "moved", "deleted", "closed")  # "closed" after writing; reading is no news


class FolderWatch:
    """Watches a folder from now on, in threads of its own, until `end`.

    `on_quiet` is called with every path so far that something happened to, files and folders, once nothing has happened
    for QUIET_S; again later where it answers False.
    """

    def __init__(self, root: Path, on_quiet: Callable[[frozenset[str]], bool]) -> None:
        self.root, self._on_quiet = root, on_quiet
        self._touched: set[str] = set()
        self._lock = threading.Lock()
        self._happened, self._ended = threading.Event(), threading.Event()
        self._last = 0.0  # time.monotonic of the last event
        self.is_ready = threading.Event()
        threading.Thread(target=self._run, name="folder-watch", daemon=True).start()

    def end(self) -> None:
        """Watch no longer; who is being called is not waited for."""
        self._ended.set()
        self._happened.set()

    def _run(self) -> None:
        from watchdog.observers import Observer  # late: nothing is watched before a page is drawn

        observer = Observer()
        try:
            observer.schedule(_handler(self._take), os.path.realpath(self.root), recursive=True)
            observer.start()
        except OSError as error:  # it is gone, or the system watches no more folders
            log.info("%s is not watched: %s", self.root, error)
            return
        self.is_ready.set()
        while not self._ended.is_set():
            self._happened.wait()
            self._tell_when_quiet()
        observer.stop()
        observer.join()

    def _tell_when_quiet(self) -> None:
        while not self._ended.wait(max(0.0, QUIET_S - (time.monotonic() - self._last))):
            if time.monotonic() - self._last < QUIET_S:
                continue
            self._happened.clear()
            with self._lock:
                paths = frozenset(self._touched)
            if self._on_quiet(paths):
                return
            self._last = time.monotonic()

    def _take(self, kind: str, paths: Iterable[str], is_folder: bool) -> None:
        """One event. A folder counts as modified whenever a file in it does, which is told by itself."""
        if kind not in TOLD_OF or (is_folder and kind == "modified"):
            return
        found = [path for path in paths if path and (is_folder or is_audio_name(PurePath(path).name))]
        with self._lock:
            self._touched.update(found[: max(0, MOST_PATHS - len(self._touched))])
        if found:
            self._last = time.monotonic()
            self._happened.set()


def _handler(take: Callable[[str, Iterable[str], bool], None]) -> "FileSystemEventHandler":
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            take(event.event_type, [os.fsdecode(event.src_path), os.fsdecode(event.dest_path)], event.is_directory)

    return Handler()
