"""The three figures of one analysis, for a notebook."""

import numpy as np
import plotly.graph_objects as go

from loopscope.analysis.pipeline import Analysis
from loopscope.config import DEFAULT_PERCENTILE
from loopscope.detection.thresholds import is_anomaly, threshold_at
from loopscope.figures.scores import latent_heatmap, latent_scatter, score_histogram


def figures_of(analysis: Analysis, percentile: float = DEFAULT_PERCENTILE) -> dict[str, go.Figure]:
    """Figures "histogram", "scatter" and "heatmap" of the scores and latents, one mark a loop.

    `percentile` (0 to 100) of the training scores is the threshold that they show. Raises DataError outside that range.
    """
    scored = analysis.scored
    threshold = threshold_at(scored.reference_scores, percentile)
    loops = scored.scores.merge(analysis.library.unique[["loop_id", "name"]], on="loop_id", validate="one_to_one")
    loops["is_anomaly"] = is_anomaly(loops["score"].to_numpy(), threshold)
    return {
        "histogram": score_histogram(loops, threshold),
        "scatter": latent_scatter(scored.projection, loops),
        "heatmap": latent_heatmap(scored.latents, np.argsort(-loops["score"].to_numpy(), kind="stable")),
    }
