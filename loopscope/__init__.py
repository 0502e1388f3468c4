"""loopscope: one-class anomaly detection on loop embeddings, with instant audition.

What a notebook needs has its name here and is imported when it is asked for. `folder` holds sounds; `encoder` is a name
such as "aisfx", or a loaded one:

>>> import loopscope
>>> library = loopscope.scan_folder(folder)
>>> len(library.loops), len(library.rejected)
(24, 1)
>>> embeddings = loopscope.embed_library(library, loopscope.load_encoder(encoder))
>>> detector = loopscope.make_detector("knn").fit(embeddings.X, embeddings.loop_ids, embeddings.encoder_id)
>>> detector.anomaly_scores(embeddings.X, embeddings.encoder_id).shape
(24,)

The whole walk at once; `analysis` shows itself in a notebook, and `figures_of` draws it (with `loopscope[app]`):

>>> analysis = loopscope.analyse_folder(folder, encoder, detector="knn")
>>> list(analysis.table.columns[-4:])
['split', 'percentile', 'is_anomaly', 'rank']
>>> sorted(loopscope.figures_of(analysis))
['heatmap', 'histogram', 'scatter']

A fitted detector is kept on disk and comes back as it was:

>>> place = loopscope.save_model(analysis.detector, "house", {})
>>> loopscope.load_model(place).name
'knn'

A pack is checked as `loopscope check` does it:

>>> report = loopscope.check_folder(folder, loopscope.Rules(ignore=frozenset({"cut"})))
>>> report.failed
True
>>> [finding.sentence for finding in report.findings if finding.kind == "unreadable"]
['The file is empty (0 bytes).']
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Name -> where it lives; __init__.pyi says the same to type checkers and editors (tests/test_python_names.py).
HOMES = {
    "Analysis": "analysis.pipeline",
    "Rules": "packs.rules",
    "analyse_folder": "analysis.pipeline",
    "check_folder": "packs.check",
    "embed_library": "embeddings",
    "figures_of": "figures.overview",
    "load_encoder": "encoders.base",
    "load_model": "detection.saved",
    "make_demo_library": "demo",
    "make_detector": "detection.registry",
    "save_model": "detection.saved",
    "scan_folder": "library",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
