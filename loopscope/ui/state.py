"""The session's own state, under one key: widget keys vanish on a page switch, these do not.

Nothing here is shared between sessions. What later steps derive from earlier ones is dropped when those change:
a new library drops embeddings and models, new embeddings drop models.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from loopscope.analysis.pipeline import ScoredLoops
from loopscope.config import DEFAULT_PERCENTILE
from loopscope.embeddings import EmbeddingSet
from loopscope.encoders.base import Encoder
from loopscope.library import Library
from loopscope.metadata.collect import MetadataTable
from loopscope.store import Store

_KEY = "loopscope"
T = TypeVar("T")


@dataclass
class SessionState:
    """What one browser tab is working on."""

    library: Library | None = None
    encoder: Encoder | None = None
    embeddings: EmbeddingSet | None = None
    faults: pd.DataFrame | None = None
    metadata: MetadataTable | None = None
    models: dict[str, ScoredLoops] = field(default_factory=dict)
    active: str = ""  # label of the model in view, empty where there is none
    percentiles: dict[str, float] = field(default_factory=dict)
    selected: str | None = None
    lasso: tuple[str, ...] = ()
    browsed: Path | None = None
    allowed: tuple[Path, ...] = ()
    generation: int = 0
    metadata_changes: int = 0
    notice_read: str = ""
    choices: dict[str, Any] = field(default_factory=dict)

    def use_library(self, library: Library, metadata: MetadataTable | None = None) -> None:
        """Takes a scanned folder with what its names say; what was computed from another one is dropped."""
        self.library, self.metadata = library, metadata
        self.selected, self.lasso = None, ()
        self.use_embeddings(None)

    def use_embeddings(
        self, embeddings: EmbeddingSet | None, encoder: Encoder | None = None, faults: pd.DataFrame | None = None
    ) -> None:
        """Takes an embedding set and the findings of the signal checks; models of another set are dropped."""
        self.embeddings, self.encoder, self.faults = embeddings, encoder, faults
        self.models, self.active, self.percentiles = {}, "", {}

    def add_model(self, label: str, scored: ScoredLoops) -> None:
        """Makes a fitted model the one the Explore page shows."""
        self.models[label] = scored
        self.percentiles.setdefault(label, DEFAULT_PERCENTILE)
        self.active = label
        self.generation += 1

    @property
    def model(self) -> ScoredLoops | None:
        """The model in view."""
        return self.models.get(self.active)

    @property
    def percentile(self) -> float:
        """The threshold of the model in view, as a percentile of its training scores."""
        return self.percentiles.get(self.active, DEFAULT_PERCENTILE)


def session() -> SessionState:
    """The present session's state, made on first use."""
    state: SessionState = st.session_state.setdefault(_KEY, SessionState())
    return state


def recall(defaults: Mapping[str, Any]) -> None:
    """Call before the widgets with these keys: gives them what was last chosen, or the default.

    Streamlit forgets a widget's value once a page without that widget was shown.
    """
    for key, default in defaults.items():
        st.session_state.setdefault(key, session().choices.get(key, default))


def remember(*keys: str) -> None:
    """Call after the widgets with these keys, so that `recall` knows their values."""
    session().choices.update({key: st.session_state[key] for key in keys})


def kept(name: str, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives, kept in the session under `name` as long as the key stays the same: one value a name.

    The key must differ whenever another value is due.
    """
    place = f"kept:{name}"  # no widget's key
    held: tuple[Hashable, T] | None = st.session_state.get(place)
    if held is None or held[0] != key:
        held = st.session_state[place] = (key, make())
    return held[1]


@st.cache_resource(show_spinner=False, on_release=Store.close)
def open_store(database: str) -> Store:
    """The one writer of the database, shared by all sessions; it holds no session's state."""
    return Store(Path(database))
