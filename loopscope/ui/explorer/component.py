"""The explorer: linked histogram, scatter, heatmap, ranking and player in one component.

Conventions: everything to and from outside is loop_id. The browser owns sound, live threshold, pan, selection and the
keyboard; Python hears committed events only. Arrays travel once per `ExplorerView.version` over the media routes; what
is sent at a rerun is a JSON object of a few hundred bytes plus the marks.

Commits go one at a time, each waiting for the one before to be acknowledged; what is sent beside an acknowledgement has
taken the commit into account.
"""

import base64
import binascii
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from loopscope import config
from loopscope.detection import thresholds
from loopscope.ui.explorer import packing
from loopscope.ui.explorer.view import ExplorerView
from loopscope.ui.server import media
from loopscope.ui.widgets.javascript import component, heard

DEFAULT_HEIGHT = 700  # CSS pixels that are kept free until the explorer is there
_EVENTS = ("selected", "percentile", "lasso", "filtered", "changed")


@dataclass(frozen=True)
class ExplorerEvent:
    """Where the explorer stands after this run.

    selected: loop_id, None where nothing is selected. percentile: in percent of the reference scores.
    threshold: the score at that percentile, NaN before there are scores. lasso: loop_ids inside the lasso or box now,
    most anomalous first. filtered: loop_ids in focus of search and filters, in the same order; None where all are.
    """

    selected: str | None
    percentile: float
    threshold: float
    lasso: tuple[str, ...]
    filtered: tuple[str, ...] | None = None


@contextmanager
def desk() -> Iterator[None]:
    """Where the explorer stands, with what is shown beside it in a container of key "explain" (see layout.css)."""
    with st.container(key="ls-stage"), st.container(key="ls-desk"):
        yield


def explorer(
    view: ExplorerView,
    *,
    key: str,
    percentile: float = config.DEFAULT_PERCENTILE,
    selected: str | None = None,
    marks: Mapping[str, str] | None = None,
    notes: Collection[str] = (),
    provisional: bool = False,
    project: str = "",
    look: Mapping[str, Any] | None = None,
    earlier: Sequence[ExplorerView] = (),
    height: int = DEFAULT_HEIGHT,
) -> ExplorerEvent:
    """Show the explorer; call it inside an `@st.fragment`, so that its events rerun only what depends on them.

    Sound needs `media_registry().publish_library(session_token(), {loop_id: path})` beforehand, and marks need
    `publish_outbox`: they are stored by its route, and this component asks for a rerun when they are. Keep the returned
    `selected` and `percentile` under session keys of your own and hand them back at the next run: the component's own
    state is lost when its page is left.

    Args:
        view: what is shown.
        key: names this explorer within the session.
        percentile: threshold that applies now, 0 to 100.
        selected: loop_id that is selected now.
        marks: loop_id → keep | quarantine | love, for the loops that have a mark: read in this run, so that a mark that
            is said to be saved is among them.
        notes: loop_ids of the loops that have a note.
        provisional: whether the ranking will give way to a model's.
        project: names whose loops these are; another project's explorer begins anew.
        look: what the browser said of filters, order and zoom when it last posted its view.
        earlier: views that the browser may still have shown when it committed a lasso or a filter.
        height: in CSS pixels, kept free until the explorer is there.
    """
    token = media.session_token()
    media.media_registry().publish_blobs(token, view.version, lambda: packing.pack_view(view))
    said = heard(key, _EVENTS)
    commits, fresh = said.latest, said.fresh
    if "selected" in fresh:
        selected = _selected(view, commits["selected"])
    if "percentile" in fresh:
        percentile = _percentile(view, commits["percentile"], percentile)
    component(
        "main.js",
        "The explorer",
        key=key,
        data={
            "plotly": media.plotly_address(),
            "token": token,
            "version": view.version,
            "title": view.title,
            "percentile": float(percentile),
            "selected": selected,
            "marks": dict(marks or {}),
            "notes": list(notes),
            "taught": view.lessons.name if view.lessons is not None else "",
            "acknowledged": max(_serial(commit) for commit in commits.values()),
            "provisional": provisional,
            "project": project,
            "view": dict(look) if look else None,
            "height": height,
        },
        events=_EVENTS,
    )
    return ExplorerEvent(
        selected=selected,
        percentile=percentile,
        threshold=thresholds.threshold_at(view.reference_scores, percentile) if len(view.reference_scores) else np.nan,
        lasso=_rows_in([*earlier, view], commits["lasso"]) or (),
        filtered=_rows_in([*earlier, view], commits["filtered"]),
    )


def _serial(commit: Mapping[str, Any]) -> int:
    serial = commit.get("serial")
    return serial if isinstance(serial, int) else 0


# What comes from a browser is checked: anything but ids and numbers of this view is passed over.


def _selected(view: ExplorerView, commit: Mapping[str, Any]) -> str | None:
    loop_id = commit.get("value")
    return loop_id if _holds(view, loop_id) else None


def _percentile(view: ExplorerView, commit: Mapping[str, Any], current: float) -> float:
    """The percentile committed for this view's model, else the current one: another model's is no business of it."""
    value = commit.get("value")
    if str(commit.get("version", view.version)).partition("-")[0] != view.version.partition("-")[0]:
        return current
    return float(np.clip(value, 0.0, 100.0)) if isinstance(value, int | float) and np.isfinite(value) else current


def _holds(view: ExplorerView, loop_id: Any) -> bool:
    return isinstance(loop_id, str) and bool((view.loops["loop_id"] == loop_id).any())


def _rows_in(views: Sequence[ExplorerView], commit: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Ids of the rows in a bit set that was made for one of these views, most anomalous first; else None."""
    bits = commit.get("value")
    view = next((view for view in views if view.version == commit.get("version")), None)
    if view is None or not isinstance(bits, str):
        return None
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
    except binascii.Error:
        return None
    if len(packed) != -(-len(view.loops) // 8):  # numpy would fill up none at all with whatever is in memory
        return None
    inside = np.unpackbits(packed, count=len(view.loops), bitorder="little").astype(bool)
    rows = view.order[inside][::-1]
    return tuple(view.loops["loop_id"].iloc[rows])
