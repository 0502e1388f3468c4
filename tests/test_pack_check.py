"""`loopscope check`: what it says of a pack in every format, what makes it fail, what was accepted, and its rules."""

import json
import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
import soundfile as sf

from loopscope.cli import check as check_command
from loopscope.cli.main import main
from loopscope.cli.output import stopped_by_interrupt
from loopscope.config import paths
from loopscope.detection.saved import save_model
from loopscope.errors import DataError, EncoderError
from loopscope.exports.findings import sarif_bytes
from loopscope.faults import registry
from loopscope.faults.base import Measurement, Signal
from loopscope.faults.limits import LIMITS, changed_limits
from loopscope.faults.memory import version
from loopscope.packs import rules as rules_module
from loopscope.packs.baseline import write_baseline
from loopscope.packs.check import Listener, check_folder
from loopscope.packs.rules import Rules, read_rules
from loopscope.progress import Progress
from tests.golden.clips import plucked
from tests.tiny import Tiny

RATE = 22050
SCHEMA = Path(__file__).with_name("schemas") / "sarif-2.1.0-rtm.5.json"  # of the npm package @microsoft/jest-sarif, MIT
ODD_NAMES = (
    *(b"caf\xe9 120bpm.wav", b"two\nlines \x1b[31m.wav", b"\xc2\x9b31m \x7f.wav", b"50% #1?.wav"),
    *("Zürich ♪.wav".encode(), b"-c.wav"),
)
LINE = re.compile(rb"(?P<path>.+?):(?P<seconds>\d+\.\d{3}:)? (?P<kind>[a-z_]+): (?P<said>.+)")


STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def _shown(path: bytes) -> bytes:
    """In a line of text."""
    for sign, shown in ((b"\n", rb"\x0a"), (b"\x1b", rb"\x1b"), (b"\xc2\x9b", rb"\x9b"), (b"\x7f", rb"\x7f")):
        path = path.replace(sign, shown)
    return path


def clipped(seed: int = 0) -> np.ndarray:
    return np.clip(8 * plucked(1.0, RATE, seed=seed), -0.97, 0.97)


def steady(seed: int) -> np.ndarray:
    """Nothing that a check minds: a soft tone that repeats without a seam."""
    t = np.arange(RATE) / RATE
    return (0.2 * np.sin(2 * np.pi * (110 + 10 * seed) * t)).astype(np.float32)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Two sounds in order, one clipped, one that is no sound."""
    folder = tmp_path / "pack"
    folder.mkdir()
    for seed in range(2):
        sf.write(folder / f"Tone_{seed}.wav", steady(seed), RATE)
    sf.write(folder / "Hot_120bpm.wav", clipped(), RATE)
    (folder / "broken.wav").write_bytes(b"")
    return folder


def checked(capfdbinary: pytest.CaptureFixture[bytes], *arguments: object) -> tuple[int, bytes]:
    """Exit status and standard output; nothing may be on the error stream."""
    status = main(["check", *map(str, arguments)])
    said, errors = capfdbinary.readouterr()
    assert errors == b"", errors.decode()
    return status, said


def kinds(said: bytes) -> list[str]:
    lines = [LINE.fullmatch(line) for line in said.splitlines()]
    assert all(lines), said
    return [line["kind"].decode() for line in lines if line]


def test_a_line_a_finding_and_the_status(pack: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    status, said = checked(capfdbinary, pack)
    assert status == 1 and kinds(said) == ["clipping", "unreadable"]
    first, second = said.splitlines()
    assert first.startswith(os.fsencode(pack / "Hot_120bpm.wav:0.0")) and b"clipped" in first
    assert second == os.fsencode(pack / "broken.wav: unreadable: The file is empty (0 bytes).")
    assert checked(capfdbinary, pack, "--ignore", "clipping,unreadable") == (0, b"")
    assert kinds(checked(capfdbinary, pack, "--select", "clipping")[1]) == ["clipping"]


def test_suspicions_fail_only_where_that_is_asked_for(pack: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    only = (pack, "--select", "clipping")
    rules = pack / "loopscope.toml"
    rules.write_text("[limits.clipping]\nfault = 500\n", encoding="utf-8")
    status, said = checked(capfdbinary, *only, "--config", rules)
    assert status == 0 and b": clipping: Perhaps: " in said
    assert checked(capfdbinary, *only, "--config", rules, "--fail-on", "suspect")[0] == 1
    assert checked(capfdbinary, *only)[0] == 1, "the limits of one pack are not those of the next check"


def test_notes_are_shown_where_they_are_asked_for_and_never_fail(
    pack: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (pack / "broken.wav").unlink()
    sf.write(pack / "Hot_120bpm.wav", steady(0), RATE)  # a copy
    assert checked(capfdbinary, pack) == (0, b"")
    for asked in (["--notes"], ["--select", "duplicate"]):
        status, said = checked(capfdbinary, pack, *asked, "--fail-on", "suspect")
        assert status == 0 and kinds(said).count("duplicate") == 2, "each file of the two is told"


def test_what_could_not_be_checked_is_told_and_is_neither_in_order_nor_accepted(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def measure(signal: Signal) -> Measurement:
        raise ZeroDivisionError("of nobody's foreseeing")

    checks = tuple(replace(one, measure=measure) if one.kind == "hum" else one for one in registry.CHECKS)
    monkeypatch.setattr(registry, "CHECKS", checks)
    monkeypatch.setattr("loopscope.packs.expected.measure_file", measure)
    baseline, rules = tmp_path / "accepted.json", tmp_path / "loopscope.toml"
    rules.write_text("[expected]\nloudness = [-70, 0]\n", encoding="utf-8")
    only = (pack, "--config", rules, "--select", "dc_offset")
    assert checked(capfdbinary, *only, "--write-baseline", baseline) == (2, b"")
    status, said = checked(capfdbinary, *only, "--baseline", baseline)
    assert (
        status == 2 and kinds(said) == 6 * ["check_failed"] and said.count(b"Measuring loudness failed: ZeroDiv") == 3
    )
    log = json.loads(checked(capfdbinary, *only, "--format", "sarif")[1])
    jsonschema.validate(log, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert not log["runs"][0]["invocations"][0]["executionSuccessful"]
    suite = ElementTree.fromstring(checked(capfdbinary, pack, "--format", "junit")[1])
    assert (suite.attrib["errors"], suite.attrib["failures"]) == ("3", "1")
    assert checked(capfdbinary, *only, "--ignore", "check_failed") == (0, b"")


def test_any_name_survives_in_every_format(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for number, name in enumerate(ODD_NAMES):
        sf.write(os.fsencode(tmp_path) + b"/" + name, clipped(number), RATE)
    rooted = {os.fsencode(tmp_path) + b"/" + name for name in ODD_NAMES}
    only = (tmp_path, "--select", "clipping", "--fail-on", "suspect")

    _, text = checked(capfdbinary, *only)
    shown = {_shown(path) for path in rooted}
    assert {re.sub(rb":\d+\.\d{3}: clipping: .*", b"", line) for line in text.splitlines()} == shown

    content = checked(capfdbinary, *only, "--json")[1]
    assert not STEERING.search(content.decode())
    rows = json.loads(content)["findings"]
    said = [row["path"] for row in rows]
    from_uri = {unquote_to_bytes(path.removeprefix("file://")) for path in said if path.startswith("file://")}
    assert from_uri | {path.encode() for path in said if not path.startswith("file://")} == rooted

    log = json.loads(checked(capfdbinary, *only, "--format", "sarif")[1])
    jsonschema.validate(log, json.loads(SCHEMA.read_text(encoding="utf-8")))
    run = log["runs"][0]
    places = [result["locations"][0]["physicalLocation"]["artifactLocation"] for result in run["results"]]
    tops = [run["originalUriBaseIds"][place["uriBaseId"]]["uri"].removeprefix("file://") for place in places]
    assert {unquote_to_bytes(top + place["uri"]) for top, place in zip(tops, places, strict=True)} == rooted

    content = checked(capfdbinary, *only, "--format", "junit")[1]
    assert not STEERING.search(content.decode())
    suite = ElementTree.fromstring(content)
    cases = list(suite.iter("testcase"))
    assert {os.fsencode(tmp_path) + b"/" + unquote_to_bytes(case.attrib["file"]) for case in cases} == rooted
    assert {case.attrib["name"] for case in cases} >= {r"caf\xe9 120bpm.wav", "Zürich ♪.wav"}
    assert all(case.find("failure") is not None for case in cases)
    assert suite.attrib["tests"] == suite.attrib["failures"] == str(len(ODD_NAMES))


def test_sarif_is_valid_and_says_what_the_lines_say(pack: Path) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    report = check_folder(pack, Rules(notes=True))
    log = json.loads(sarif_bytes(report))
    jsonschema.validate(log, schema)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [one.kind for one in report.findings]
    levels = {"fault": "error", "suspect": "warning", "note": "note"}
    assert [result["level"] for result in run["results"]] == [levels[one.level] for one in report.findings]
    regions = [result["locations"][0]["physicalLocation"].get("region") for result in run["results"]]
    sizes = [Path(one.path).stat().st_size for one in report.findings]
    assert regions == [{"byteOffset": 0, "byteLength": size} if size else None for size in sizes]
    prints = [result["partialFingerprints"]["loopAndKind/v1"] for result in run["results"]]
    assert len(set(prints)) == len({(one.loop_id or one.path, one.kind) for one in report.findings})
    run["results"][0]["level"] = "fault"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(log, schema)


def test_sarif_states_the_limits_of_the_rules(pack: Path) -> None:
    report = check_folder(pack, Rules(limits={"clipping": {"suspect": 5.0, "fault": 11.5}}))
    rules = json.loads(sarif_bytes(report))["runs"][0]["tool"]["driver"]["rules"]
    (told,) = [rule["fullDescription"]["text"] for rule in rules if rule["id"] == "clipping"]
    assert "Suspected from 5 " in told and "sure from 11.5." in told


def test_a_file_takes_the_result_whole(pack: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    out = tmp_path / "out" / "findings.json"
    assert checked(capfdbinary, pack, "--json", "--out", out) == (1, b"")
    assert json.loads(out.read_bytes())["failed"]
    (tmp_path / "file").touch()
    assert main(["check", str(pack), "--out", str(tmp_path / "file" / "below")]) == 2
    assert b"loopscope: Could not write" in capfdbinary.readouterr()[1]


def test_what_was_accepted_is_not_told_again_until_it_is_worse(
    pack: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    baseline = tmp_path / "accepted.json"
    assert checked(capfdbinary, pack, "--write-baseline", baseline) == (0, b"")
    assert checked(capfdbinary, pack, "--baseline", baseline) == (0, b"")
    assert json.loads(checked(capfdbinary, pack, "--baseline", baseline, "--json")[1])["accepted"] == 2

    (pack / "Hot_120bpm.wav").rename(pack / "Hotter_120bpm.wav")
    assert checked(capfdbinary, pack, "--baseline", baseline)[0] == 0, "it is the same sound"
    sf.write(pack / "New.wav", clipped(1), RATE)
    status, said = checked(capfdbinary, pack, "--baseline", baseline)
    assert status == 1 and said.count(b"\n") == 1 and b"New.wav" in said

    lines = json.loads(baseline.read_bytes())
    for line in lines["accepted"]:
        line["level"] = "suspect"
    baseline.write_text(json.dumps(lines), encoding="utf-8")
    assert checked(capfdbinary, pack, "--baseline", baseline)[1].count(b"\n") == 3, "they are faults by now"


def test_of_what_was_accepted_twice_the_worse_counts(pack: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "accepted.json"
    write_baseline(baseline, check_folder(pack).findings, pack)
    rows = json.loads(baseline.read_bytes())
    rows["accepted"] += [row | {"level": "suspect"} for row in rows["accepted"]]
    baseline.write_text(json.dumps(rows), encoding="utf-8")
    assert not check_folder(pack, Rules(baseline=baseline)).findings


OF_NO_LEVEL = {"path": "a", "loop_id": "b", "kind": "hum", "level": ["fault"]}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{}", b'{"loopscope-baseline": 1}', b"\xff", b"[" * 100_000),
        json.dumps({"loopscope-baseline": 1, "accepted": [OF_NO_LEVEL]}).encode(),
    ],
)
def test_a_baseline_that_is_none_is_one_sentence(
    content: bytes, pack: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "accepted.json"
    baseline.write_bytes(content)
    assert main(["check", str(pack), "--baseline", str(baseline)]) == 2
    assert main(["check", str(pack), "--baseline", str(tmp_path / "none.json")]) == 2
    said, errors = capfd.readouterr()
    assert said == "" and "is no baseline of loopscope" in errors and "cannot be read" in errors
    assert errors.count("\n") == 2


def test_a_pack_is_held_to_its_own_rules(pack: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    sf.write(pack / "Tone_0.wav", steady(0), 44100, subtype="PCM_24")
    rules = pack / "loopscope.toml"
    rules.write_text(
        "select = ['expected_sample_rate', 'expected_bit_depth', 'expected_tempo', 'expected_name',"
        " 'expected_loudness']\n"
        "[expected]\nsample-rate = [44100, 48000]\nbit-depth = 24\ntempo = [60, 100]\n"
        "name = '[A-Z][a-z]+_[0-9]\\.wav'\nloudness = [-30, -10]\n",
        encoding="utf-8",
    )
    status, said = checked(capfdbinary, pack, "--config", rules)
    found = {(Path(os.fsdecode(line.partition(b":")[0])).name, kinds(line)[0]) for line in said.splitlines()}
    assert status == 1
    assert found == {
        *(("Tone_1.wav", f"expected_{what}") for what in ("sample_rate", "bit_depth")),
        *(("Hot_120bpm.wav", f"expected_{what}") for what in ("sample_rate", "bit_depth", "tempo", "name", "loudness")),
    }
    assert b"22050 Hz, expected is 44100 or 48000 Hz." in said and b"16 bits, expected is 24 bits." in said
    assert b"120 BPM by its name, expected is 60 to 100 BPM." in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fail-on = 'all'", "fail-on has 'all'"),
        ("ignore = ['hiss']", "no kind of finding 'hiss'"),
        ("ignore = 'hum'", "no list of texts"),
        ("surprise = 1", "the file has 'surprise'"),
        ("[expected]\npitch = 440", "[expected] has 'pitch'"),
        ("[expected]\ntempo = [120, 60]", "no [lowest, highest]"),
        ("[expected]\ntempo = 120", "no [lowest, highest]"),
        ("[expected]\nloudness = [nan, nan]", "no [lowest, highest]"),
        ("[expected]\nsample-rate = '44100'", "no whole number"),
        ("[expected]\nsample-rate = true", "no whole number"),
        ("[expected]\nname = '('", "missing )"),
        ("[limits]\nhum = 3", "no table"),
        ("[limits.hiss]\nfault = 3", "[limits] has 'hiss'"),
        ("[limits.hum]\ncertain = 3", "[limits.hum] has 'certain'"),
        ("[limits.hum]\nfault = '3'", "where numbers are due"),
        ("[limits.hum]\nfault = 1", "give the fault the larger one"),
        ("notes = 1", "no true or false"),
        ("baseline = 1", "no text"),
        ("baseline = '/dev/zero'", "no regular file"),
        (f"ignore = {5000 * '['}", "recursion"),
        ("[expected]\nname = 'a{99999999999999999999}'", "repetition number"),
        ("not toml", "Expected '='"),
    ],
)
def test_wrong_rules_are_one_sentence(text: str, says: str, pack: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rules = pack / "loopscope.toml"
    rules.write_text(text, encoding="utf-8")
    assert main(["check", str(pack), "--config", str(rules)]) == 2
    said, errors = capfd.readouterr()
    assert said == "" and says in errors and errors.count("\n") == 1, errors


def test_the_example_of_the_rules_can_be_used(tmp_path: Path) -> None:
    example = tmp_path / "loopscope.toml"
    text = (rules_module.__doc__ or "").partition("\n\n")[2]
    example.write_text(re.sub("^    ", "", text, flags=re.MULTILINE), encoding="utf-8")
    rules = read_rules(example)
    assert rules.fail_on == "suspect" and rules.baseline == tmp_path / "accepted.json" and rules.notes
    assert rules.ignore == {"hum", "silence"} and rules.limits == {"clipping": {"fault": 16}}
    assert rules.expected.name is not None and rules.expected.name.fullmatch("Bass_120_dry.wav")


def test_other_limits_hold_inside_the_block_only() -> None:
    before, usual = version(), dict(LIMITS)
    with changed_limits({"clipping": {"suspect": 5.0, "fault": 40.0}}):
        limit = LIMITS["clipping"]
        assert (limit.strength(5.0), limit.strength(40.0), limit.strength(1e9)) == (0.25, 0.5, 1.0)
        assert version() != before, "reports by other limits are no reports by these"
    assert usual == LIMITS
    with pytest.raises(DataError), changed_limits({"clipping": {"suspect": 5.0}, "hum": {"fault": 0.0}}):
        pass
    assert usual == LIMITS


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    folder = tmp_path / "crowd"
    folder.mkdir()
    for seed in range(24):
        sf.write(folder / f"{seed:02d}.wav", 0.3 * plucked(0.5, RATE, seed=seed), RATE)
    return folder


def test_what_stands_out_by_a_model_fails_where_that_is_asked_for(
    crowd: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from loopscope.analysis.scoring import fit_detector
    from loopscope.embeddings import embed_library
    from loopscope.library import scan_folder

    embeddings = embed_library(scan_folder(crowd), Tiny())
    detector = fit_detector(embeddings, "knn").detector
    save_model(detector, "house sound", {})
    sf.write(crowd / "odd.wav", 0.9 * np.random.default_rng(0).normal(size=RATE).clip(-1, 1), RATE)
    asked: list[str] = []
    monkeypatch.setattr("loopscope.packs.check.load_encoder", lambda name, **_: asked.append(name) or Tiny())
    by_model = (crowd, "--select", "outlier", "--model", "house sound")
    status, said = checked(capfdbinary, *by_model)
    assert status == 0 and b"odd.wav: outlier: Stands out most." in said, "faults alone fail it"
    assert checked(capfdbinary, *by_model, "--fail-on", "outlier")[0] == 1
    assert main(["check", str(crowd), "--fail-on", "outlier", "--model", "no such model"]) == 2
    assert b"'no such model'; choose one of loopscope models (house sound)" in capfdbinary.readouterr()[1]
    report = check_folder(
        crowd, Rules(fail_on="outlier", ignore=frozenset({"cut"})), listener=Listener("auto", detector)
    )
    assert report.failed and any(one.kind == "outlier" and one.path.endswith("odd.wav") for one in report.findings)


def test_a_model_that_hears_inside_asks_the_encoder_for_that(crowd: Path) -> None:
    model = SimpleNamespace(preset="local")
    with pytest.raises(EncoderError, match="makes no patches"):
        check_folder(crowd, Rules(fail_on="outlier"), listener=Listener(Tiny(), model))


def test_a_detector_is_trained_only_where_outliers_are_asked_for(crowd: Path) -> None:
    """Fewer than 8 loops cannot train one, and copies are found without."""
    for path in sorted(crowd.iterdir())[2:]:
        path.unlink()
    sf.write(crowd / "copy.wav", 0.6 * plucked(0.5, RATE, seed=0), RATE)
    listener = Listener(Tiny())
    report = check_folder(crowd, Rules(select=frozenset({"near_duplicate"})), listener=listener)
    assert {one.kind for one in report.findings} == {"near_duplicate"}
    ignoring = Rules(fail_on="outlier", ignore=frozenset({"outlier"}))
    assert check_folder(crowd, ignoring, listener=listener) is not None


def test_ctrl_c_keeps_what_was_finished(
    crowd: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("loopscope.faults.check.BATCH", 4)

    @contextmanager
    def interrupting() -> Iterator[object]:
        def on_progress(report: Progress) -> None:
            if report.stage == "Checking for faults" and report.done >= 8:
                os.kill(os.getpid(), signal.SIGINT)

        yield on_progress

    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run with nohup
    with monkeypatch.context() as patched:
        patched.setattr(check_command, "shown_progress", interrupting)
        assert main(["check", str(crowd)]) == 130
    said, errors = capfd.readouterr()
    stopping, _, errors = errors.lstrip().partition("\n")
    assert stopping == "Stopping; Ctrl-C again ends at once."
    assert said == "" and errors.startswith("loopscope: ") and "kept" in errors and errors.count("\n") == 1
    assert signal.signal(signal.SIGINT, inherited) == signal.default_int_handler
    with sqlite3.connect(paths().database) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert 8 <= database.execute("SELECT count(*) FROM faults").fetchone()[0] < 24
    assert main(["check", str(crowd)]) in (0, 1)


def test_who_ignores_ctrl_c_is_not_stopped_by_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopped_by_interrupt() as should_stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert not should_stop()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("beside", [["--out", "findings.txt"], ["--format", "sarif"], ["--json"]])
def test_a_baseline_is_written_alone(beside: list[str], pack: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(pack), "--write-baseline", str(pack / "accepted.json"), *beside]) == 2
    said, errors = capfd.readouterr()
    assert said == "" and beside[0].replace("--json", "--format") in errors and errors.count("\n") == 1
    assert not (pack / "accepted.json").exists()


def test_rules_and_baseline_may_be_links(pack: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "rules.toml").write_text("select = ['clipping']", encoding="utf-8")
    (tmp_path / "link.toml").symlink_to("rules.toml")
    assert kinds(checked(capfdbinary, pack, "--config", tmp_path / "link.toml")[1]) == ["clipping"]
    checked(capfdbinary, pack, "--write-baseline", tmp_path / "accepted.json")
    (tmp_path / "link.json").symlink_to("accepted.json")
    assert checked(capfdbinary, pack, "--baseline", tmp_path / "link.json") == (0, b"")
    reader, writer = os.pipe()  # as a shell hands over <(…)
    os.write(writer, (tmp_path / "accepted.json").read_bytes())
    os.close(writer)
    assert checked(capfdbinary, pack, "--baseline", f"/dev/fd/{reader}") == (0, b"")
    os.close(reader)


def test_rules_given_beside_a_file_are_joined_with_it(pack: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    rules = pack / "loopscope.toml"
    rules.write_text("ignore = ['unreadable']\nfail-on = 'suspect'\n", encoding="utf-8")
    assert kinds(checked(capfdbinary, pack, "--config", rules)[1]) == ["clipping"]
    assert checked(capfdbinary, pack, "--config", rules, "--ignore", "clipping") == (0, b"")
    assert replace(read_rules(rules), fail_on="fault") == Rules(ignore=frozenset({"unreadable"}))


def test_a_folder_without_sounds_is_in_order_and_none_is_an_error(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert checked(capfdbinary, tmp_path) == (0, b"")
    assert main(["check", str(tmp_path / "none")]) == 2
    assert main(["check", str(tmp_path), "--ignore", "hiss"]) == 2
    assert capfdbinary.readouterr()[1].count(b"\n") == 2
