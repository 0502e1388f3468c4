"""A Plotly figure in the app's own colours, with one menu that downloads it as PNG, SVG or HTML.

Conventions: figures are made in `figures`, without Streamlit; marks that stand for a loop carry its loop_id in
`customdata`. The figure travels once per content over the data route; a rerun sends its name only. The HTML holds
Plotly itself and needs no network.
"""

import gzip
import hashlib
import json
from typing import Any

import plotly.graph_objects as go

from loopscope.ui.server import media
from loopscope.ui.widgets.javascript import component

_BLOB = "figure"


def show_figure(figure: go.Figure, *, key: str, title: str, describe: str = "", note: str = "") -> str | None:
    """Show a figure; returns the loop_id of a point that was clicked since the last run, else None.

    Args:
        figure: its `layout.height` is kept, its template is replaced by the app's theme.
        key: names it within the session, and the downloaded file.
        title: stands above it.
        describe: what it shows in a sentence, for those who do not see it.
        note: small print beside the title.
    """
    text = _as_json(figure)
    version = hashlib.blake2b(text, digest_size=12).hexdigest()
    token = media.session_token()
    media.media_registry().publish_blobs(token, version, lambda: {_BLOB: gzip.compress(text, 1, mtime=0)})
    commits = component(
        "figure.js",
        "The figure",
        key=key,
        data={
            "plotly": media.plotly_address(),
            "token": token,
            "version": version,
            "name": f"loopscope-{key}",
            "title": title,
            "note": note,
            "describe": describe or title,
            "height": int(figure.layout.height or 360),
        },
        events=["clicked"],
    )
    loop_id = commits.latest["clicked"].get("value") if "clicked" in commits.fresh else None
    return loop_id if isinstance(loop_id, str) else None


def _as_json(figure: go.Figure) -> bytes:
    plotted: dict[str, Any] = json.loads(figure.to_json())
    plotted["layout"].pop("template", None)
    return json.dumps({"data": plotted["data"], "layout": plotted["layout"]}, separators=(",", ":")).encode()
