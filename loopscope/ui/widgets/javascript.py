"""Components in JavaScript: a few lines travel to the browser with every rerun and import the rest; what comes back.

Conventions: an event is a widget state, and its commits are mappings with the value and a serial number of the
browser's. A commit counts as fresh when it differs from what was there before, so none counts twice: act on it before
the next Streamlit call, at which a waiting rerun may end this one.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from loopscope.ui.server import media

_SCRIPT = """
export default async function (component) {
  const script = document.querySelector('script[src*="/static/js/"]');
  const base = script ? script.src.split("/static/js/")[0] + "/" : new URL("./", document.baseURI).href;
  const { plotly, height } = component.data;
  if (plotly && !document.querySelector('link[href*="plotly.min.js"]')) {
    const early = { rel: "preload", as: "script", href: base + plotly };
    document.head.append(Object.assign(document.createElement("link"), early));
  }
  if (height) component.parentElement.style.minHeight = `${height}px`; // so that what is below hardly moves
  const turns = (window.loopscopeTurns ??= new WeakMap());
  const turn = (turns.get(component.parentElement) ?? 0) + 1;
  turns.set(component.parentElement, turn);
  try {
    const { mount } = await import(base + component.data.assets + "/MODULE");
    const leave = mount(component, base);
    // Where reruns follow each other while the module is on its way, Streamlit ends the first mount after the second
    // has begun in the same place: it may not take that one away.
    return () => turns.get(component.parentElement) === turn && leave();
  } catch (error) {
    component.parentElement.textContent =
      `WHAT could not be loaded (${error.message}). Start the app with "streamlit run app.py".`;
  }
}
"""


@dataclass(frozen=True)
class Commits:
    """What the browser has committed, by event, empty before the first time; `fresh`: the events new in this run."""

    latest: dict[str, Mapping[str, Any]]
    fresh: frozenset[str]


def heard(key: str, events: Sequence[str]) -> Commits:
    """What the browser has committed, as this run hears it. Ask before mounting, which makes it old."""
    states, before = st.session_state.get(key), st.session_state.get(_seen(key), {})
    latest = {event: _commit(states, event) for event in events}
    return Commits(latest, frozenset(event for event in events if latest[event] and latest[event] != before.get(event)))


def _commit(states: Any, event: str) -> Mapping[str, Any]:
    """The commit of an event among a component's states; empty where the browser sent none, or anything else."""
    commit = states.get(event) if isinstance(states, Mapping) else None
    return commit if isinstance(commit, Mapping) else {}


def component(module: str, what: str, *, key: str, data: Mapping[str, Any], events: Sequence[str] = ()) -> Commits:
    """Mount a component whose `mount(component, base)` is in assets/explorer; returns what it has committed.

    Args:
        module: the file's name. What it draws is styled by the page, as Plotly writes its style sheet into the
            document's head, where a shadow root cannot see it.
        what: begins the sentence of a failure to load it.
        key: names it within the session; the browser gets it as `data.key`.
        data: sent at every rerun. Where it holds `plotly`, that file is asked for at once, being the largest and
            needed last.
        events: names of the states that Python hears of.
    """
    sent = {"key": key, "assets": media.assets_address(), **data}
    commits = heard(key, events)
    _registered(module, what)(key=key, data=sent, **{f"on_{event}_change": _ignore for event in events})
    st.session_state[_seen(key)] = commits.latest
    return commits


def _seen(key: str) -> str:
    return f"{key}:seen"


@functools.cache
def _registered(module: str, what: str) -> Any:
    script = _SCRIPT.replace("MODULE", module).replace("WHAT", what)
    return st.components.v2.component(f"loopscope_{module.removesuffix('.js')}", js=script, isolate_styles=False)


def _ignore() -> None:
    """Streamlit passes on only the states that have a callback."""
