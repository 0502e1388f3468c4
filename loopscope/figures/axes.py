"""Empty figures with the margins that all share, and ticks that are written in full from end to end of an axis."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

MANY_DECADES = 3  # from here on ticks are powers of ten only
FEWEST_TICKS = 3  # of an axis
NICE = (1.0, 2.0, 5.0, 10.0)  # steps between ticks, times a power of ten
HARDLY_DIFFERENT = 1e-3  # of a value: no ticks are squeezed in between


def labelled_figure(x_title: str, y_title: str, height: int, **layout: object) -> go.Figure:
    """An empty figure with axis titles and the margins that all figures share; `layout` goes to Plotly."""
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 12, "t": 32, "b": 44},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        hoverlabel={"align": "left"},
        **layout,
    )
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(title=y_title)
    return figure


def log_axis(figure: go.Figure, values: Sequence[float] | pd.Series) -> None:
    """A log y axis with every tick written out: Plotly's own labels between decades drop the power of ten."""
    if len(values):
        figure.update_yaxes(type="log", **log_ticks(float(np.min(values)), float(np.max(values))))


def log_ticks(low: float, high: float) -> dict[str, list[float] | list[str]]:
    """Ticks that span low to high: 1, 2 and 5 of each decade, of many decades the powers of ten alone, and within a
    small part of one decade as many equal steps as it takes to have a few.
    """
    decades = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 1)
    steps = (1, 2, 5) if high < low * 10**MANY_DECADES else (1,)
    values = [step * 10.0**decade for decade in decades for step in steps]
    if sum(low <= value <= high for value in values) < FEWEST_TICKS:
        span = high - low if high - low > HARDLY_DIFFERENT * low else 0.1 * low
        step = _nice_step(span / FEWEST_TICKS)
        values = [step * k for k in range(max(1, int(low // step)), int(high // step) + 2)]
    return {"tickvals": values, "ticktext": [f"{value:,.10g}" for value in values]}


def round_ticks(last: int) -> dict[str, list[float] | list[int]]:
    """An axis of epochs, from 0 to the last, with whole numbers only."""
    step = max(1, int(_nice_step(max(last / FEWEST_TICKS, 1.0))))
    return {"range": [0, 1.02 * max(last, 2)], "tickvals": list(range(0, max(last, 2) + 1, step))}


def _nice_step(largest: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above `largest`."""
    decade = 10.0 ** np.floor(np.log10(largest))
    return float(decade * max(nice for nice in NICE if nice * decade <= largest * (1 + 1e-9)))
