"""How a component's JavaScript reaches the browser: a few lines that travel with every rerun and import the rest."""

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


def bootstrap(module: str, what: str) -> str:
    """JavaScript for `st.components.v2.component` that calls `mount(component, base)` of a file in assets/explorer.

    The component's data must hold `assets`, as from `media.assets_address()`; where it holds `plotly`, that
    file is asked for at once, being the largest and needed last. `what` begins the sentence of a failure.
    """
    return _SCRIPT.replace("MODULE", module).replace("WHAT", what)
