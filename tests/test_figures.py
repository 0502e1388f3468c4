"""Figures say what the tables say: every loop drawn or counted, most anomalous on top, ids on every mark."""

import numpy as np
import pandas as pd
import pytest

from loopscope.analysis.projection import project
from loopscope.figures import scores as figures
from loopscope.progress import EpochReport

N = 60


def table(seed: int, n_flagged: int = 5) -> pd.DataFrame:
    """Distinct scores of N loops; the highest `n_flagged` are flagged."""
    rng = np.random.default_rng(seed)
    scores = rng.permutation(np.geomspace(0.1, 50, N))
    ranks = (-scores).argsort().argsort() + 1
    return pd.DataFrame(
        {
            "loop_id": [f"id{i}" for i in range(N)],
            "name": [f"<b>loop {i}</b>.wav" for i in range(N)],
            "score": scores,
            "rank": ranks,
            "is_anomaly": ranks <= n_flagged,
            "split": np.where(np.arange(N) % 5 == 0, "validation", "train"),
        }
    )


def test_a_rank_scatter_holds_each_loop_once_under_who_flags_it() -> None:
    left, right = table(1, 5), table(2, 8)
    figure = figures.rank_scatter(left, right.sample(frac=1, random_state=0), ("A", "B"))
    drawn = {loop_id: trace.name for trace in figure.data for loop_id in trace.customdata}
    assert set(drawn) == set(left["loop_id"]) and sum(len(trace.x) for trace in figure.data) == N
    flagged = {
        loop: (a, b) for loop, a, b in zip(left["loop_id"], left["is_anomaly"], right["is_anomaly"], strict=True)
    }
    said = {(False, False): "neither", (True, False): "only A", (False, True): "only B", (True, True): "both"}
    assert all(name.startswith(said[flagged[loop_id]]) for loop_id, name in drawn.items())
    ranks = dict(zip(left["loop_id"], left["rank"], strict=True))
    assert all(ranks[i] == x for trace in figure.data for i, x in zip(trace.customdata, trace.x, strict=True))
    assert {shape.x0 for shape in figure.layout.shapes} >= {5.5} and {s.y0 for s in figure.layout.shapes} >= {8.5}


def test_names_that_are_markup_stay_text() -> None:
    figure = figures.rank_scatter(table(1), table(2), ("<i>A</i>", "B"))
    texts = [text for trace in figure.data for text in trace.text]
    assert len(texts) == N and all(text.startswith("&lt;b&gt;loop") for text in texts)
    assert "<i>" not in figure.layout.xaxis.title.text
    assert "<b>" not in str(figures.latent_scatter(project(np.eye(N), n_components=2), table(3)).data)


def test_the_largest_disagreement_is_the_largest_ratio_of_ranks() -> None:
    left = pd.DataFrame({"loop_id": list("abc"), "name": list("abc"), "rank": [2, 100, 1], "is_anomaly": False})
    right = pd.DataFrame({"loop_id": list("cab"), "rank": [1, 40, 160], "is_anomaly": False})
    ranks = figures.joined_ranks(left, right)
    assert list(ranks["loop_id"]) == ["a", "b", "c"]
    assert list(ranks["gap"]) == pytest.approx([20.0, 1.6, 1.0])


def test_a_latent_scatter_marks_the_flagged_loops_and_keeps_their_places() -> None:
    scored = table(3)
    latents = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
    projection = project(latents, n_components=2)
    figure = figures.latent_scatter(projection, scored)
    rest, flagged = figure.data
    assert set(flagged.customdata) == set(scored.loc[scored["is_anomaly"], "loop_id"])
    assert len(rest.x) + len(flagged.x) == N
    row = list(scored["loop_id"]).index(flagged.customdata[0])
    assert (flagged.x[0], flagged.y[0]) == tuple(projection.coordinates[row])


def test_a_single_latent_dimension_is_drawn_on_a_line() -> None:
    projection = project(np.arange(N, dtype=np.float32)[:, None], n_components=2)
    figure = figures.latent_scatter(projection, table(3))
    assert all(not np.any(trace.y) for trace in figure.data)


def test_a_heatmap_has_the_most_anomalous_loops_on_top_and_says_so_in_standard_deviations() -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal(5, 2, size=(N, 4)).astype(np.float32)
    latents[7] = 5 + 2 * 30
    order = np.array([7, *[i for i in range(N) if i != 7]])
    figure = figures.latent_heatmap(latents, order)
    z = np.asarray(figure.data[0].z)
    assert z.shape == (N, 4) and (z[0] > 10).all() and abs(np.median(z)) < 0.1
    assert figure.layout.yaxis.range == (N + 0.5, 0.5)


def test_a_heatmap_of_many_loops_and_dimensions_is_averaged_and_cut() -> None:
    n, d = 1000, 200
    latents = np.zeros((n, d), np.float32)
    latents[:, [3, 150]] = np.linspace(-1, 1, n)[:, None]
    figure = figures.latent_heatmap(latents, np.arange(n)[::-1])
    z, y = np.asarray(figure.data[0].z), np.asarray(figure.data[0].y)
    assert z.shape == (200, figures.HEATMAP_COLUMNS) and len(y) == 201 and (y[0], y[-1]) == (0.5, n + 0.5)
    assert {"4", "151"} <= set(figure.data[0].x)
    assert np.isfinite(z).all()


def test_boxes_leave_out_what_a_log_axis_cannot_hold_and_say_how_many() -> None:
    scores = table(4).assign(score=lambda rows: np.where(rows["rank"] > N - 3, 0.0, rows["score"]))
    figure = figures.score_boxes({"A": scores})
    assert sum(len(trace.y) for trace in figure.data) == N - 3
    assert {label for trace in figure.data for label in trace.x} == {"A (3 ≤ 0 not drawn)"}


@pytest.mark.parametrize("low, high", [(0.1, 50.0), (1.0, 1.5), (1e-6, 1e4), (3.0, 3.0)])
def test_log_ticks_are_written_in_full_and_span_the_values(low: float, high: float) -> None:
    axis = figures.score_boxes({"A": table(3).assign(score=np.linspace(low, high, N))}).layout.yaxis
    assert min(axis.tickvals) <= low * 1.001 and max(axis.tickvals) >= high * 0.999
    assert [float(text.replace(",", "")) for text in axis.ticktext] == pytest.approx(axis.tickvals)


def test_histograms_count_every_loop_training_first() -> None:
    figure = figures.score_histogram(table(5), 20.0)
    assert [trace.name for trace in figure.data] == ["training", "validation"]
    assert sum(int(np.sum(trace.y)) for trace in figure.data) == N


def epochs(n: int, low: float, high: float, phase: str = "pretrain") -> list[EpochReport]:
    return [
        EpochReport(phase, i + 1, n, value, 1.01 * value) for i, value in enumerate(np.geomspace(high, low / 1.01, n))
    ]


@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_curves_before_the_first_epoch_show_no_figures_that_mean_nothing(phase: str) -> None:
    other = {"pretrain": "finetune", "finetune": "pretrain"}[phase]
    figure = figures.loss_curves(epochs(3, 0.1, 1.0, other), phase)
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        assert axis.showticklabels is False and axis.title.text


@pytest.mark.parametrize("n", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("low, high", [(0.971, 0.983), (0.61, 0.93), (0.2, 8.0), (1e-6, 3.0), (2.0, 2.0), (1100, 1190)])
def test_curves_have_labels_on_both_axes_within_what_is_drawn(n: int, low: float, high: float) -> None:
    figure = figures.loss_curves(epochs(n, low, high), "pretrain")
    (left, right), rounds = figure.layout.xaxis.range, figure.layout.xaxis.tickvals
    assert 2 <= sum(left <= tick <= right for tick in rounds) <= 11 and all(tick == int(tick) for tick in rounds)
    drawn = [value for trace in figure.data for value in trace.y]
    ticks = figure.layout.yaxis.tickvals
    assert min(ticks) <= min(drawn) and max(ticks) >= max(drawn)
    if n > 1 and high > low:
        assert 3 <= sum(min(drawn) <= tick <= max(drawn) for tick in ticks) <= 11
    assert all(trace.mode != "lines" for trace in figure.data) or n > 1, "a single point is seen"
    assert all(float(text.replace(",", "")) > 0 for text in figure.layout.yaxis.ticktext)
