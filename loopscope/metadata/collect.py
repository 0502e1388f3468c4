"""What is known of every file beside its score: instrument, genre, tempo, key with their sources, and whether it loops.

Names are read at once; what is measured (the files' own tags, tempo and key by ear where neither they nor names say
them, bars compared at the tempo) is a long task whose results stay in the store by loop_id. Columns: METADATA_COLUMNS,
n_bars and loop_structure (mean correlation of different bars, -1 to 1, NaN where unknown); one row per file.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path

import pandas as pd

from loopscope.batches import Memory, ignore_results, measure_loops, n_workers
from loopscope.children.pool import asking_apart
from loopscope.metadata import fill_from_store, read_names
from loopscope.metadata.bars import known_structures
from loopscope.metadata.corrections import with_corrections
from loopscope.metadata.listening import STAGE, Heard, keep, listen_to
from loopscope.metadata.table import with_tags
from loopscope.metadata.tags import files_of, known_tags
from loopscope.progress import ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store
from loopscope.store.records import Correction
from loopscope.user_files import UserFile

FEWEST_APART = 64  # files that are worth the second in which child processes start
BATCH = 32  # loops between two writes to the store

Said = Mapping[str, float | None]  # of the tempo, as `listen_to` takes it
Listen = Callable[[UserFile, Said, float], Heard]


@dataclass(frozen=True, eq=False)  # one is another wherever anything was heard in between
class MetadataTable:
    """`table` has the columns named above; `missing` holds the loop_ids that were not measured yet."""

    table: pd.DataFrame
    missing: frozenset[str] = frozenset()

    def updated(self, newer: "MetadataTable") -> "MetadataTable":
        """The same files with what `newer` knows of some of them."""
        measured = set(newer.table["path"])
        others = self.table[[path not in measured for path in self.table["path"]]]
        table = pd.concat([others, newer.table], ignore_index=True)
        return MetadataTable(table, (self.missing - frozenset(newer.table["loop_id"])) | newer.missing)


def known_metadata(loops: pd.DataFrame, store: Store) -> MetadataTable:
    """What names say of `loops` (as in Library.loops) and what was measured before; opens no file."""
    tags = known_tags(loops["loop_id"], store)
    filled, without_tempo_key = fill_from_store(with_tags(read_names(loops), tags), store)
    resolved = with_corrections(filled, store.get_corrections())
    structures, without_bars = known_structures(resolved, store)
    unread = frozenset(loops["loop_id"]) - frozenset(tags)
    return MetadataTable(_joined(resolved, structures), unread | without_tempo_key | without_bars)


def measure_metadata(
    loops: pd.DataFrame,
    store: Store,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    root: Path | None = None,
) -> MetadataTable:
    """The same after measuring all that was missing, here. Raises Cancelled when stopped; what was done is kept.

    No file that leads out of `root` (with links resolved) is opened.
    """
    measure_missing(loops, store, on_progress, should_stop, root, apart=False)
    return known_metadata(loops, store)


def measure_missing(
    loops: pd.DataFrame,
    store: Store,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    root: Path | None = None,
    on_heard: Callable[[Collection[str]], None] = ignore_results,
    *,
    apart: bool = True,
) -> int:
    """Listens to those of `loops` (as in Library.loops) that were not listened to; how many these are.

    `apart`: to many of them in processes of their own, which stand back.

    `on_heard` gets the loop_ids of each batch, once it is kept. A file that cannot be read, or that listening fails on,
    keeps its gaps: the scan and the fault checks list the reason. Raises Cancelled when `should_stop` says so.
    """
    missing = loops[loops["loop_id"].isin(known_metadata(loops, store).missing)]
    if missing.empty:
        return 0
    unique = missing.drop_duplicates("loop_id").set_index("loop_id")
    files, tempi = files_of(missing, root), _said_tempi(missing, store)
    with _listening(n_workers() if apart and len(files) >= FEWEST_APART else 0, should_stop) as listen:
        measured = measure_loops(
            files,
            lambda loop_id: listen(files[loop_id], tempi[loop_id], float(unique["duration_s"][loop_id])),
            STAGE,
            Memory(remember=partial(keep, store)),
            on_progress,
            should_stop,
            BATCH,
            on_heard,
        )
    return measured.n_computed


def _said_tempi(loops: pd.DataFrame, store: Store) -> dict[str, Said]:
    """By loop_id what name and user say of the tempo, of copies the first's name, as where bars are looked up."""
    names, corrections = read_names(loops.drop_duplicates("loop_id")), store.get_corrections()
    return {
        loop_id: {"named_bpm": None if isnan(bpm) else bpm, "user_bpm": corrections.get(loop_id, Correction()).bpm}
        for loop_id, bpm in zip(names["loop_id"], names["bpm"], strict=True)
    }


@contextmanager
def _listening(n_children: int, should_stop: StopCheck) -> Iterator[Listen]:
    """Listens to a file of which a tempo is said, so many seconds long: without children here."""
    if not n_children:
        yield lambda file, said, duration_s: listen_to(file, **said)
        return
    with asking_apart("loopscope.metadata.child", STAGE, n_children, should_stop) as ask:

        def listen(file: UserFile, said: Said, duration_s: float) -> Heard:
            heard: Heard = ask({"path": os.fspath(file), "root": file.root, "said": said}, duration_s)
            return heard

        yield listen


def _joined(metadata: pd.DataFrame, structures: pd.DataFrame) -> pd.DataFrame:
    return metadata.merge(structures, on="loop_id", how="left", validate="many_to_one")
