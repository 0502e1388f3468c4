"""What is known of one folder at one moment. Workers replace it as a whole; a page takes one and keeps to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from loopscope.analysis.families import Relations
from loopscope.analysis.scoring import ScoredLoops, StoppedTraining
from loopscope.embeddings import EmbeddingSet
from loopscope.faults.limits import OTHER_TEMPO
from loopscope.library import Library
from loopscope.library.changes import Changes
from loopscope.metadata.collect import MetadataTable
from loopscope.metadata.corrections import tempo_is_said


@dataclass(frozen=True)
class EncoderNote:
    """The encoder behind the numbers, in words: `description` one sentence, `notice` another about a fall-back."""

    encoder_id: str
    description: str
    notice: str = ""


@dataclass(frozen=True)
class Contents:
    """As far as the walk has come; None where it has not come yet.

    `faults`: all that the checks found. `models` by label, oldest first. `provisional`: the ranking before there is a
    model. `stopped`: label and detector of a training that was stopped, scored and kept only if the user says so.
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
    relations: Relations | None = None
    serial: int = 0
    generation: int = 0

    @cached_property
    def standing_faults(self) -> pd.DataFrame | None:
        """The findings that hold: whoever settled a tempo is not told that the name says another."""
        if self.faults is None or self.metadata is None:
            return self.faults
        settled = self.faults["loop_id"].isin(tempo_is_said(self.metadata.table))
        return self.faults[~(settled & (self.faults["kind"] == OTHER_TEMPO))]
