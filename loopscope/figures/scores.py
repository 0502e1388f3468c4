"""Figures of scores and latents from tables; marks that stand for one loop carry its loop_id in `customdata`.

Scores: higher = more anomalous. Colours are colour-blind safe (after Okabe and Ito) and work on light and dark ground.
Names are escaped: Plotly reads a little HTML in every text.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from loopscope.analysis.projection import Projection, project
from loopscope.arrays import Float, Int
from loopscope.figures.axes import labelled_figure, log_axis, log_ticks, round_ticks
from loopscope.progress import EpochReport

TRAIN = "#5b8fb0"
VALIDATION = "#e0a33e"
NEW = "#4fae94"
ANOMALOUS = "#d55e00"
NEUTRAL = "#8a949a"
DRAWN = 5000  # marks that one native chart sends to the browser at most
SPLIT_COLOURS = {"train": TRAIN, "validation": VALIDATION, "new": NEW}
MANY_POINTS = 3000
HEATMAP_ROWS, HEATMAP_COLUMNS = 240, 64
SPLIT_TITLES = {"train": "training", "validation": "validation", "new": "new loops"}
IQR_OF_NORMAL = 1.349  # standard deviations
PHASE_TITLES = {
    "pretrain": "Phase 1 · learns to rebuild the loops (autoencoder)",
    "finetune": "Phase 2 · draws normal loops together (Deep SVDD)",
}


def _add_points(figure: go.Figure, n_in_all: int, **trace: object) -> None:
    """Points as SVG, or through WebGL where there are so many that SVG would be slow."""
    add = figure.add_scattergl if n_in_all > MANY_POINTS else figure.add_scatter
    add(mode="markers", **trace)


def loss_curves(history: Sequence[EpochReport], phase: str, height: int = 260) -> go.Figure:
    """Training and validation loss of one phase ("pretrain" or "finetune") over its epochs, log scale.

    Before the first epoch axes without figures, which would mean nothing.
    """
    figure = labelled_figure("round (epoch)", "loss (log)", height, uirevision=phase)
    reports = [report for report in history if report.phase == phase]
    if not reports:
        for update_axis in (figure.update_xaxes, figure.update_yaxes):
            update_axis(
                range=[0, 1], showticklabels=False, showgrid=False, zeroline=False, showline=True, linecolor=NEUTRAL
            )
        return figure
    epochs = [report.epoch for report in reports]
    figure.update_xaxes(**round_ticks(epochs[-1]))
    for name, colour, values in (
        ("training", TRAIN, [report.train_loss for report in reports]),
        ("validation", VALIDATION, [report.validation_loss for report in reports]),
    ):
        mode = "lines" if len(reports) > 1 else "lines+markers"  # a line of one point is not seen
        figure.add_scatter(x=epochs, y=values, name=name, mode=mode, line={"color": colour, "width": 2})
    if all(report.train_loss > 0 and report.validation_loss > 0 for report in reports):
        log_axis(figure, [value for report in reports for value in (report.train_loss, report.validation_loss)])
    else:
        figure.update_yaxes(title="loss")
    return figure


def score_boxes(models: Mapping[str, pd.DataFrame], height: int = 360) -> go.Figure:
    """Box plots of the scores of all fitted models for each split, log axis (the paper's Figure 6).

    `models`: label → columns loop_id, score, split. Scores that are not positive are left out of the log axis and
    counted in the model's label, so that nothing vanishes unsaid.
    """
    figure = labelled_figure("", "anomaly score (log)", height, boxmode="group")
    frames = []
    for label, scores in models.items():
        positive = scores["score"] > 0
        left_out = int((~positive).sum())
        frames.append(
            scores[positive].assign(model=escape(label) + (f" ({left_out} ≤ 0 not drawn)" if left_out else ""))
        )
    data = pd.concat(frames, ignore_index=True)
    for split, whole in data.groupby("split", sort=False):
        rows = pd.concat([_thinned(part) for _, part in whole.groupby("model", sort=False)])
        figure.add_box(
            x=rows["model"],
            y=rows["score"],
            name=SPLIT_TITLES.get(str(split), str(split)),
            boxpoints="outliers",
            line={"width": 1.5},
            marker={"color": SPLIT_COLOURS.get(str(split), NEUTRAL), "size": 4},
        )
    log_axis(figure, data["score"])
    return figure


def _counted(title: str, n_all: int, n_drawn: int) -> str:
    return f"{title} ({n_all:,})" if n_drawn == n_all else f"{title} ({n_all:,}, {n_drawn:,} drawn)"


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """At most `DRAWN` rows, evenly spaced by rank and with both ends: the box stays that of all rows."""
    if len(rows) <= DRAWN:
        return rows
    return rows.sort_values("score").iloc[np.linspace(0, len(rows) - 1, DRAWN).round().astype(int)]


def score_histogram(table: pd.DataFrame, threshold: float, height: int = 300) -> go.Figure:
    """Scores by split, overlaid with log counts, and the threshold line (the paper's Figures 4 and 5)."""
    figure = labelled_figure("anomaly score", "loops (log)", height, barmode="overlay")
    edges = np.histogram_bin_edges(table["score"], bins=50)
    for split, rows in sorted(table.groupby("split"), key=lambda group: list(SPLIT_TITLES).index(str(group[0]))):
        counts, _ = np.histogram(rows["score"], bins=edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges),
            name=SPLIT_TITLES.get(str(split), str(split)),
            opacity=0.65,
            marker={"color": SPLIT_COLOURS.get(str(split), NEUTRAL)},
            hovertemplate="score %{x:.3g}<br>%{y} loops",
        )
    figure.add_vline(x=threshold, line={"color": ANOMALOUS, "width": 2, "dash": "dash"}, annotation_text=" threshold")
    figure.update_yaxes(type="log", dtick=1, range=[-0.3, np.log10(max(10, len(table)))])
    return figure


def rank_scatter(left: pd.DataFrame, right: pd.DataFrame, names: tuple[str, str], height: int = 460) -> go.Figure:
    """Rank of every loop under two models (1 = most anomalous), joined on loop_id, coloured by who flags it.

    Log axes, because the top of a ranking is what gets listened to. `left`, `right`: score tables with loop_id, name,
    rank and is_anomaly. Dotted lines stand after the last rank that each model flags. Of more than `DRAWN` loops those
    that either flags are drawn and those on which the models disagree most; the legend counts all.
    """
    names = escape(names[0]), escape(names[1])
    ranks = joined_ranks(left, right)
    flagged_by_either = ranks["flagged_left"] | ranks["flagged_right"]
    drawn = ranks.assign(first=~flagged_by_either).sort_values("first", kind="stable").head(DRAWN).index
    figure = labelled_figure(f"rank by {names[0]} (1 = stands out most)", f"rank by {names[1]}", height)
    for title, flagged, colour, size in (
        ("neither flags", (False, False), NEUTRAL, 6),
        (f"only {names[0]}", (True, False), VALIDATION, 8),
        (f"only {names[1]}", (False, True), TRAIN, 8),
        ("both flag", (True, True), ANOMALOUS, 8),
    ):
        rows = ranks[(ranks["flagged_left"] == flagged[0]) & (ranks["flagged_right"] == flagged[1])]
        n_all = len(rows)
        rows = rows[rows.index.isin(drawn)]
        _add_points(
            figure,
            len(ranks),
            x=rows["rank_left"],
            y=rows["rank_right"],
            name=_counted(title, n_all, len(rows)),
            customdata=rows["loop_id"],
            text=rows["name"].map(escape),
            hovertemplate="%{text}<br>rank %{x} and %{y}<extra></extra>",
            marker={"size": size, "color": colour, "opacity": 0.8, "line": {"width": 0}},
        )
    for side, add_line in (("left", figure.add_vline), ("right", figure.add_hline)):
        n_flagged = int(ranks[f"flagged_{side}"].sum())
        if n_flagged:
            add_line(n_flagged + 0.5, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    for update_axis in (figure.update_xaxes, figure.update_yaxes):
        update_axis(type="log", range=[np.log10(0.8), np.log10(1.25 * max(2, len(ranks)))], **log_ticks(1, len(ranks)))
    return figure


def new_among_old(old: Float, new: Float, height: int = 300) -> go.Figure:
    """Latents of new loops (n, d) on the first two principal axes of the old ones, (m, d)."""
    shown = project(old, n_components=2)
    placed = project(new, n_components=2, reference=old)
    titles = [f"PC {axis} · {share:.1%} of variance" for axis, share in enumerate(shown.explained_variance, start=1)]
    figure = labelled_figure(titles[0], titles[-1] if len(titles) > 1 else "", height)
    for name, colour, points in (("old", NEUTRAL, shown.coordinates), ("new", NEW, placed.coordinates)):
        figure.add_scattergl(
            x=points[:, 0], y=points[:, -1], name=name, mode="markers", marker={"color": colour, "size": 6}
        )
    return figure


def joined_ranks(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """loop_id, name, rank and flagged of both sides, and gap: how many times further down one ranking has the loop.

    The largest gap first: 2 against 40 (20 times) says more than 100 against 160.
    """
    columns = ["loop_id", "rank", "is_anomaly"]
    both = left.drop_duplicates("loop_id")[[*columns, "name"]].merge(
        right.drop_duplicates("loop_id")[columns], on="loop_id", suffixes=("_left", "_right"), validate="one_to_one"
    )
    both = both.rename(columns={"is_anomaly_left": "flagged_left", "is_anomaly_right": "flagged_right"})
    ranks = both[["rank_left", "rank_right"]]
    both["gap"] = ranks.max(axis=1) / ranks.min(axis=1)
    return both.sort_values(["gap", "rank_left"], ascending=[False, True], ignore_index=True)


def latent_scatter(projection: Projection, table: pd.DataFrame, height: int = 320) -> go.Figure:
    """The first two principal components of the latents, flagged loops on top.

    `table`: loop_id, name, score, is_anomaly, one row per row of the projection, in its order.
    """
    shares = [f"PC {k + 1} · {100 * share:.1f} % of variance" for k, share in enumerate(projection.explained_variance)]
    figure = labelled_figure(shares[0], shares[1] if len(shares) > 1 else "", height)
    x = projection.coordinates[:, 0]
    y = projection.coordinates[:, 1] if len(shares) > 1 else np.zeros_like(x)
    flagged = table["is_anomaly"].to_numpy(bool)
    for title, rows, colour in (("not flagged", ~flagged, NEUTRAL), ("flagged", flagged, ANOMALOUS)):
        chosen = _thinned(table[rows])
        at = table.index.get_indexer(chosen.index)
        _add_points(
            figure,
            len(table),
            x=x[at],
            y=y[at],
            name=_counted(title, int(rows.sum()), len(chosen)),
            customdata=chosen["loop_id"],
            text=[
                f"{escape(name)}<br>score {score:.4g}"
                for name, score in zip(chosen["name"], chosen["score"], strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
            marker={"size": 7, "color": colour, "opacity": 0.8, "line": {"width": 0}},
        )
    return figure


def latent_heatmap(latents: Float, order: Int, height: int = 320) -> go.Figure:
    """Latents (n, d), rows in `order` (most anomalous first) from top to bottom, in standard deviations per dimension.

    Centre and spread are median and interquartile range, which outliers do not move. More than `HEATMAP_ROWS` loops are
    averaged in bands of equal size, and more than `HEATMAP_COLUMNS` dimensions are cut to those that vary most.
    """
    columns = np.sort(np.argsort(-latents.var(axis=0), kind="stable")[:HEATMAP_COLUMNS])
    low, middle, high = np.percentile(latents[:, columns], [25, 50, 75], axis=0)
    spread = np.where(high > low, (high - low) / IQR_OF_NORMAL, 1.0)
    z = ((latents[np.ix_(order, columns)] - middle) / spread).astype(np.float32)
    step = -(-len(z) // HEATMAP_ROWS)
    edges = np.append(np.arange(0, len(z), step), len(z))
    bands = np.add.reduceat(z, edges[:-1], axis=0) / np.diff(edges)[:, None]
    limit = float(np.clip(np.percentile(np.abs(bands), 99), 1.0, 4.0))
    figure = labelled_figure("latent dimension", "rank by score", height)
    figure.add_heatmap(
        z=bands,
        x=[str(column + 1) for column in columns],
        y=edges + 0.5,
        zmin=-limit,
        zmax=limit,
        colorscale=[[0, "#2c6aa0"], [0.5, "#f4f4f2"], [1, "#b8860b"]],
        meta="diverging",  # the page puts its own ground in the middle
        colorbar={"title": {"text": "sd"}, "thickness": 8, "outlinewidth": 0},
        hovertemplate="rank %{y:.0f} · dimension %{x}<br>%{z:.2f} sd<extra></extra>",
    )
    figure.update_yaxes(range=[len(z) + 0.5, 0.5], showgrid=False)
    figure.update_xaxes(type="category", nticks=8, showgrid=False, tickangle=0)
    return figure
