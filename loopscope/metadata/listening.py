"""All that is to be heard of one loop: what its file says, tempo and key by ear, its riff, how its bars repeat."""

from collections.abc import Mapping
from typing import Any

from loopscope.metadata.bars import STRUCTURE_VERSION, structure_report
from loopscope.metadata.riffs import RIFF_VERSION, riff_report
from loopscope.metadata.table import TEMPO_KEY_VERSION
from loopscope.metadata.tags import TAGS_VERSION, tags_report
from loopscope.metadata.tempo_key import hear_music
from loopscope.store import Store
from loopscope.user_files import FilePath

STAGE = "Listening"
VERSIONS = {"tags": TAGS_VERSION, "riff": RIFF_VERSION, "ear": TEMPO_KEY_VERSION, "bars": STRUCTURE_VERSION}

Heard = Mapping[str, Any]  # by the names of VERSIONS, as JSON; None where there is nothing to keep


def listen_to(path: FilePath, named_bpm: float | None, user_bpm: float | None = None) -> Heard:
    """Bars are cut at the tempo that holds: the user's, else the file's, the name's, or by ear. Raises AudioError."""
    tags, (ear, riff) = tags_report(path), hear_music(path)
    bpm = next((bpm for bpm in (user_bpm, tags["bpm"], named_bpm, ear.bpm) if bpm is not None), None)
    return {
        "tags": tags,
        "riff": None if riff is None else riff_report(riff),
        "ear": vars(ear),
        "bars": structure_report(path, bpm),
    }


def keep(store: Store, heard: Mapping[str, Heard]) -> None:
    """Remember what was heard, by loop_id, so by content."""
    for name, version in VERSIONS.items():
        reports = {loop_id: found[name] for loop_id, found in heard.items() if found[name] is not None}
        store.put_reports("measurements", reports, version)
