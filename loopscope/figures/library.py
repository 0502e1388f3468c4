"""Figures of a library: durations and tempi (the paper's Table 1), genres and keys (its Figure 2), instruments.

Bars count loops; colours as in `figures.scores`.
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from loopscope.arrays import Float
from loopscope.figures.axes import labelled_figure
from loopscope.figures.scores import TRAIN

MOST_BARS = 10  # of one chart of counts; the rest share one


def duration_histogram(durations_s: Float | pd.Series, height: int = 220) -> go.Figure:
    """How long the loops are, seconds (the paper's Table 1 gives quartiles)."""
    figure = labelled_figure("duration (s)", "loops", height)
    _add_counts(figure, durations_s, 40, "%{x:.2f} s")
    return figure


def value_histogram(values: pd.Series, title: str, unit: str, height: int = 200) -> go.Figure:
    """How a measurement of the loops spreads, in its unit."""
    figure = labelled_figure(f"{title.lower()} ({unit})", "loops", height, bargap=0.04)
    _add_counts(figure, values.dropna(), 30, "%{x:.3g}")
    figure.update_layout(margin={"t": 8})
    return figure


def tempo_histogram(bpm: pd.Series, height: int = 200) -> go.Figure:
    """Tempi of the loops where they are known, beats per minute (the paper's Table 1 gives quartiles)."""
    figure = labelled_figure("tempo (BPM)", "loops", height, bargap=0.04)
    figure.add_histogram(
        x=bpm.dropna(), nbinsx=30, marker={"color": TRAIN}, hovertemplate="%{x} BPM: %{y} loops<extra></extra>"
    )
    figure.update_layout(margin={"t": 8})
    return figure


def count_bars(values: pd.Series, title: str, height: int = 200) -> go.Figure:
    """How many loops have each value, the most frequent first; what does not fit is one bar, unknown ones are left out.

    Values are words of the vocabularies in `metadata`, never raw names: Plotly takes ticks for markup.
    """
    counts = values.dropna().astype(str).value_counts()
    rest = int(counts.iloc[MOST_BARS:].sum())
    shown = counts.head(MOST_BARS)
    if rest:
        shown = pd.concat([shown, pd.Series({f"{len(counts) - MOST_BARS} others": rest})])
    figure = labelled_figure(title, "loops", height, bargap=0.2)
    figure.add_bar(
        x=list(shown.index), y=shown, marker={"color": TRAIN}, hovertemplate="%{x}: %{y} loops<extra></extra>"
    )
    figure.update_xaxes(type="category")
    figure.update_layout(margin={"t": 8})
    return figure


def _add_counts(figure: go.Figure, values: Float | pd.Series, bins: int, said: str) -> None:
    """Bars of how many loops lie in each bin. Counted here, not in the browser: `bins` numbers travel instead of n."""
    counts, edges = np.histogram(values, bins=bins)
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=counts,
        width=np.diff(edges),
        marker={"color": TRAIN},
        hovertemplate=f"{said}: %{{y}} loops<extra></extra>",
    )
