"""Tables to Plotly figures, for pictures that need no audition; marks carry their loop_id in `customdata`.

Scores: higher = more anomalous. Colours are colour-blind safe (after Okabe and Ito) and work on light and dark ground.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from loopscope.progress import EpochReport
from loopscope.projection import project

TRAIN = "#5b8fb0"
VALIDATION = "#e0a33e"
NEW = "#4fae94"
ANOMALOUS = "#d55e00"
NEUTRAL = "#8a949a"
DRAWN = 5000  # marks that one native chart sends to the browser at most
SPLIT_COLOURS = {"train": TRAIN, "validation": VALIDATION, "new": NEW}
MANY_DECADES = 3  # from here on ticks are powers of ten only
PHASE_TITLES = {"pretrain": "Phase 1 · autoencoder", "finetune": "Phase 2 · Deep SVDD"}


def _figure(x_title: str, y_title: str, height: int, **layout: object) -> go.Figure:
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


def _log_axis(figure: go.Figure, values: Sequence[float] | pd.Series) -> None:
    """A log y axis with every tick written out: Plotly's own labels between decades drop the power of ten."""
    if not len(values):
        return
    low, high = np.log10(np.min(values)), np.log10(np.max(values))
    steps = (1, 2, 5) if high - low < MANY_DECADES else (1,)
    ticks = [step * 10.0**decade for decade in range(int(np.floor(low)) - 1, int(np.ceil(high)) + 1) for step in steps]
    figure.update_yaxes(type="log", tickmode="array", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])


def loss_curves(history: Sequence[EpochReport], phase: str, height: int = 260) -> go.Figure:
    """Training and validation loss of one phase ("pretrain" or "finetune") over its epochs, log scale."""
    figure = _figure("epoch", "loss (log)", height, uirevision=phase)
    reports = [report for report in history if report.phase == phase]
    epochs = [report.epoch for report in reports]
    for name, colour, values in (
        ("training", TRAIN, [report.train_loss for report in reports]),
        ("validation", VALIDATION, [report.validation_loss for report in reports]),
    ):
        figure.add_scatter(x=epochs, y=values, name=name, mode="lines", line={"color": colour, "width": 2})
    if all(report.train_loss > 0 and report.validation_loss > 0 for report in reports):
        _log_axis(figure, [value for report in reports for value in (report.train_loss, report.validation_loss)])
    else:
        figure.update_yaxes(title="loss")
    return figure


def score_boxes(models: Mapping[str, pd.DataFrame], height: int = 360) -> go.Figure:
    """Box plots of the scores of all fitted models for each split, log axis (the paper's Figures 6 and 9).

    `models`: label → columns loop_id, score, split. Scores that are not positive are left out of the log axis and
    counted in the model's label, so that nothing vanishes unsaid.
    """
    figure = _figure("", "anomaly score (log)", height, boxmode="group")
    frames = []
    for label, scores in models.items():
        positive = scores["score"] > 0
        left_out = int((~positive).sum())
        frames.append(scores[positive].assign(model=f"{label} ({left_out} ≤ 0 not drawn)" if left_out else label))
    data = pd.concat(frames, ignore_index=True)
    for split, whole in data.groupby("split", sort=False):
        rows = pd.concat([_thinned(part) for _, part in whole.groupby("model", sort=False)])
        figure.add_box(
            x=rows["model"],
            y=rows["score"],
            name=str(split),
            customdata=rows["loop_id"],
            boxpoints="outliers",
            marker={"color": SPLIT_COLOURS.get(str(split), NEUTRAL), "size": 4},
        )
    _log_axis(figure, data["score"])
    return figure


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """At most `DRAWN` rows, evenly spaced by rank and with both ends: the box stays that of all rows."""
    if len(rows) <= DRAWN:
        return rows
    return rows.sort_values("score").iloc[np.linspace(0, len(rows) - 1, DRAWN).round().astype(int)]


def score_histogram(table: pd.DataFrame, threshold: float, height: int = 300) -> go.Figure:
    """Scores by split, overlaid with log counts, and the threshold line (the paper's Figures 4 and 5)."""
    figure = _figure("anomaly score", "loops (log)", height, barmode="overlay")
    edges = np.histogram_bin_edges(table["score"], bins=50)
    for split, rows in table.groupby("split", sort=False):
        counts, _ = np.histogram(rows["score"], bins=edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges),
            name=str(split),
            opacity=0.65,
            marker={"color": SPLIT_COLOURS.get(str(split), NEUTRAL)},
            hovertemplate="score %{x:.3g}<br>%{y} loops",
        )
    figure.add_vline(x=threshold, line={"color": ANOMALOUS, "width": 2, "dash": "dash"}, annotation_text="threshold")
    figure.update_yaxes(type="log", dtick=1, range=[-0.3, np.log10(max(10, len(table)))])
    return figure


def rank_scatter(left: pd.DataFrame, right: pd.DataFrame, names: tuple[str, str], height: int = 460) -> go.Figure:
    """Rank of every loop under two models (1 = most anomalous), joined on loop_id.

    Of more than `DRAWN` loops those are drawn on which the models disagree most, and the axis says so.
    """
    ranks = joined_ranks(left, right)
    note = f" · the {DRAWN:,} of {len(ranks):,} loops with the largest gap" if len(ranks) > DRAWN else ""
    ranks = ranks.head(DRAWN)
    figure = _figure(f"rank by {names[0]}{note}", f"rank by {names[1]}", height)
    gap = (ranks["rank_left"] - ranks["rank_right"]).abs()
    figure.add_scattergl(
        x=ranks["rank_left"],
        y=ranks["rank_right"],
        mode="markers",
        customdata=ranks["loop_id"],
        text=ranks["name"],
        hovertemplate="%{text}<br>%{x} / %{y}<extra></extra>",
        marker={"size": 6, "color": gap, "colorscale": [[0, NEUTRAL], [1, ANOMALOUS]], "showscale": False},
    )
    figure.update_xaxes(autorange="reversed")
    figure.update_yaxes(autorange="reversed")
    return figure


def new_among_old(old: NDArray[np.float32], new: NDArray[np.float32], height: int = 300) -> go.Figure:
    """Latents of new loops (n, d) on the first two principal axes of the old ones, (m, d)."""
    shown = project(old, n_components=2)
    placed = project(new, n_components=2, reference=old)
    titles = [f"PC {axis} · {share:.1%} of variance" for axis, share in enumerate(shown.explained_variance, start=1)]
    figure = _figure(titles[0], titles[-1] if len(titles) > 1 else "", height)
    for name, colour, points in (("old", NEUTRAL, shown.coordinates), ("new", NEW, placed.coordinates)):
        figure.add_scattergl(
            x=points[:, 0], y=points[:, -1], name=name, mode="markers", marker={"color": colour, "size": 6}
        )
    return figure


def joined_ranks(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """loop_id, name, rank_left, rank_right and gap (left minus right), the largest disagreement first."""
    columns = ["loop_id", "rank"]
    both = left.drop_duplicates("loop_id")[[*columns, "name"]].merge(
        right.drop_duplicates("loop_id")[columns], on="loop_id", suffixes=("_left", "_right"), validate="one_to_one"
    )
    both["gap"] = both["rank_left"] - both["rank_right"]
    return both.sort_values("gap", key=lambda gap: -gap.abs(), ignore_index=True)


def duration_histogram(durations_s: NDArray[np.float64] | pd.Series, height: int = 220) -> go.Figure:
    """How long the loops are (the paper's Figure 2), seconds."""
    figure = _figure("duration (s)", "loops", height)
    counts, edges = np.histogram(durations_s, bins=40)  # here, not in the browser: 40 numbers travel instead of n
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=counts,
        width=np.diff(edges),
        marker={"color": TRAIN},
        hovertemplate="%{x:.2f} s: %{y} loops<extra></extra>",
    )
    return figure
