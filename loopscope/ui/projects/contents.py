"""What is known of one folder at one moment. Workers replace it as a whole; a page takes one and keeps to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from loopscope.analysis.families import Relations
from loopscope.analysis.scoring import ScoredLoops, StoppedTraining
from loopscope.detection.thresholds import is_anomaly, threshold_at
from loopscope.embeddings import EmbeddingSet
from loopscope.faults.check import without_settled
from loopscope.library import Library
from loopscope.library.changes import Changes
from loopscope.metadata.collect import MetadataTable
from loopscope.metadata.corrections import is_said
from loopscope.ui.projects.elsewhere import Elsewhere

if TYPE_CHECKING:
    from loopscope.archive.drift import Drift
    from loopscope.archive.top import Counts


@dataclass(frozen=True)
class EncoderNote:
    """The encoder behind the numbers, in words: `description` one sentence, `notice` another about a fall-back."""

    encoder_id: str
    description: str
    notice: str = ""


@dataclass(frozen=True)
class Archived:
    """What is known of a whole archive beside the loops that are shown: `heard`, what names and the ear say of
    those, without what users say; `drifts` of the folders that are farther from what the model learnt from than the
    folders in that are."""

    counts: "Counts"
    heard: MetadataTable
    drifts: "tuple[Drift, ...]" = ()


@dataclass(frozen=True)
class Contents:
    """As far as the walk has come; None where it has not come yet.

    `faults`: all that the checks found. `models` by label, oldest first. `provisional`: the ranking before there is a
    model. `stopped`: label and detector of a training that was stopped, scored and kept only if the user says so.
    `changes`: of the folder between its last two scans, `unseen`: since the last.
    `relations`: what is alike here, `elsewhere` what in the owner's other folders is like it, once that was asked for.
    `archived`: of an archive, whose most anomalous loops are the library.
    `serial` rises with whatever the explorer shows, `generation` with whatever else a page draws.
    """

    library: Library | None = None
    metadata: MetadataTable | None = None
    encoder: EncoderNote | None = None
    embeddings: EmbeddingSet | None = None
    faults: pd.DataFrame | None = None
    models: Mapping[str, ScoredLoops] = field(default_factory=dict)
    provisional: ScoredLoops | None = None
    stopped: tuple[str, StoppedTraining] | None = None
    changes: Changes | None = None
    unseen: Changes | None = None
    relations: Relations | None = None
    elsewhere: Elsewhere | None = None
    archived: Archived | None = None
    serial: int = 0
    generation: int = 0

    def n_flagged(self, label: str, percentile: float) -> int | None:
        """How many loops a model flags, of an archive among all; None for a model that is not here."""
        scored = self.models.get(label)
        if scored is None:
            return None
        threshold = threshold_at(scored.reference_scores, percentile)
        if self.archived is not None:
            return self.archived.counts.n_flagged(threshold)
        return int(is_anomaly(scored.scores["score"].to_numpy(), threshold).sum())

    @cached_property
    def standing_faults(self) -> pd.DataFrame | None:
        """The findings that hold: whoever settled a tempo or key is not told that the name says another."""
        if self.faults is None or self.metadata is None:
            return self.faults
        table = self.metadata.table
        return without_settled(self.faults, is_said(table, "bpm"), is_said(table, "key"))
