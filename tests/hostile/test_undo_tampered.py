"""Undo files lie where others may write. Whatever one says, it is one sentence and costs nobody a file."""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loopscope.errors import ExportError
from loopscope.exports import UndoReport, execute, plan_copy, undo

Lines = list[dict[str, Any]]
NAMES = ("a.wav", "b.wav", "c.wav")
pytestmark = pytest.mark.usefixtures("little_memory")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Three files, each with bytes of its own."""
    return written(tmp_path / "pack")


def written(folder: Path) -> Path:
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(f"the sound of {name}".encode())
    return folder


def rows_of(folder: Path) -> pd.DataFrame:
    return pd.DataFrame({"path": [str(folder / name) for name in NAMES]}, dtype="object")


def taken(pack: Path, *, move: bool = False) -> Path:
    """The undo file of a copy or move to a folder beside the pack."""
    return execute(plan_copy(rows_of(pack), pack.parent / "out", move=move))


def lines_of(undo_file: Path) -> Lines:
    return [json.loads(line) for line in undo_file.read_text().splitlines()]


def contents_below(folder: Path) -> dict[str, bytes | None]:
    """Every name below a folder but undo files; None for what is no file."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
        if path.suffix != ".jsonl"
    }


def reasons(report: UndoReport) -> dict[str, str]:
    return {Path(path).name: reason for path, reason in report.left.itertuples(index=False)}


def says(lines: Iterable[object]) -> Callable[[Path], object]:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return lambda file: file.write_text(text, encoding="ascii")


def changes(number: int, **values: object) -> Callable[[Path], object]:
    """One line says something else."""

    def change(file: Path) -> None:
        lines = lines_of(file)
        lines[number] |= values
        says(lines)(file)

    return change


def appends(text: bytes) -> Callable[[Path], object]:
    def append(file: Path) -> None:
        with file.open("ab") as out:
            out.write(text)

    return append


def replaces(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Something else lies in its place."""

    def replace(file: Path) -> None:
        file.unlink()
        make(file)

    return replace


def sparse(file: Path) -> None:
    """A terabyte of zeros behind what was there."""
    with file.open("r+b") as out:
        out.truncate(2**40)


HEADER = {"loopscope_undo": 1, "move": False}
TAMPERED: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda file: file.write_bytes(b"take these back, please\n"),
    "nothing": lambda file: file.write_bytes(b""),
    "binary": lambda file: file.write_bytes(bytes(range(256)) * 10),
    "a list": says([[HEADER]]),
    "another format": changes(0, loopscope_undo=2),
    "true for the format": changes(0, loopscope_undo=True),
    "a word for a move": changes(0, move="no"),
    "a deep first line": lambda file: file.write_bytes(b"[" * 90_000 + b"]" * 90_000 + b"\n"),
    "a deep line": appends(b'{"source":' * 8_000 + b"1" + b"}" * 8_000 + b"\n"),
    "a line of numbers": appends(b"1\n"),
    "a number for a source": changes(1, source=7),
    "a list for a target": changes(1, target=["/a"]),
    "nothing for a source": changes(1, source=None),
    "a huge number": appends(b'{"source": ' + b"9" * 20_000 + b', "target": "/a"}\n'),
    "more than a number can be": appends(b'{"source": 1e999, "target": -1e999}\n'),
    "a target that is no full path": changes(1, target="pack/a.wav"),
    "a source that is no full path": changes(1, source="a.wav"),
    "a target upwards": changes(1, target="/tmp/out/../pack/a.wav"),
    "a source upwards": changes(1, source="/tmp/out/../pack/a.wav"),
    "a NUL in a target": changes(1, target="/tmp/a\0.wav"),
    "a NUL in a source": changes(1, source="/tmp/a\0.wav"),
    "a lone surrogate": changes(1, target="/tmp/\ud800.wav"),
    "a path that is too long": changes(1, source="/a" * 3_000),
    "a line that is too long": appends(b'{"source": "' + b"a" * 200_000 + b'"}\n'),
    "a name twice": appends(b'{"source": "/a", "target": "/b", "target": "/c"}\n'),
    "a target twice": lambda file: says([*lines_of(file), lines_of(file)[1]])(file),
    "an end without a beginning": appends(b'{"done": "/tmp/never begun"}\n'),
    "an end of a list": appends(b'{"done": ["/tmp"]}\n'),
    "a line of neither kind": appends(b"{}\n"),
    "a hole in the middle": appends(b"\0" * 500 + b"\n{}\n"),
    "a terabyte": sparse,
    "a pipe": replaces(os.mkfifo),
    "a folder": replaces(Path.mkdir),
    "a link to a device": replaces(lambda file: file.symlink_to("/dev/zero")),
    "a link to itself": replaces(lambda file: file.symlink_to(file)),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("move", [False, True], ids=["copied", "moved"])
@pytest.mark.parametrize("kind", TAMPERED)
def test_a_tampered_undo_file_is_one_sentence_and_nothing_is_touched(kind: str, move: bool, pack: Path) -> None:
    undo_file = taken(pack, move=move)
    TAMPERED[kind](undo_file)
    before = contents_below(pack.parent)
    with pytest.raises(ExportError) as error:
        undo(undo_file)
    said = str(error.value)
    assert said.endswith(".") and "\n" not in said and len(said) < 700
    assert undo_file.name in said
    assert contents_below(pack.parent) == before


def test_a_link_to_an_undo_file_is_none(pack: Path) -> None:
    undo_file = taken(pack)
    elsewhere = undo_file.rename(pack.parent / "elsewhere.jsonl")
    undo_file.symlink_to(elsewhere)
    with pytest.raises(ExportError, match="a link is in its place"):
        undo(undo_file)
    assert len(list((pack.parent / "out").glob("*.wav"))) == 3


def test_the_last_copy_of_a_file_is_kept_and_that_is_said(pack: Path) -> None:
    undo_file = taken(pack)
    (pack / "a.wav").unlink()
    (pack / "b.wav").write_bytes(b"the sound of B.wav")  # as long as before
    report = undo(undo_file)
    assert report.undone == 1
    assert "original is gone" in reasons(report)["a.wav"] and "differ" in reasons(report)["b.wav"]
    assert {path.name for path in (pack.parent / "out").glob("*.wav")} == {"a.wav", "b.wav"}
    (pack / "a.wav").write_bytes((pack.parent / "out" / "a.wav").read_bytes())
    (pack / "b.wav").write_bytes(b"the sound of b.wav")
    assert undo(undo_file).undone == 2, "what was kept can be taken back once its original is there again"
    assert not undo_file.exists()


def test_the_original_itself_is_no_copy_by_whatever_name(pack: Path) -> None:
    out = pack.parent / "out"
    undo_file = taken(pack)
    (pack / "b.wav").unlink()
    (pack / "b.wav").symlink_to(out / "b.wav")
    lines = lines_of(undo_file)
    lines[1]["source"] = lines[1]["target"]  # a.wav
    (out / "c again.wav").write_bytes((out / "c.wav").read_bytes())
    (pack / "c.wav").unlink()
    swapped = {"source": str(out / "c.wav"), "target": str(out / "c again.wav")}
    lines[5]["source"] = str(out / "c again.wav")
    says([*lines, swapped])(undo_file)
    undo(undo_file)
    assert (out / "a.wav").is_file() and (out / "b.wav").is_file()
    assert (out / "c.wav").is_file(), "two copies vouched for each other"


def test_nothing_is_reached_through_a_link(pack: Path) -> None:
    out, other = pack.parent / "out", written(pack.parent / "other")
    undo_file = taken(pack)
    shutil.rmtree(out / "sub", ignore_errors=True)
    (out / "sub").symlink_to(other)
    (out / "b.wav").unlink()
    (out / "b.wav").symlink_to(other / "b.wav")
    lines = lines_of(undo_file)
    lines[1]["target"] = lines[2]["done"] = str(out / "sub" / "a.wav")
    says(lines)(undo_file)
    before = contents_below(other)
    report = undo(undo_file)
    assert contents_below(other) == before
    assert (out / "b.wav").is_symlink() and "link" in reasons(report)["b.wav"]
    assert "outside" in reasons(report)["a.wav"]
    assert report.undone == 1


def test_a_destination_behind_a_link_is_where_it_leads(pack: Path) -> None:
    (pack.parent / "real").mkdir()
    (pack.parent / "out").symlink_to(pack.parent / "real")
    undo_file = taken(pack)
    assert undo_file.parent == pack.parent / "real"
    by_link = pack.parent / "out" / undo_file.name
    assert undo(by_link).undone == 3


def test_no_copy_goes_through_a_link_below_the_destination(pack: Path) -> None:
    out, other = pack.parent / "out", pack.parent / "other"
    for folder in (out, other, pack / "sub", pack / "late"):
        folder.mkdir()
    for name in ("sub", "late"):
        shutil.copy(pack / "a.wav", pack / name / "d.wav")
    (out / "sub").symlink_to(other)
    rows = pd.DataFrame({"path": [str(pack / name / "d.wav") for name in ("sub", "late")]}, dtype="object")
    plan = plan_copy(rows, out, root=pack)
    assert plan.skipped["path"].tolist() == [str(pack / "sub" / "d.wav")]
    assert "link" in plan.skipped["reason"].iloc[0]
    (out / "late").symlink_to(other)
    with pytest.raises(ExportError, match="through a link"):
        execute(plan)
    assert not list(other.iterdir())


def test_the_undo_file_is_not_written_through_a_link(pack: Path) -> None:
    victim = pack.parent / "victim"
    victim.write_bytes(b"precious")
    (pack / "c.wav").unlink()  # so that the copy breaks off where it would be looked at

    def swap(undo_file: Path) -> None:
        undo_file.unlink()
        undo_file.symlink_to(victim)

    with pytest.raises(ExportError):
        execute(plan_copy(rows_of(pack), pack.parent / "out"), on_begun=swap)
    assert victim.read_bytes() == b"precious"


def test_files_are_moved_back_to_below_the_open_folder_only(pack: Path) -> None:
    home = pack.parent / "home"
    home.mkdir()
    (pack / "link").symlink_to(home)
    undo_file = taken(pack, move=True)
    lines = lines_of(undo_file)
    lines[1]["source"] = str(home / ".profile")
    lines[3]["source"] = str(pack / "link" / ".profile")
    says(lines)(undo_file)
    report = undo(undo_file, originals=pack)
    assert report.undone == 1 and (pack / "c.wav").is_file()
    assert not list(home.iterdir())
    assert all("outside the folder that is open" in reason for reason in report.left["reason"])


@pytest.mark.timeout(120)
def test_a_file_that_resists_keeps_no_other_from_being_taken_back(pack: Path) -> None:
    undo_file = taken(pack, move=True)
    (pack / "c.wav").symlink_to("nowhere")
    (pack.parent / "out" / "b.wav").unlink()
    os.mkfifo(pack.parent / "out" / "b.wav")
    report = undo(undo_file)
    assert report.undone == 1 and (pack / "a.wav").is_file()
    assert set(reasons(report)) == {"b.wav", "c.wav"}


PLACES = ("pack/a.wav", "pack/b.wav", "out/a.wav", "out/b.wav", "out/sub/c.wav", "out/door/c.wav", "pack/door/a.wav")
FOREIGN = ("other/c.wav", "other/d.wav", "out/sub")
CONTENTS = st.sampled_from([None, b"x", b"y", "link to out/a.wav", "link to other/c.wav", "hard link to out/a.wav"])
ENTRIES = st.lists(
    st.tuples(st.sampled_from(PLACES + FOREIGN), st.sampled_from(PLACES + FOREIGN), st.booleans()),
    max_size=4,
    unique_by=lambda entry: entry[1],
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(files=st.fixed_dictionaries({place: CONTENTS for place in PLACES}), entries=ENTRIES, move=st.booleans())
@example(  # the copy is all there is
    files=dict.fromkeys(PLACES, None) | {"out/a.wav": b"x"}, entries=[("pack/a.wav", "out/a.wav", True)], move=False
)
def test_whatever_an_undo_file_lists_no_content_is_lost_and_nothing_outside_is_touched(
    files: dict[str, bytes | str | None],
    entries: list[tuple[str, str, bool]],
    move: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    top = tmp_path_factory.mktemp("world")
    build(top, files)
    undo_file = top / "out" / "undo.jsonl"
    lines: Lines = [{"loopscope_undo": 1, "move": move}]
    for source, target, done in entries:
        lines.append({"source": str(top / source), "target": str(top / target)})
        lines.extend([{"done": str(top / target)}] if done else [])
    says(lines)(undo_file)
    before = contents_below(top)
    undo(undo_file, originals=top / "pack")
    after = contents_below(top)
    shutil.rmtree(top)
    assert {content for content in before.values() if content in (b"x", b"y")} <= set(after.values())
    stays = {name for name in before if not name.startswith("out/") or (before[name] is None and name != "out/sub")}
    assert {name: after.get(name) for name in stays} == {name: before[name] for name in stays}
    new = after.keys() - before.keys()
    assert all(name.startswith("pack/") and not name.startswith("pack/door/") for name in new)
    assert move or not new


def build(top: Path, files: dict[str, bytes | str | None]) -> None:
    """A small world: a pack, a destination, and a folder that is none of their business, with doors to it."""
    for name in ("pack", "out/sub", "other"):
        (top / name).mkdir(parents=True)
    (top / "other" / "c.wav").write_bytes(b"x")
    for door in ("out/door", "pack/door"):
        (top / door).symlink_to(top / "other")
    for place, content in sorted(files.items(), key=lambda item: isinstance(item[1], str)):
        if "/door/" in place or content is None:
            continue
        if isinstance(content, bytes):
            (top / place).write_bytes(content)
            continue
        kind, _, goal = content.partition(" to ")
        if kind == "link":
            (top / place).symlink_to(top / goal)
        elif (top / goal).is_file() and place != goal:
            (top / place).hardlink_to(top / goal)
