"""The session's own state, under one key: widget keys vanish on a page switch, these do not.

A session is one browser tab. What was analysed belongs to its project, which tabs share and which outlives them; a page
takes the project's contents once (`look`) and keeps to them, as workers may replace them at any moment.
"""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.analysis.scoring import ScoredLoops
from loopscope.embeddings import EmbeddingSet
from loopscope.files import is_address
from loopscope.library import Library
from loopscope.metadata.collect import MetadataTable
from loopscope.ui.projects.contents import Contents, EncoderNote
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.server.published import session_token
from loopscope.ui.server.visitors import LOCAL, open_to, owner

_KEY = "loopscope"
READING_S = 2.0  # then a page says that the project is being opened
LED_S = 1.0  # after Explore was drawn for the user
REST_S = 10.0  # after which a tab that has gone lets go of what it showed
T = TypeVar("T")


@dataclass
class SessionState:
    """What one browser tab is working on."""

    project: Project = field(default_factory=Project)
    seen: Contents = field(default_factory=Contents)
    owner: str = ""
    arrived: bool = False  # what its address names is shown
    page: str = ""
    follows: bool = False  # the walk it started may open Explore
    led_at: float | None = None  # when Explore, which it did open, was drawn to its end
    selected: str | None = None
    lasso: tuple[str, ...] = ()
    filtered: tuple[str, ...] | None = None  # None: every loop
    browsed: Path | None = None
    allowed: tuple[Path, ...] = ()
    notice_read: str = ""
    told: set[int] = field(default_factory=set)  # tasks whose end was shown
    choices: dict[str, Any] = field(default_factory=dict)
    drawn: int = 0  # the project's generation as this run began
    asked_on: dict[str, str] = field(default_factory=dict)  # the page where each choice was last offered
    made: dict[str, tuple[Hashable, Any]] = field(default_factory=dict)  # what `kept` keeps
    tab: object = None  # the connection that it is shown on
    left: str = ""  # id of the project to open again, once the connection is back

    def rest(self) -> None:
        """Let go of everything large: the tab has gone. Streamlit keeps its session for two minutes more."""
        self.left = self.project.id
        if self.left:
            self.project, self.seen = Project(), Contents()
        self.made.clear()

    def look(self) -> Contents:
        """Take the project's contents as they stand now; pages go by these until the next look."""
        self.seen = self.project.contents
        return self.seen

    def use_project(self, project: Project, selected: str | None = None) -> None:
        """Show another project in this tab."""
        self.project, self.selected = project, selected or project.memory.selected
        self.lasso, self.filtered = (), None
        self.look()

    @property
    def library(self) -> Library | None:
        """The scanned folder."""
        return self.seen.library

    @property
    def encoder(self) -> EncoderNote | None:
        """Who made the numbers."""
        return self.seen.encoder

    @property
    def embeddings(self) -> EmbeddingSet | None:
        """All of them, or while they are made those so far."""
        return self.seen.embeddings

    @property
    def faults(self) -> pd.DataFrame | None:
        """The findings of the signal checks so far, but for those that a correction settled."""
        return self.seen.standing_faults

    @property
    def metadata(self) -> MetadataTable | None:
        """What is known of each file beside its sound."""
        return self.seen.metadata

    @property
    def models(self) -> Mapping[str, ScoredLoops]:
        """Fitted models by label, oldest first."""
        return self.seen.models

    @property
    def active(self) -> str:
        """Label of the model in view, empty where there is none."""
        return self.project.label_in(self.seen)

    @property
    def model(self) -> ScoredLoops | None:
        """The model in view."""
        return self.seen.models.get(self.active)

    @property
    def ranking(self) -> ScoredLoops | None:
        """The model in view, or before there is one the provisional ranking."""
        return self.model or self.seen.provisional

    @property
    def percentile(self) -> float:
        """The threshold of the model in view, as a percentile of its training scores."""
        return self.project.percentile_of(self.active)

    def select(self, loop_id: str | None) -> None:
        """Select a loop; the project remembers it."""
        if loop_id != self.selected:
            self.selected = loop_id
            self.project.remember(selected=loop_id)


class Tab:
    """A connection of one browser tab. Streamlit forgets it as soon as it ends, and the session two minutes later.

    Of the session, in case the tab comes back, only what is small is kept after REST_S: with the tables of its project
    each would hold tens of megabytes, and up to 128 may wait.
    """

    def __init__(self, state: SessionState) -> None:
        self.name = session_token()  # as the registry of projects knows it
        self.state = state
        context = get_script_run_ctx()
        self._fragments = None if context is None else context.fragment_storage

    def end(self) -> None:
        """The connection has ended; a run of the script that is still on its way out finds everything as it was."""
        project_registry().leave(self.name)
        timer = threading.Timer(REST_S, self._rest)
        timer.daemon = True
        timer.start()

    def _rest(self) -> None:
        if self.state.tab is self:  # else it is back, on another connection
            self.state.rest()
            if self._fragments is not None:
                self._fragments.clear()  # they hold what they were given


@st.cache_resource(scope="session", show_spinner=False, on_release=Tab.end)
def _tab() -> Tab:
    """The present connection."""
    return Tab(session())


def session() -> SessionState:
    """The present session's state, made on first use."""
    state: SessionState = st.session_state.setdefault(_KEY, SessionState())
    return state


def enter(page: str) -> SessionState:
    """Call first on every page: the session's state, in a new tab with the project that the address names."""
    state = session()
    if not state.arrived:
        _arrive(state)
    elif state.tab is not _tab():
        _come_back(state)
    state.tab = _tab()
    if page != state.page:
        state.follows = _still_follows(state, page)
        state.page = page
        state.project.remember(page=page)
    state.drawn = state.project.generation  # before the look: what comes in between is worth another run
    state.look()
    return state


def _still_follows(state: SessionState, page: str) -> bool:
    """Whether the walk may open Explore, where another page is entered: until it has.

    What the browser asked of the Library page before it heard of Explore may come late; it would end Explore half-drawn
    and leave the Library page for good. So it has opened only where it was drawn and the browser has been there.
    """
    if page == "explore":
        state.led_at = None
        return state.follows
    has_led = state.led_at is not None and time.monotonic() - state.led_at > LED_S
    return state.follows and page == "library" and not (has_led and _was_on_explore())


def _was_on_explore() -> bool:
    """Whether the browser asked for this page from Explore, by the address it had then, or by its back button.

    Streamlit's own `st.context.url` names the page that runs. Where no browser says anything, it was.
    """
    context = get_script_run_ctx()
    info = None if context is None else context.context_info
    if context is None or info is None or context.is_history_navigation:
        return True
    return urlsplit(info.url).path.rstrip("/").endswith("/explore")


def settle(state: SessionState) -> None:
    """Call once Explore is drawn to its end: a walk that was to open it has done so."""
    if state.follows and state.led_at is None:
        state.led_at = time.monotonic()


def _arrive(state: SessionState) -> None:
    """A new tab: the project that its address names.

    It has arrived only once that is shown. Streamlit ends a run wherever the browser asks for another, also while a
    stored project is waited for, and the next run must not take the tab for one that has none.
    """
    state.owner = state.owner or owner()
    asked = st.query_params.get("project", "")
    if asked and (project := project_registry().open(state.owner, asked, may_open)) is not None:
        open_project(project, st.query_params.get("loop"))
    state.arrived = True


def _come_back(state: SessionState) -> None:
    """The connection was lost and is there again: the project is the one that other tabs have by now."""
    asked = state.left or state.project.id
    if asked and (project := project_registry().open(state.owner, asked, may_open)) is not None:
        _enter(project)
        state.project, state.left = project, ""


def _enter(project: Project) -> None:
    project_registry().enter(_tab().name, project)
    deadline = time.monotonic() + READING_S
    while project.memory.models and not project.contents.models and project.tasks.any_running():
        project.is_out.clear()
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)


def may_open(folder: str) -> bool:
    """Whether this session may read a folder again that was opened before.

    What lies at an address only the person at this machine: with this machine's keys, from within its network.
    """
    visitor = session().owner
    return visitor == LOCAL if is_address(folder) else open_to(visitor)(Path(folder))


def open_project(project: Project, selected: str | None = None) -> None:
    """Show a project in this tab, and keep it in memory as long as the tab is there.

    One that has models is waited for while it is read from the store, so that its page is drawn once and whole.
    """
    _enter(project)
    session().use_project(project, selected)


def recall(defaults: Mapping[str, Any]) -> None:
    """Call before the widgets with these keys: gives them what was last chosen, or the default.

    Streamlit forgets a widget's value once a page without that widget was shown, and takes one with the same key on
    another page for a new widget.
    """
    state = session()
    for key, default in defaults.items():
        if key not in st.session_state or state.asked_on.get(key) != state.page:
            st.session_state[key] = state.choices.get(key, default)
        state.asked_on[key] = state.page


def remember(*keys: str) -> None:
    """Call after the widgets with these keys, so that `recall` knows their values."""
    session().choices.update({key: st.session_state[key] for key in keys})


def kept(name: str, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives, kept in the session under `name` as long as the key stays the same: one value a name.

    The key must differ whenever another value is due.
    """
    made = session().made
    if name not in made or made[name][0] != key:
        made[name] = (key, make())
    value: T = made[name][1]
    return value
