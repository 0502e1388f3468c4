"""Which folders may be opened: a path typed into a page is a request, not a right.

On this machine's own address the roots are the home folder and the places where drives are mounted.
`LOOPSCOPE_ROOTS` (folders joined by the system's path separator) replaces them, and must be given when the app
listens on another address.
"""

import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from loopscope.errors import LibraryError

ROOTS_VARIABLE = "LOOPSCOPE_ROOTS"
MOUNTS = ("/Volumes", "/media", "/mnt", "/run/media")


def is_loopback(address: str | None) -> bool:
    """Whether a server bound to this address can be reached from this machine only."""
    if not address:
        return False
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def allowed_roots(address: str | None = "127.0.0.1") -> tuple[Path, ...]:
    """The folders that may be opened, with everything below them, by a server bound to `address`."""
    listed = os.environ.get(ROOTS_VARIABLE)
    if listed:
        return tuple(Path(part).expanduser().resolve() for part in listed.split(os.pathsep) if part)
    if not is_loopback(address):
        return ()
    return tuple(path.resolve() for path in (Path.home(), *map(Path, MOUNTS)) if path.is_dir())


def is_allowed(folder: Path, roots: Sequence[Path]) -> bool:
    """Whether the folder, with links resolved, lies in one of the roots."""
    real = folder.resolve()
    return any(real == root or root in real.parents for root in roots)


def allowed_place(typed: str, roots: Sequence[Path]) -> Path | None:
    """What a full path that was typed leads to, with links resolved; None outside the roots and for what is no path."""
    try:
        path = Path(typed).expanduser()
        real = path.resolve()
    except (OSError, ValueError, RuntimeError):
        return None
    return real if path.is_absolute() and is_allowed(real, roots) else None


def check_root(folder: str | Path, roots: Sequence[Path]) -> Path:
    """The resolved folder. Raises `LibraryError` when it is no folder or lies outside the roots."""
    try:
        real = Path(folder).expanduser().resolve()
        present = real.is_dir()
    except (OSError, ValueError, RuntimeError) as error:
        raise LibraryError(f"The folder {folder!s:.200} cannot be opened ({error}); give another one.") from error
    if not is_allowed(real, roots):
        raise LibraryError(
            f"The folder {real} lies outside those this app may open; name it in {ROOTS_VARIABLE} and start again."
        )
    if not present:
        raise LibraryError(f"There is no folder {real}; check the spelling or choose it in the browser.")
    return real
