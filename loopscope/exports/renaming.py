"""Files whose names say a wrong tempo or key get names that say the right one: what to propose, and the plan of it.

A plan is that of a move within each file's own folder, so one mover carries it out and one journal takes it back.
"""

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from loopscope.exports.copying import CopyItem, CopyPlan
from loopscope.faults.limits import AT_MOST_SUSPECT, OTHER_TEMPO
from loopscope.faults.music.tempo import tempi_of
from loopscope.files import free_name
from loopscope.library.tables import reasons_frame
from loopscope.metadata.corrections import USER
from loopscope.metadata.names import parse_name
from loopscope.metadata.respelling import respelled
from loopscope.user_files import UserFile, open_user_file


def propose_names(metadata: pd.DataFrame, faults: pd.DataFrame, said: str = "you say") -> pd.DataFrame:
    """Which files should be called what: columns path, name (the new one) and why, in the order of `metadata`.

    `metadata` as in MetadataTable, `faults` the findings that hold. A name is wrong where the user says another tempo
    or key, or where another tempo is heard without doubt; one that says none, or in no single place, stays.
    `said` stands before a correction.
    """
    heard = _heard_tempi(faults)
    is_said = (metadata["bpm_source"] == USER) | (metadata["key_source"] == USER)
    rows = []
    for row in metadata[is_said | metadata["loop_id"].isin(list(heard))].to_dict("records"):
        path = Path(row["path"])
        bpm, key, why = _wanted(row, path.stem, heard.get(row["loop_id"]), said)
        stem = respelled(path.stem, bpm, key)
        if stem is not None and stem != path.stem:
            rows.append({"path": row["path"], "name": stem + path.suffix, "why": why})
    return pd.DataFrame(rows, columns=["path", "name", "why"], dtype="object")


def plan_renames(proposed: pd.DataFrame, root: Path) -> CopyPlan:
    """What `execute` will do: each file gets its name of `proposed` (as from `propose_names`), or with a number where
    another file has that. No file is touched that leads out of `root`.
    """
    items: list[CopyItem] = []
    skipped: list[tuple[str, str]] = []
    taken: set[str] = set()
    top = Path(os.path.realpath(root))
    for path, name in zip(proposed["path"], proposed["name"], strict=True):
        source = Path(path)
        if source.is_symlink():  # moved, it would become a copy of what it leads to
            skipped.append((path, "It is a link; rename the file it leads to."))
            continue
        try:
            with open_user_file(UserFile(str(source), str(top))) as file:
                size = os.fstat(file.fileno()).st_size
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            skipped.append((path, f"The file cannot be opened: {reason}; scan the folder again."))
            continue
        target = free_name(source.with_name(name), taken)
        taken.add(str(target).casefold())
        items.append(CopyItem(source, target, size))
    return CopyPlan(top, tuple(items), reasons_frame(skipped), move=True, root=top)


def _heard_tempi(faults: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """By loop_id the tempo that is heard and the one that is said, where no doubt is left."""
    sure = faults[(faults["kind"] == OTHER_TEMPO) & (faults["strength"] >= AT_MOST_SUSPECT)]
    found = {loop_id: tempi_of(brief) for loop_id, brief in zip(sure["loop_id"], sure["brief"], strict=True)}
    return {loop_id: tempi for loop_id, tempi in found.items() if tempi is not None}


def _wanted(
    row: Mapping[Hashable, Any], stem: str, heard: tuple[float, float] | None, said: str
) -> tuple[float | None, str | None, str]:
    """Tempo and key that the name should say, None where it may say what it does, and why."""
    bpm: float | None = row["bpm"] if row["bpm_source"] == USER else None
    key: str | None = row["key"] if row["key_source"] == USER else None
    corrected = [value for value in ("" if bpm is None else f"{bpm:g} BPM", key) if value]
    why = [" ".join([said, *corrected])] if corrected else []
    if bpm is None and heard is not None and parse_name(stem).bpm == heard[1]:
        bpm = heard[0]
        why.append(f"its length and its attacks fit {bpm:g} BPM")
    return bpm, key, "; ".join(why)
