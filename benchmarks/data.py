"""Where the labelled data lies that tests and benchmarks measure with; it is no part of the project.

`LOOPSCOPE_BENCH` names the folder of labelled loops; without it, folders beside the checkout are looked at. Whoever
uses these must skip, with a reason, where they return None.
"""

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def bench_folder() -> Path | None:
    """The folder with labels.csv and the loops it labels."""
    named = os.environ.get("LOOPSCOPE_BENCH")
    folder = Path(named) if named else _ROOT.parent / "shared" / "bench"
    return folder if (folder / "labels.csv").is_file() else None


def reference_file() -> Path | None:
    """Embeddings made by the published encoder: `embeddings` (n, 1024) and `paths`."""
    file = _ROOT.parent / "shared" / "reference" / "clap_htsat_base_bass392.npz"
    return file if file.is_file() else None
