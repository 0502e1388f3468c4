"""Sounds of an archive's loops that lie at an address: brought here when they are asked for, the latest ones kept."""

import re
from pathlib import Path, PurePosixPath

from loopscope import config
from loopscope.archive.fetched import RemoteFile, bring
from loopscope.archive.place import Place
from loopscope.audio import content_hash
from loopscope.audio.playback import make_room, note_use
from loopscope.errors import AudioError, DataError
from loopscope.files import display_name, written_whole
from loopscope.user_files import UserFile

_LOOP_ID = re.compile("[0-9a-f]{32}")
_SUFFIX = re.compile(r"\.[0-9a-z]{1,8}")
CHANGED = "No sound, its file has changed since it was indexed: index its folder again."


def fetch_sound(loop_id: str, address: str) -> UserFile:
    """The file at an address, from the last time it was fetched where that is known; the content's hash is its name.

    Raises AudioError where it cannot be fetched, or where what lies there is another content than was indexed.
    """
    suffix = PurePosixPath(address).suffix.lower()
    if not _LOOP_ID.fullmatch(loop_id):  # an archive from elsewhere; it names the file here
        raise AudioError(f"No sound: {display_name(loop_id)} is no hash of a content; index its folder again.")
    folder = config.paths().fetched
    target = folder / f"{loop_id}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
    if target.is_file():
        note_use(target)
    else:
        _fetch(loop_id, address, target)
    return UserFile(str(target), str(folder.resolve()))


def _fetch(loop_id: str, address: str, target: Path) -> None:
    """Whole and with the content that was indexed, or not at all."""
    try:
        place = Place.of(address)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with written_whole(target, durable=False) as part:
            if reason := bring(RemoteFile(place, target.name, None, ""), part):
                raise AudioError(f"No sound: {reason[0].lower()}{reason[1:]}")
            if content_hash(part) != loop_id:
                raise AudioError(CHANGED)
            make_room(target.parent, config.FETCHED_BYTES - part.stat().st_size, "*")
    except DataError as error:
        raise AudioError(f"No sound: {error}") from error
    except OSError as error:
        where = f"{target.parent} ({error.strerror})"
        raise AudioError(f"No sound: it cannot be kept in {where}; free some space.") from error
