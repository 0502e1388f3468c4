"""Where archives and loops lie: on this machine's disks, or at an address that fsspec knows.

Elsewhere a file system's package raises errors of its own kinds; whatever it is, it is one sentence.
"""

import io
import logging
import posixpath
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from loopscope.defects import Defect, attempt
from loopscope.errors import DataError, first_line
from loopscope.files import display_name, is_address, written_whole

Result = TypeVar("Result")
_REMEDIES = {
    "read": "remove it or name another",
    "written": "free some space or name another place",
    "removed": "check access",
}
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}  # by protocol
LOGINS = {"s3": "AWS_ACCESS_KEY_ID, or aws configure", "gs": "gcloud auth application-default login"}
LOUD = ("gcsfs", "google.auth")
OBJECT_STORES = ("s3", "gs")  # an upload is there whole or not at all, and renaming it were a copy
# What file systems call what changes with a file.
TELLS = ("ETag", "md5Hash", "etag", "LastModified", "Last-Modified", "mtime", "created")


@dataclass(frozen=True)
class Place:
    """A folder or file and the fsspec file system that it lies on."""

    system: Any
    path: str

    @classmethod
    def of(cls, address: object) -> "Place":
        """Of a path or an fsspec address. Raises DataError for one that no file system here knows."""
        if not is_address(address):
            return cls(fsspec.filesystem("file"), str(Path(str(address)).expanduser().absolute()))
        _quieten()
        found = attempt("opening an address", partial(_opened_address, str(address)), logging.INFO)
        if isinstance(found, Defect):
            raise DataError(f"{display_name(str(address))} cannot be opened ({found.reason}).")
        return cls(*found)

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine's own disks."""
        return self._is_in("file")

    @property
    def address(self) -> str:
        """By which `of` finds it again."""
        return self.path if self.is_local else str(self.system.unstrip_protocol(self.path))

    @property
    def shown(self) -> str:
        """The same for people."""
        return display_name(self.address)

    def _is_in(self, *protocols: str) -> bool:
        return not {*protocols}.isdisjoint(np.atleast_1d(self.system.protocol))

    def below(self, *names: str) -> "Place":
        """A file or folder in this folder."""
        return Place(self.system, posixpath.join(self.path, *names))

    def names(self) -> list[str]:
        """What lies in this folder, in order, without unfinished files; none where there is no such folder."""
        self.system.invalidate_cache()  # others write here
        found = (posixpath.basename(path.rstrip("/")) for path in self._done("read", self._inside))
        return sorted(name for name in found if not name.startswith("."))

    def is_a(self, kind: str) -> bool:
        """Whether a "file" or a "directory" lies here. Raises DataError where nobody can tell."""
        info = self._done("read", self._info)
        return info is not None and bool(info["type"] == kind)

    def info(self) -> Mapping[str, Any]:
        """What the file system says of it. Raises DataError."""
        info: Mapping[str, Any] = self._done("read", partial(self.system.info, self.path))
        return info

    def versions(self) -> dict[str, str]:
        """What lies in this folder and the version of each, "" where nobody tells versions apart; {} without a folder.

        Another version is another content. Raises DataError.
        """
        self.system.invalidate_cache()  # others write here
        found = {posixpath.basename(one["name"].rstrip("/")): one for one in self._done("read", self._told)}
        return {name: version_of(found[name]) for name in sorted(found) if not name.startswith(".")}

    def remove(self) -> None:
        """Takes a file away. Raises DataError."""
        self._done("removed", partial(self.system.rm_file, self.path))

    def write(self, content: bytes) -> None:
        """Whole or not at all, over what was there. Raises DataError."""
        if self.is_local:
            with _one_sentence("written", self.path), written_whole(Path(self.path)) as part:
                part.write_bytes(content)
            return
        self._done("written", partial(self._put if self._is_in(*OBJECT_STORES) else self._put_and_renamed, content))

    def read(self) -> bytes:
        """The whole file. Raises DataError."""
        content: bytes = self._done("read", partial(self.system.cat_file, self.path))
        return content

    @contextmanager
    def open_parquet(self) -> Iterator[pq.ParquetFile]:
        """Mapped into memory where it lies here. Raises DataError for a file that is no Parquet."""
        with (
            _one_sentence("read", self.shown),
            pa.memory_map(self.path) if self.is_local else self._done("read", self._opened) as source,
        ):
            yield pq.ParquetFile(source, page_checksum_verification=True)  # of embeddings no bit tells that it is wrong

    def _put(self, content: bytes) -> None:
        self.system.pipe_file(self.path, content)

    def _put_and_renamed(self, content: bytes) -> None:
        parent, name = posixpath.split(self.path)
        unfinished = posixpath.join(parent, f".{uuid.uuid4().hex}-{name}")
        self.system.makedirs(parent, exist_ok=True)
        self.system.pipe_file(unfinished, content)
        self.system.mv(unfinished, self.path)

    def _opened(self) -> Any:
        file = self.system.open(self.path, "rb")
        try:
            file.seek(1)
            file.seek(0)
        except (OSError, ValueError):  # a web server that gives files as a whole only
            with self.system.open(self.path, "rb") as whole:
                return io.BytesIO(whole.read())
        return file

    def _info(self) -> Mapping[str, Any] | None:
        try:
            info: Mapping[str, Any] = self.system.info(self.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            if (cause := error.__cause__) is not None and _is_trouble(cause):
                raise cause from None
            return None
        return info

    def _told(self) -> list[Mapping[str, Any]]:
        """A listing; where it tells no versions, as of a web server, of each file what that says itself."""
        try:
            found: list[Mapping[str, Any]] = self.system.ls(self.path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        is_told = all(version_of(one) for one in found if one["type"] == "file")
        return found if is_told else [self.system.info(one["name"]) for one in found]

    def _inside(self) -> list[str]:
        try:
            found: list[str] = self.system.ls(self.path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return found

    def _done(self, what: str, work: Callable[[], Result]) -> Result:
        """What `work` gives. Elsewhere a failure may be of any kind: each file system has errors of its own."""
        if self.is_local:
            with _one_sentence(what, self.path):
                return work()
        found = attempt("using an address", work, logging.INFO)
        if isinstance(found, Defect):
            raise DataError(f"{self.shown} cannot be {what} ({found.reason}); {self.remedy}.")
        return found

    @property
    def remedy(self) -> str:
        """What to do where it cannot be reached, and how one shows there who one is."""
        known = next((how for protocol, how in LOGINS.items() if self._is_in(protocol)), "")
        return "check address and access" + (f" ({known})" if known else "")


def _opened_address(address: str) -> tuple[Any, str]:
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(address)
        return found
    except ImportError:
        protocol = address.partition("://")[0]
        if (package := PACKAGES.get(protocol)) is None:
            raise
        raise DataError(
            f"{display_name(address)} needs the package {package}; run: python -m pip install {package}."
        ) from None


def _quieten() -> None:
    """What these raise they log too, with a traceback, which tells a user nothing; who set a level keeps it."""
    for name in LOUD:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)


def version_of(info: Mapping[str, Any]) -> str:
    """What tells this content of a file from another, "" where nobody says."""
    tells = [str(info[name]) for name in TELLS if info.get(name)]
    return f"{info.get('size')} {tells[0]}" if tells else ""


def _is_trouble(cause: BaseException) -> bool:
    """Whether a file is said to be missing where nobody could look: fsspec's http says so of a server that is gone."""
    nobody_there = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
    return nobody_there or getattr(cause, "status", 404) != 404


@contextmanager
def _one_sentence(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        said = getattr(error, "strerror", None) or first_line(error)
        raise DataError(f"{display_name(path)} cannot be {what} ({said}); {_REMEDIES[what]}.") from error
