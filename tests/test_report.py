"""The report of a folder: every finding is counted once, the strongest faults come first, what is said can be read."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from loopscope.analysis.report import as_record, report_folder
from loopscope.exports import record_bytes
from loopscope.faults import check_library
from loopscope.faults.check import faults_frame, known_values
from loopscope.library import scan_folder
from loopscope.store import Store

RATE = 22_050


def finding(loop_id: str, kind: str, strength: float = 0.9, verdict: str = "fault") -> dict[str, object]:
    sentence = f"{kind} of {loop_id[:4]}."
    return {
        "loop_id": loop_id, "kind": kind, "strength": strength, "verdict": verdict, "sentence": sentence, "times": (),
        "brief": kind,
    }  # fmt: skip


def folder_of_tones(folder: Path, names: list[str], level: float = 0.5) -> None:
    """A second of a tone per name, each of another pitch, a quarter tone between them."""
    time = np.arange(RATE) / RATE
    for number, name in enumerate(names):
        tone = level * np.sin(2 * np.pi * 220 * 2 ** (number / 24) * time) * np.minimum(1, 20 * time * (1 - time))
        soundfile.write(os.fsencode(folder / name), tone, RATE, format="WAV")


def test_every_loop_counts_once_by_kind_and_faults_come_before_what_is_worth_knowing(tmp_path: Path) -> None:
    folder_of_tones(tmp_path, ["a.wav", "b.wav", "c.wav", "d.wav"])
    library = scan_folder(tmp_path)
    a, b, c, _ = library.unique["loop_id"]
    rows = [
        finding(a, "clipping", 0.6), finding(a, "click", 1.0), finding(b, "clipping", 0.7),
        finding(b, "hum", 0.3, "suspect"), finding(c, "duplicate", 1.0, "suspect"),
        finding("not in the folder", "clipping"),
    ]  # fmt: skip
    report = report_folder(library, faults_frame(rows), {})
    counted = {one.kind: (one.n_sure, one.n_unsure) for one in report.kinds}
    assert counted == {"clipping": (2, 0), "click": (1, 0), "hum": (0, 1), "duplicate": (1, 0)}
    kinds = [one.kind for one in report.kinds]
    assert (kinds[0], kinds[-1]) == ("clipping", "duplicate")
    assert (report.n_loops, report.n_sound) == (4, 2), "a copy is no fault, nor is a suspicion"
    assert list(report.first["loop_id"]) == [a, b] and list(report.first["kind"]) == ["click", "clipping"]


def test_what_the_checks_measured_is_reported_and_can_be_taken_away(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    folder_of_tones(folder, ["a.wav", "b.wav", "loud.wav"])
    folder_of_tones(folder, [os.fsdecode(b"no text \xff.wav")], level=0.25)
    library = scan_folder(folder)
    with Store(tmp_path / "loopscope.db") as store:
        faults = check_library(library, store)
        report = report_folder(library, faults, known_values(library, store))
    peaks = dict(zip(report.measured["loop_id"], report.measured["peak"], strict=True))
    by_name = {Path(path).name: peaks[loop_id] for loop_id, path in library.unique[["loop_id", "path"]].to_numpy()}
    assert abs(by_name["a.wav"] - 20 * np.log10(0.5)) < 0.2
    assert abs(by_name[os.fsdecode(b"no text \xff.wav")] - 20 * np.log10(0.25)) < 0.2
    spread = report.spreads["peak"]
    assert spread["loops"] == 4 and spread["lowest"] <= spread["median"] <= spread["highest"]
    broken = pd.concat([faults, faults_frame([finding(loop_id, "click") for loop_id in library.unique["loop_id"]])])
    record = as_record(report_folder(library, broken, {}))
    read = json.loads(record_bytes(record).decode())
    assert [row["name"] for row in read["mend_first"]] and len(read["mend_first"]) == 4
    assert read["findings"][0] == {"kind": "click", "title": "Clicks", "sure": 4, "unsure": 0}
    assert set(read["measured"]) == {"duration_s"}, "what was not measured is not there"
    assert read["measured"]["duration_s"]["median"] == 1.0


def test_a_folder_that_nobody_measured_is_reported_with_its_lengths(tmp_path: Path) -> None:
    folder_of_tones(tmp_path, ["a.wav"])
    report = report_folder(scan_folder(tmp_path), faults_frame([]), {})
    assert report.kinds == () and report.first.empty and report.n_sound == 1
    assert report.spreads.keys() == {"duration_s"}
