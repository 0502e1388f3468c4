"""One batch: loops embedded, checked and measured by whoever has it.

A loop that cannot be read, or that something fails on, costs nobody else anything: its reason is among the rejections
of the embedding, and what is missing of it is found out again by whoever asks next.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from loopscope.defects import Defect, attempt
from loopscope.embeddings.clips import BatchResult, batches_of, clips_of, embed_batch
from loopscope.encoders.base import Encoder
from loopscope.errors import AudioError, Cancelled
from loopscope.faults.check import STAGE, tempi_of
from loopscope.faults.file_report import FileReport, report_of
from loopscope.library import Library
from loopscope.metadata.collect import measure_metadata
from loopscope.metadata.listening import VERSIONS
from loopscope.progress import StopCheck, never_stop
from loopscope.store import Store


@dataclass(frozen=True)
class Heard:
    """`embedded`: as it came from the encoder; the rest by loop_id, empty where nobody asked for it.

    `reports` are those of the fault checks; `measurements` by version as the store keeps them; `metadata` rows of
    `metadata.collect` for one file of each loop.
    """

    embedded: tuple[BatchResult, ...]
    reports: Mapping[str, FileReport] = field(default_factory=dict)
    measurements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def hear(batch: Library, encoder: Encoder, everything: bool = True, should_stop: StopCheck = never_stop) -> Heard:
    """Embeds the loops of a batch, and unless only that is wanted checks and measures them. Raises Cancelled."""
    clips = clips_of(batch)
    heard = Heard(tuple(embed_batch(part, encoder, should_stop) for part in batches_of(clips, encoder)))
    return (
        replace(heard, reports=_reports(batch, should_stop), **_measured(batch, should_stop)) if everything else heard
    )


def split(library: Library, n_loops: int) -> Iterator[Library]:
    """The library in batches of so many loops, copies with their loop; what the scan left out is in none."""
    number = pd.factorize(library.loops["loop_id"])[0]  # of the loop, as they come
    for _, rows in library.loops.groupby(number // n_loops):
        yield Library(library.root, rows.reset_index(drop=True), library.rejected.iloc[:0])


def only(library: Library, loop_ids: Iterable[str]) -> Library:
    """The library with these loops alone."""
    return replace(library, loops=library.loops[library.loops["loop_id"].isin(list(loop_ids))].reset_index(drop=True))


def _reports(batch: Library, should_stop: StopCheck) -> dict[str, FileReport]:
    reports = {}
    for loop_id, tempo_bpm in tempi_of(batch).items():
        if should_stop():
            raise Cancelled("The checks were stopped.")
        try:
            found = attempt(STAGE, partial(report_of, batch.file_of(loop_id), tempo_bpm))
        except AudioError:  # the embedding says so too
            continue
        if not isinstance(found, Defect):
            reports[loop_id] = found
    return reports


def _measured(batch: Library, should_stop: StopCheck) -> dict[str, Any]:
    """By way of a store of its own, since that is where measurements are kept."""
    ids = list(batch.unique["loop_id"])
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "batch.sqlite3") as store:
        table = measure_metadata(batch.loops, store, should_stop=should_stop, root=batch.root).table
        rows = table.drop_duplicates("loop_id").set_index("loop_id").drop(columns="path")
        found = {version: store.get_reports("measurements", ids, version) for version in VERSIONS.values()}
    return {"measurements": found, "metadata": rows.to_dict("index")}
