"""How a component's JavaScript reaches the browser: a few lines that travel with every rerun and import the rest."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from loopscope.ui.server import media

_SCRIPT = """
export default async function (component) {
  const script = document.querySelector('script[src*="/static/js/"]');
  const base = script ? script.src.split("/static/js/")[0] + "/" : new URL("./", document.baseURI).href;
  const { plotly } = component.data;
  if (plotly && !document.querySelector('link[href*="plotly.min.js"]')) {
    const early = { rel: "preload", as: "script", href: base + plotly };
    document.head.append(Object.assign(document.createElement("link"), early));
  }
  try {
    const { mount } = await import(base + component.data.assets + "/MODULE");
    return mount(component, base);
  } catch (error) {
    component.parentElement.textContent =
      `WHAT could not be loaded (${error.message}). Start the app with "streamlit run app.py".`;
  }
}
"""


def component(module: str, what: str, *, key: str, data: Mapping[str, Any], events: Sequence[str] = ()) -> Any:
    """Mount a component whose `mount(component, base)` is in assets/explorer; returns its states by name.

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
    return _registered(module, what)(key=key, data=sent, **{f"on_{event}_change": _ignore for event in events})


@functools.cache
def _registered(module: str, what: str) -> Any:
    script = _SCRIPT.replace("MODULE", module).replace("WHAT", what)
    return st.components.v2.component(f"loopscope_{module.removesuffix('.js')}", js=script, isolate_styles=False)


def _ignore() -> None:
    """Streamlit passes on only the states that have a callback."""
