"""The dataset statistics of the paper's Table 1: count, hours, and the distribution of durations."""

import pandas as pd


def library_statistics(loops: pd.DataFrame) -> pd.DataFrame:
    """Count, total hours, and mean, standard deviation (n - 1), quartiles and extremes of the durations.

    `loops` has the columns loop_id and duration_s (seconds). Returns columns statistic, value (float), unit; of no
    loops the count and the hours are 0 and the rest NaN.
    """
    duration = loops["duration_s"].astype("float64")
    rows = [
        ("Loops", float(len(loops)), "files"),
        ("Different loops", float(loops["loop_id"].nunique()), "loops"),
        ("Total duration", duration.sum() / 3600, "h"),
        ("Mean", duration.mean(), "s"),
        ("Standard deviation", duration.std(), "s"),
        ("Minimum", duration.min(), "s"),
        ("25 %", duration.quantile(0.25), "s"),
        ("50 %", duration.quantile(0.50), "s"),
        ("75 %", duration.quantile(0.75), "s"),
        ("Maximum", duration.max(), "s"),
    ]
    return pd.DataFrame(rows, columns=["statistic", "value", "unit"])
