"""An analysis as a notebook shows it: how much there is, and what stands out most."""

import pandas as pd

from loopscope.wording import counted, stand_out

MOST = 10
COLUMNS = {"rank": "rank", "name": "loop", "folder": "folder", "score": "score", "percentile": "percentile"}


def overview_html(table: pd.DataFrame, rejected: pd.DataFrame, faults: pd.DataFrame) -> str:
    """A sentence and the loops that stand out most, as HTML with every text escaped; tables as in `Analysis`."""
    n_flagged = int(table["is_anomaly"].sum())
    n_faulty = faults.loc[faults["verdict"] == "fault", "loop_id"].nunique()
    said = f"{counted(len(table), 'file')}: {stand_out(n_flagged)}, {n_faulty:,} with faults"
    left_out = f", {len(rejected):,} left out" if len(rejected) else ""
    first = table.head(MOST)[list(COLUMNS)].rename(columns=COLUMNS)
    rows: str = first.to_html(index=False, escape=True, border=0, float_format="{:.4g}".format)
    return f"<p>{said}{left_out}.</p>{rows}"
