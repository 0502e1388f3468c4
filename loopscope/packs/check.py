"""The check of a pack: what its rules ask for, less what was accepted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from loopscope.analysis.pipeline import heard_by, score_table
from loopscope.analysis.scoring import ScoredLoops, fit_detector, score_library
from loopscope.analysis.triage import percentile_in_words
from loopscope.detection.base import BaseDetector
from loopscope.detection.registry import LOCAL, ROBUST, detector_names
from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.encoders.base import Encoder, load_encoder
from loopscope.errors import Cancelled
from loopscope.faults import add_near_duplicates, check_library
from loopscope.faults.check import without_corrected
from loopscope.faults.limits import changed_limits
from loopscope.library import Library, scan_folder
from loopscope.packs.baseline import is_accepted, read_baseline
from loopscope.packs.expected import unexpected
from loopscope.packs.findings import FAILING, OUTLIER, UNCHECKED, Finding, findings_of, in_order, left_out_findings
from loopscope.packs.rules import Rules
from loopscope.progress import EpochCallback, ProgressCallback, StopCheck, ignore_epoch, ignore_progress, never_stop
from loopscope.store import Store

DETECTOR = detector_names()[0]  # the recommended one, where there is no model
OF_EMBEDDINGS = frozenset({OUTLIER, "near_duplicate"})  # kinds that nobody finds without them


@dataclass(frozen=True)
class Listener:
    """The encoder and, where there is one, the model that say which loops stand out; without a model one is trained."""

    encoder: str | Encoder = "auto"
    model: BaseDetector | None = None


@dataclass(frozen=True)
class PackReport:
    """What is to be said of a pack, file by file, and how many findings the baseline `accepted`."""

    library: Library
    findings: tuple[Finding, ...]
    accepted: int
    rules: Rules

    @property
    def counts(self) -> dict[str, int]:
        """Findings by level."""
        return dict(Counter(one.level for one in self.findings))

    @property
    def failed(self) -> bool:
        """Whether a finding is of a level that the rules do not let pass."""
        return any(self.fails(one) for one in self.findings)

    @property
    def unchecked(self) -> bool:
        """Whether a check failed, so that nobody knows."""
        return any(one.level == UNCHECKED for one in self.findings)

    def fails(self, finding: Finding) -> bool:
        """Whether this finding is."""
        return finding.level in FAILING[self.rules.fail_on]


def check_folder(
    folder: str | Path,
    rules: Rules | None = None,
    *,
    listener: Listener | None = None,
    store: Store | None = None,
    on_progress: ProgressCallback = ignore_progress,
    on_epoch: EpochCallback = ignore_epoch,
    should_stop: StopCheck = never_stop,
) -> PackReport:
    """Checks every audio file below a folder by the rules of a pack.

    Which loops stand out is asked only where the rules fail on outliers or select them. Without a `store` the user's
    database is used, so that a second call reads nothing anew. Raises `LoopscopeError` subclasses; Cancelled when
    `should_stop` says so, with what was finished kept.
    """
    rules = rules or Rules()
    accepted = read_baseline(rules.baseline) if rules.baseline else {}  # first: nobody waits for a wrong path
    with nullcontext(store) if store is not None else Store.default() as opened, changed_limits(rules.limits):
        run = _Run(opened, rules, listener or Listener(), on_progress, on_epoch, should_stop)
        library = scan_folder(folder, opened, on_progress, should_stop)
        found = in_order(one for one in run.all_of(library) if _is_wanted(one, rules))
    shown = tuple(one for one in found if not is_accepted(one, accepted, library.root))
    return PackReport(library, shown, len(found) - len(shown), rules)


@dataclass(frozen=True)
class _Run:
    """One check, with those who watch it."""

    store: Store
    rules: Rules
    listener: Listener
    on_progress: ProgressCallback
    on_epoch: EpochCallback
    should_stop: StopCheck

    def all_of(self, library: Library) -> Iterator[Finding]:
        """Everything that there is to say of a library."""
        yield from left_out_findings(library.rejected)
        if library.loops.empty:
            return
        checked = check_library(library, self.store, self.on_progress, self.should_stop)
        faults = without_corrected(checked, self.store)
        yield from unexpected(library, self.rules.expected, self.store, self.on_progress, self.should_stop)
        if self._by_ear:
            yield from self._heard(library, faults)
        else:
            yield from findings_of(library, faults)

    def _heard(self, library: Library, faults: pd.DataFrame) -> Iterator[Finding]:
        """`faults` with what only embeddings tell: near duplicates and outliers."""
        embeddings, preset = self._embedded(library)
        yield from findings_of(
            library, add_near_duplicates(faults, library, embeddings, self.on_progress, self.should_stop)
        )
        if OUTLIER not in self._by_ear:
            return
        model = self.listener.model
        scored = self._trained(embeddings, preset) if model is None else score_library(embeddings, model)
        for row in score_table(library.loops, scored).to_dict("records"):
            if row["is_anomaly"]:
                said = percentile_in_words(row["percentile"], row["rank"])
                strength = row["percentile"] / 100
                yield Finding(row["path"], row["loop_id"], OUTLIER, "outlier", said, strength=strength)

    def _embedded(self, library: Library) -> tuple[EmbeddingSet, str]:
        """Embeddings, and the preset that they serve."""
        encoder, model = self.listener.encoder, self.listener.model
        loaded = load_encoder(encoder, on_progress=self.on_progress) if isinstance(encoder, str) else encoder
        preset = ROBUST  # near duplicates ask for no patches
        if OUTLIER in self._by_ear:
            loaded, preset = heard_by(loaded, DETECTOR, None, model)
        watched = (self.on_progress, self.should_stop)
        return embed_library(library, loaded, self.store, *watched, with_patches=preset == LOCAL), preset

    @property
    def _by_ear(self) -> frozenset[str]:
        """The kinds that are asked for and need an encoder."""
        asked = self.rules.select or frozenset({OUTLIER} if self.rules.fail_on == OUTLIER else ())
        return (asked & OF_EMBEDDINGS) - self.rules.ignore

    def _trained(self, embeddings: EmbeddingSet, preset: str) -> ScoredLoops:
        """A model of these loops, whole: an unfinished one would call others outliers."""
        scored = fit_detector(embeddings, DETECTOR, preset, on_epoch=self.on_epoch, should_stop=self.should_stop)
        if scored.detector.unfinished:
            raise Cancelled("The training was stopped; embeddings and findings are kept.")
        return scored


def _is_wanted(finding: Finding, rules: Rules) -> bool:
    if finding.level == UNCHECKED:
        return finding.kind not in rules.ignore
    if finding.kind in rules.ignore or (rules.select and finding.kind not in rules.select):
        return False
    return finding.level != "note" or rules.notes or finding.kind in rules.select
