"""Figures of one loop: its sound with what was found in it, what carries its score, its bars.

Colours as in `figures.scores`: blue for sound, vermillion for what speaks against a loop; both hold on light and dark
ground. Names of kinds come from the table of limits, never from a file.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from loopscope.analysis.explanation import Carriers
from loopscope.analysis.moments import Moments
from loopscope.analysis.triage import TITLES
from loopscope.audio.spectrogram import RANGE_DB, SoundOutline
from loopscope.figures.scores import ANOMALOUS, TRAIN
from loopscope.hearing.key import note_name
from loopscope.hearing.line import Line
from loopscope.metadata.bars import LoopStructure

SOUND = (43, 123, 176)  # red, green, blue: stands out from both grounds; what is quiet lets the ground through
MARK_COLOURS = (ANOMALOUS, "#cc79a7", "#009e73", "#e69f00", "#56b4e9")
MARK_SYMBOLS = ("triangle-down", "diamond", "square", "star", "cross")
SHOWN_CARRIERS = 12
FREQUENCIES = (200, 1000, 3000, 10000)
LEAST_SHOWN = 3.0  # times typical, at the top of the curve
MOST_NUMBERED = 8  # bars whose correlations fit into their cells as numbers


def sound_figure(
    outline: SoundOutline, marks: Mapping[str, Sequence[float]], height: int = 340, moments: Moments | None = None
) -> go.Figure:
    """Waveform above mel spectrogram on one time axis, and below them how odd each moment is, where that is known.

    `marks`: kind of fault -> times in seconds.
    """
    heights = [0.42, 0.58] if moments is None else [0.34, 0.46, 0.2]
    figure = make_subplots(rows=len(heights), shared_xaxes=True, vertical_spacing=0.04, row_heights=heights)
    _outline(figure, outline)
    _mel(figure, outline)
    if moments is not None:
        _curve(figure, moments)
    highest = max(float(np.abs(outline.low).max()), float(np.abs(outline.high).max()), 1e-3)
    for i, (kind, times_s) in enumerate(marks.items()):
        colour, symbol = MARK_COLOURS[i % len(MARK_COLOURS)], MARK_SYMBOLS[i % len(MARK_SYMBOLS)]
        _marks(figure, TITLES.get(kind, kind), times_s, (colour, symbol), 1.15 * highest)
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 8, "t": 28 if marks else 8, "b": 40},
        showlegend=bool(marks),
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        hovermode="closest",
    )
    figure.update_xaxes(range=[0, outline.duration_s], showgrid=False)
    figure.update_xaxes(title="time (s)", row=len(heights))
    figure.update_yaxes(title="level", range=[-1.3 * highest, 1.3 * highest], nticks=3, zeroline=False, row=1)
    return figure


def draw_ahead() -> None:
    """Draws one figure for nobody: at the first Plotly imports 45 modules, 0.1 s that no "Why?" need wait for."""
    nothing = np.zeros(2)
    sound_figure(SoundOutline(1.0, nothing, nothing, nothing, nothing, nothing, np.zeros((2, 2))), {"click": [0.5]})


def carriers_figure(carriers: Carriers, height: int = 260) -> go.Figure:
    """The dimensions with the largest shares as bars, to the right where the loop lies above, left where below."""
    table = carriers.table.head(SHOWN_CARRIERS).iloc[::-1]
    signed = 100 * table["share"] * np.sign(table["difference"])
    figure = go.Figure()
    figure.add_bar(
        x=signed,
        y=[str(dimension) for dimension in table["dimension"]],
        orientation="h",
        marker={"color": np.where(signed >= 0, ANOMALOUS, TRAIN).tolist()},
        customdata=np.column_stack([100 * table["share"], table["difference"]]),
        hovertemplate=f"{carriers.unit} %{{y}}: %{{customdata[0]:.1f}} % of the squared distance, "
        "difference %{customdata[1]:+.3g}<extra></extra>",
    )
    figure.update_layout(height=height, margin={"l": 56, "r": 8, "t": 8, "b": 40}, bargap=0.25)
    figure.update_xaxes(title="share of the squared distance (%), signed", zeroline=True)
    figure.update_yaxes(title=carriers.unit, type="category")
    return figure


def bars_figure(structure: LoopStructure, height: int = 250) -> go.Figure:
    """Correlation of every bar with every other, -1 to 1; bars count from 1."""
    numbers = list(range(1, structure.n_bars + 1))
    figure = go.Figure()
    figure.add_heatmap(
        z=structure.correlation,
        x=numbers,
        y=numbers,
        zmin=-1,
        zmax=1,
        colorscale=[[0, ANOMALOUS], [0.5, "rgba(138,148,154,0.12)"], [1, f"rgb{SOUND}"]],
        texttemplate="%{z:.2f}" if structure.n_bars <= MOST_NUMBERED else None,
        xgap=1,
        ygap=1,
        colorbar={"thickness": 8, "len": 0.95, "tickvals": [-1, 0, 1]},
        hovertemplate="bar %{x} and bar %{y}: correlation %{z:.2f}<extra></extra>",
    )
    figure.update_layout(height=height, margin={"l": 40, "r": 8, "t": 8, "b": 40})
    step = -(-len(numbers) // 8)
    figure.update_xaxes(title="bar", tickvals=numbers[::step], constrain="domain", showgrid=False)
    figure.update_yaxes(tickvals=numbers[::step], autorange="reversed", scaleanchor="x", constrain="domain")
    return figure


def _outline(figure: go.Figure, outline: SoundOutline) -> None:
    style = {"mode": "lines", "line": {"color": TRAIN, "width": 1}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=outline.times_s, y=outline.low, **style, row=1, col=1)
    figure.add_scatter(x=outline.times_s, y=outline.high, **style, fill="tonexty", fillcolor=TRAIN, row=1, col=1)


def _mel(figure: go.Figure, outline: SoundOutline) -> None:
    """Rows are mel bins, evenly spaced; ticks name their frequencies."""
    figure.add_heatmap(
        x=outline.frame_s,
        y=np.arange(len(outline.mel_hz)),
        z=np.round(outline.mel_db).astype(np.int8),
        zmin=-RANGE_DB,
        zmax=0,
        colorscale=[[0, f"rgba{(*SOUND, 0)}"], [1, f"rgba{(*SOUND, 1)}"]],
        showscale=False,
        hovertemplate="%{x:.2f} s: %{z} dB below the loudest<extra></extra>",
        row=2,
        col=1,
    )
    shown = [hz for hz in FREQUENCIES if hz < outline.mel_hz[-1]]
    places = np.interp(shown, outline.mel_hz, np.arange(len(outline.mel_hz)))
    labels = [f"{hz / 1000:g} k" if hz >= 1000 else str(hz) for hz in shown]
    figure.update_yaxes(title="Hz", tickvals=places, ticktext=labels, showgrid=False, zeroline=False, row=2)


def _curve(figure: go.Figure, moments: Moments) -> None:
    """A step for each moment, and a line at the oddest."""
    edges = np.arange(len(moments.curve) + 1) * moments.step_s
    figure.add_scatter(
        x=edges,
        y=np.append(moments.curve, moments.curve[-1]),
        line={"color": TRAIN, "width": 1, "shape": "hv"},
        fill="tozeroy",
        fillcolor=TRAIN,
        hovertemplate="%{x:.2f} s: %{y:.1f} times a typical moment<extra></extra>",
        name="odd",
        showlegend=False,
        row=3,
        col=1,
    )
    figure.add_vline(x=moments.at_s, line={"color": ANOMALOUS, "width": 1.5}, row=3, col=1)
    figure.update_yaxes(title="odd", range=[0, max(LEAST_SHOWN, 1.08 * moments.odd)], nticks=3, row=3)


def _marks(figure: go.Figure, title: str, times_s: Sequence[float], look: tuple[str, str], height: float) -> None:
    """A symbol above the waveform and a line through both panels for each time."""
    colour, symbol = look
    figure.add_scatter(
        x=list(times_s),
        y=[height] * len(times_s),
        mode="markers",
        name=title,
        marker={"color": colour, "symbol": symbol, "size": 9},
        hovertemplate=f"{title} at %{{x:.3f}} s<extra></extra>",
        row=1,
        col=1,
    )
    lines = np.repeat(np.asarray(times_s, dtype=np.float64), 3)
    for row, (low, high) in ((1, (-height, height)), (2, (-0.5, 95.5))):
        figure.add_scatter(
            x=lines,
            y=np.tile([low, high, np.nan], len(times_s)),
            mode="lines",
            line={"color": colour, "width": 1},
            hoverinfo="skip",
            showlegend=False,
            row=row,
            col=1,
        )


def line_figure(line: Line, duration_s: float, height: int = 200) -> go.Figure:
    """A piano roll: each note a bar from its beginning to its end, at its pitch."""
    pitches = list(range(int(line.pitch.min()) - 1, int(line.pitch.max()) + 2))
    figure = go.Figure()
    figure.add_bar(
        x=line.end_s - line.start_s,
        base=line.start_s,
        y=line.pitch,
        orientation="h",
        width=0.9,
        marker={"color": f"rgb{SOUND}"},
        customdata=[note_name(int(pitch)) for pitch in line.pitch],
        hovertemplate="%{customdata} at %{base:.2f} s<extra></extra>",
    )
    figure.update_layout(height=height, margin={"l": 56, "r": 8, "t": 8, "b": 40})
    figure.update_xaxes(title="time (s)", range=[0, duration_s], showgrid=False)
    step = -(-len(pitches) // 8)
    names = [note_name(pitch) for pitch in pitches[::step]]
    figure.update_yaxes(range=[pitches[0] - 0.5, pitches[-1] + 0.5], tickvals=pitches[::step], ticktext=names)
    return figure
