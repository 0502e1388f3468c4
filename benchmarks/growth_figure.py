"""The log-log figure of docs/SCALE.md: seconds by stage and peaks of memory against the number of loops.

Drawn by Plotly and kept as it draws it, by the browser that the tests use.
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tests.browser.driving import CHROMIUM, chromium

FIGURE = Path(__file__).resolve().parent.parent / "docs" / "scale.svg"
WIDTH, HEIGHT = 1000, 420
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # Okabe and Ito's
LEAST_S = 0.01  # less is not measured
NAME_APART = 0.3  # decades of seconds
MEMORY = {"table": "to the ranked table", "index": "with the index"}


def write_figure(rows: Sequence[Mapping[str, Any]], stages: Mapping[str, str], limit_mb: float) -> bool:
    """Rows as in docs/scale.json; whether there was a browser to draw with."""
    if not CHROMIUM.exists():
        return False
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page_file = Path(folder) / "figure.html"
        drawn(rows, stages, limit_mb).write_html(page_file, config={"staticPlot": True})
        page = browser.new_page()
        page.goto(page_file.as_uri())
        page.wait_for_selector(".main-svg")
        size = f"{{format: 'svg', width: {WIDTH}, height: {HEIGHT}}}"
        address = page.evaluate(f"Plotly.toImage(document.querySelector('.plotly-graph-div'), {size})")
    FIGURE.write_text(unquote(address.partition(",")[2]) + "\n", encoding="utf-8")
    return True


def drawn(rows: Sequence[Mapping[str, Any]], stages: Mapping[str, str], limit_mb: float) -> go.Figure:
    """Two panels; each line is named at its end."""
    figure = make_subplots(1, 2, subplot_titles=("Seconds", "Peak of memory, MB"), horizontal_spacing=0.26)
    seconds = {
        title: [(row["n"], value) for row in rows if (value := row["stages"][stage]["seconds"]) >= LEAST_S]
        for stage, title in stages.items()
    }
    memory = {title: [(row["n"], row["stages"][stage]["peak_mb"]) for row in rows] for stage, title in MEMORY.items()}
    memory["the limit"] = [(row["n"], limit_mb) for row in rows]
    add_lines(figure, 1, seconds)
    add_lines(figure, 2, memory)
    ends = [math.log10(rows[0]["n"]) - 0.1, math.log10(rows[-1]["n"]) + 0.1]
    figure.update_xaxes(type="log", title="loops", dtick=1, exponentformat="power", range=ends)
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    figure.update_yaxes(range=(2, 4), col=2)
    return figure.update_layout(template="plotly_white", showlegend=False, margin={"r": 150, "t": 40})


def add_lines(figure: go.Figure, column: int, lines: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Through (loops, value) each, with names that keep apart."""
    lowest = -math.inf
    ends = {title: points[-1] for title, points in lines.items() if points}
    for title, (x, y) in sorted(ends.items(), key=lambda end: end[1][1]):
        colour = COLOURS[list(lines).index(title)]
        xs, ys = zip(*lines[title], strict=True)
        figure.add_scatter(x=xs, y=ys, mode="lines+markers", marker_color=colour, row=1, col=column)
        lowest = max(math.log10(y), lowest + (NAME_APART if column == 1 else NAME_APART / 3))
        end = {"x": math.log10(x), "y": lowest, "xanchor": "left", "showarrow": False, "xshift": 8}
        figure.add_annotation(text=title, font={"color": colour, "size": 12}, row=1, col=column, **end)
