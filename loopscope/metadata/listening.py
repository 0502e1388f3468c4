"""All that is to be heard of one loop: what its file says, tempo and key by ear, how its bars repeat."""

from collections.abc import Mapping
from typing import Any

from loopscope.metadata.bars import STRUCTURE_VERSION, structure_report
from loopscope.metadata.table import TEMPO_KEY_VERSION
from loopscope.metadata.tags import TAGS_VERSION, tags_report
from loopscope.metadata.tempo_key import estimate_from_audio
from loopscope.store import Store
from loopscope.user_files import FilePath

STAGE = "Listening"
VERSIONS = {"tags": TAGS_VERSION, "ear": TEMPO_KEY_VERSION, "bars": STRUCTURE_VERSION}

Heard = Mapping[str, Any]  # by the names of VERSIONS, as JSON; None where there is nothing to keep


def listen_to(path: FilePath, named_bpm: float | None) -> Heard:
    """Bars are cut at the tempo that holds: the file's, else the name's, else by ear. Raises AudioError."""
    tags, ear = tags_report(path), vars(estimate_from_audio(path))
    bpm = next((bpm for bpm in (tags["bpm"], named_bpm, ear["bpm"]) if bpm is not None), None)
    return {"tags": tags, "ear": ear, "bars": structure_report(path, bpm)}


def keep(store: Store, heard: Mapping[str, Heard]) -> None:
    """Remember what was heard, by loop_id, so by content."""
    for name, version in VERSIONS.items():
        reports = {loop_id: found[name] for loop_id, found in heard.items() if found[name] is not None}
        store.put_reports("measurements", reports, version)
