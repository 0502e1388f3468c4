"""What is known of every file beside its score: instrument, genre, tempo, key with their sources, and whether it loops.

Names are read at once; what needs listening (tempo and key where names are silent, bars compared at the tempo) is a
long task whose results stay in the store by loop_id. Columns: METADATA_COLUMNS, n_bars and loop_structure (mean
correlation of different bars, -1 to 1, NaN where unknown); one row per file.
"""

from dataclasses import dataclass

import pandas as pd

from loopscope.loop_structure import known_structures, structure_scores
from loopscope.metadata import METADATA_COLUMNS, fill_from_audio, fill_from_store, read_names
from loopscope.progress import ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store

FACT_COLUMNS = (*METADATA_COLUMNS, "n_bars", "loop_structure")


@dataclass(frozen=True)
class Facts:
    """`table` has FACT_COLUMNS; `n_unheard` loops were never listened to, `n_uncut` have a tempo but no bars."""

    table: pd.DataFrame
    n_unheard: int
    n_uncut: int

    @property
    def n_missing(self) -> int:
        """Pieces of listening that `measure_facts` would do at least."""
        return self.n_unheard + self.n_uncut


def known_facts(loops: pd.DataFrame, store: Store) -> Facts:
    """What names say of `loops` (as in Library.loops) and what was measured before; listens to nothing."""
    filled, n_unheard = fill_from_store(read_names(loops), store)
    structures, n_uncut = known_structures(filled, store)
    return Facts(_joined(filled, structures), n_unheard, n_uncut)


def measure_facts(
    loops: pd.DataFrame,
    store: Store,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> Facts:
    """The same after listening to all that was missing. Raises Cancelled when stopped; what was done is kept."""
    filled = fill_from_audio(read_names(loops), store, on_progress, should_stop)
    structures = structure_scores(filled, store, on_progress, should_stop)
    return Facts(_joined(filled, structures), 0, 0)


def _joined(metadata: pd.DataFrame, structures: pd.DataFrame) -> pd.DataFrame:
    return metadata.merge(structures, on="loop_id", how="left", validate="many_to_one")
