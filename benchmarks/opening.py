"""An archive of made-up loops opened as the app opens it, in a process of its own for its peak of memory.

`python -m benchmarks.opening N DETECTOR FOLDER` writes an archive to FOLDER and prints, as JSON, seconds and the peak
of resident memory after each stage.
"""

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.growing import Stages, size_mb, write_archive
from loopscope.analysis.walk import Plan
from loopscope.archive.manifest import Archive, open_archive
from loopscope.archive.parts import part_bytes, part_name
from loopscope.archive.place import Place
from loopscope.store import Store
from loopscope.ui.explorer.packing import pack_view
from loopscope.ui.explorer.view import explorer_view
from loopscope.ui.projects.archived import rank_archive
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.tasks import Task
from loopscope.ui.server.visitors import LOCAL

FILES_A_LISTING = 5_000
FINDING = {
    "kind": "clipping",
    "strength": 0.5,
    "verdict": "fault",
    "sentence": "0.5% of the samples sit at one level (-0.1 dBFS): clipped.",
    "times": [0.1, 0.2, 0.7],
    "brief": "clipped 0.5 %",
}
VALUES = {"loudness": -14.2, "peak": -0.1, "tuning": 3.0, "floor": -71.5}
METADATA: dict[str, Any] = {
    **{"instrument": "bass", "genre": None, "bpm": 120.0, "key": "E minor"},
    **{"instrument_source": "name", "genre_source": "", "bpm_source": "name", "key_source": "audio"},
    **{"bpm_file": None, "bpm_name": 120.0, "bpm_audio": 120.4, "key_file": None, "key_name": None},
    **{"key_audio": "E minor", "tonic_audio": "E", "root_note": None, "loop_start_s": None, "loop_end_s": None},
    **{"n_bars": 4.0, "loop_structure": 0.93},
}


def records(number: int) -> dict[str, str]:
    """What an index with checks and measurements writes of a loop; the checks are sure of a fault in one of twenty."""
    file = {"duration_s": 8.0, "sample_rate": 44100, "channels": 2, "format": "WAV", "subtype": "PCM_16"}
    findings = [] if number % 20 else [FINDING]
    report = {"tempo_bpm": 120.0, "findings": findings, "values": VALUES, "failed": []}
    found = {"file": file | {"size_bytes": 1_411_244 + number, "mtime_ns": 10**18}, "report": report}
    return {name: json.dumps(record) for name, record in {**found, "metadata": METADATA}.items()}


def measure(n: int, detector: str, folder: Path) -> dict[str, object]:
    """From an archive to what the browser is sent: learnt anew, again from what is kept, and grown."""
    stages, place = Stages(), Place.of(folder / "archive")
    with stages.stage("write"):
        archive = write_archive(place, n, records)
        ids, paths = (column.to_pylist() for column in (archive.parts.loop_ids, archive.parts.paths))
        for start in range(0, n, FILES_A_LISTING):
            some = slice(start, start + FILES_A_LISTING)
            archive = archive.with_listing(f"/library {start}", ids[some], paths[some])
        del archive, ids, paths
    os.environ["LOOPSCOPE_HOME"] = str(folder / "home")
    with Store(folder / "home" / "data" / "loopscope.sqlite3") as store:
        project = Project.new(LOCAL, Path(place.path), Plan(detector=detector), store)
        with stages.stage("learn"):
            rank_archive(project, store, Task("Ranking"), None)
        label = project.active
        model = project.contents.models[label].detector
        sent = _sent(project, stages, "page")
        with stages.stage("again"):
            rank_archive(project, store, Task("Ranking"), model, label)
        with stages.stage("more"):
            _grow(open_archive(place), n)
        with stages.stage("grown"):
            rank_archive(project, store, Task("Ranking"), model, label)
        counts = project.contents.archived
        assert counts is not None
        said = counts.counts.sentence(float(model.reference_scores_[int(0.95 * len(model.reference_scores_))]))
    sizes = {"archive_mb": size_mb(folder / "archive"), "sent_mb": sent}
    return {"n": n, "detector": detector, "said": said, "stages": stages.rows, **sizes}


def _grow(archive: Archive, n: int) -> None:
    """A folder more, of a hundredth of the archive."""
    rng, more = np.random.default_rng(n), max(8, n // 100)
    ids = [f"more{number:060d}" for number in range(more)]
    paths = [f"/more/{loop_id}.wav" for loop_id in ids]
    extras = {name: [records(number)[name] for number in range(more)] for name in records(0)}
    X = rng.normal(size=(more, archive.n_features)).astype(np.float32)
    archive.write_part(part_name(ids), part_bytes(ids, paths, X, archive.encoder_id, extras))
    archive.with_listing("/more", ids, paths)


def _sent(project: Project, stages: Stages, name: str) -> float:
    """Makes what the browser fetches first, and says how many megabytes that is."""
    with stages.stage(name):
        blobs = pack_view(explorer_view(project, project.contents, project.active))
        n_bytes = sum(len(blobs[key]) for key in ("table", "points", "latents"))
        json.loads(gzip.decompress(blobs["table"]))
    return n_bytes / 1e6


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))))
