"""What a walk tells of, as it goes on: from its own thread, or of the checks from one beside it."""

from collections.abc import Collection, Mapping

import pandas as pd

from loopscope.analysis.scoring import ScoredLoops, StoppedTraining
from loopscope.embeddings import EmbeddingSet
from loopscope.encoders.base import Encoder, Samples
from loopscope.faults.file_report import Report
from loopscope.library import Library
from loopscope.metadata.collect import MetadataTable


class WalkEvents:
    """What a walk found so far. This class passes everything over; override what is wanted."""

    def on_library(self, library: Library, metadata: MetadataTable) -> None:
        """The scan is done."""

    def on_restored(self, embeddings: EmbeddingSet, scored: ScoredLoops, faults: pd.DataFrame) -> None:
        """What an earlier walk left is at hand; loops that are new since then are still to come."""

    def on_work(self) -> None:
        """What an earlier walk left is told; what comes now takes the processor, and waits until this returns."""

    def on_encoder(self, encoder: Encoder) -> None:
        """The encoder is loaded."""

    def on_embedded(self, fresh: Mapping[str, Samples]) -> None:
        """Some more embeddings, by loop_id."""

    def on_checked(self, fresh: Mapping[str, Report]) -> None:
        """Findings of some more loops."""

    def on_embeddings(self, embeddings: EmbeddingSet) -> None:
        """All embeddings."""

    def on_faults(self, faults: pd.DataFrame, *, complete: bool) -> None:
        """All findings; from the checks' own thread first, not `complete` before near duplicates are among them."""

    def on_remark(self, sentence: str) -> None:
        """What is to be said of the model that is trained next."""

    def on_model(self, scored: ScoredLoops, *, trained: bool) -> None:
        """The scores of all loops, by a model that was `trained` now or is the one given."""

    def on_stopped(self, stopped: StoppedTraining) -> None:
        """Training was stopped after it had learnt something."""

    def on_ranked(self, is_whole: bool) -> None:
        """Scores and findings are as they will be, all of them or what there was; all that may follow is listening."""

    def on_heard(self, fresh: Collection[str], *, complete: bool) -> None:
        """Loops of which the store now knows what was heard; `complete` with the last or where it was stopped."""
