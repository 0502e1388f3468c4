"""What is known of every file beside its score: instrument, genre, tempo, key with their sources, and whether it loops.

Names are read at once; what is measured (the files' own tags, tempo and key by ear where neither they nor names say
them, bars compared at the tempo) is a long task whose results stay in the store by loop_id. Columns: METADATA_COLUMNS,
n_bars and loop_structure (mean correlation of different bars, -1 to 1, NaN where unknown); one row per file.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from loopscope.metadata import fill_from_audio, fill_from_store, read_names
from loopscope.metadata.bars import known_structures, structure_scores
from loopscope.metadata.table import with_tags
from loopscope.metadata.tags import files_of, known_tags, measure_tags
from loopscope.progress import ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store


@dataclass(frozen=True)
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
    structures, without_bars = known_structures(filled, store)
    unread = frozenset(loops["loop_id"]) - frozenset(tags)
    return MetadataTable(_joined(filled, structures), unread | without_tempo_key | without_bars)


def measure_metadata(
    loops: pd.DataFrame,
    store: Store,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    root: Path | None = None,
) -> MetadataTable:
    """The same after measuring all that was missing. Raises Cancelled when stopped; what was done is kept.

    No file that leads out of `root` (with links resolved) is opened.
    """
    tags = measure_tags(files_of(loops, root), store, on_progress, should_stop)
    filled = fill_from_audio(with_tags(read_names(loops), tags), store, on_progress, should_stop, root)
    return MetadataTable(_joined(filled, structure_scores(filled, store, on_progress, should_stop, root)))


def _joined(metadata: pd.DataFrame, structures: pd.DataFrame) -> pd.DataFrame:
    return metadata.merge(structures, on="loop_id", how="left", validate="many_to_one")
