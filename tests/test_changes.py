"""A known folder says what is new, changed, moved and gone, whatever its names are made of."""

import os
from pathlib import Path

import numpy as np
import pytest

from loopscope.library import Changes, Library, changes_between
from loopscope.library.tables import make_library
from loopscope.store import FileKey, FileRow


def library_of(**files: str) -> Library:
    """A library with these files below /music, name -> loop_id."""
    return library_at({f"/music/{name}": loop_id for name, loop_id in files.items()})


def library_at(files: dict[str, str]) -> Library:
    rows = {FileKey(path, 1, 1): FileRow("reader", loop_id) for path, loop_id in files.items()}
    return make_library(Path("/music"), rows, {})


def known_of(library: Library) -> dict[str, str]:
    return dict(zip(library.loops["path"], library.loops["loop_id"], strict=True))


BEFORE = library_of(a="1", b="2", c="3")
KNOWN = known_of(BEFORE)


def test_the_same_folder_holds_nothing_new() -> None:
    found = changes_between(KNOWN, BEFORE)
    assert found == Changes()
    assert not found
    assert found.sentence == "nothing new"


def test_a_first_look_finds_everything_new() -> None:
    found = changes_between({}, BEFORE)
    assert found.new == ("/music/a", "/music/b", "/music/c")
    assert found.new_ids == ("1", "2", "3")
    assert found.sentence == "3 new"


def test_each_kind_of_change_is_told_apart() -> None:
    found = changes_between(KNOWN, library_of(a="1", b="9", d="4", e="4"))
    assert found == Changes(new=("/music/d", "/music/e"), changed=("/music/b",), gone=("/music/c",), new_ids=("9", "4"))
    assert found.sentence == "2 new, 1 changed, 1 gone"


def test_a_renamed_file_is_moved_and_neither_new_nor_gone() -> None:
    found = changes_between(KNOWN, library_of(a="1", b="2", z="3"))
    assert found == Changes(moved=(("/music/c", "/music/z"),))
    assert found.sentence == "1 moved"
    assert found


def test_files_that_changed_places_are_moved() -> None:
    found = changes_between(KNOWN, library_of(a="2", b="1", c="3"))
    assert set(found.moved) == {("/music/a", "/music/b"), ("/music/b", "/music/a")}
    assert found.sentence == "2 moved"


def test_a_new_file_at_the_place_of_a_moved_one_is_new() -> None:
    found = changes_between(KNOWN, library_of(a="9", b="2", c="3", z="1"))
    assert found == Changes(new=("/music/a",), moved=(("/music/a", "/music/z"),), new_ids=("9",))


def test_a_file_that_another_one_was_moved_over_is_gone() -> None:
    found = changes_between(KNOWN, library_of(a="2", c="3"))
    assert found == Changes(gone=("/music/a",), moved=(("/music/b", "/music/a"),))


def test_a_copy_is_a_new_file_of_known_content() -> None:
    found = changes_between(KNOWN, library_of(a="1", b="2", c="3", copy="3"))
    assert found == Changes(new=("/music/copy",))
    assert found.new_ids == ()


def test_known_content_at_a_known_path_is_changed_without_being_new() -> None:
    found = changes_between(KNOWN, library_of(a="1", b="1", c="3"))
    assert (found.changed, found.new_ids) == (("/music/b",), ())


def test_copies_in_a_renamed_folder_keep_their_names() -> None:
    before = library_at({"/music/old/1/a": "1", "/music/old/2/b": "1"})
    after = library_at({"/music/new/1/b": "1", "/music/new/2/a": "1"})
    found = changes_between(known_of(before), after)
    assert set(found.moved) == {("/music/old/1/a", "/music/new/2/a"), ("/music/old/2/b", "/music/new/1/b")}


def test_names_that_are_not_utf_8_are_kept_byte_for_byte() -> None:
    odd, other = os.fsdecode(b"/music/caf\xe9.wav"), os.fsdecode(b"/music/\xff\xfe.wav")
    found = changes_between({odd: "1", "/music/b": "2"}, library_at({other: "1", odd: "5"}))
    assert found == Changes(new=(odd,), gone=("/music/b",), moved=((odd, other),), new_ids=("5",))
    assert os.fsencode(found.new[0]) == b"/music/caf\xe9.wav"


@pytest.mark.parametrize("seed", range(20))
def test_every_file_is_accounted_for_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = (
        library_at({f"/music/{i}": str(rng.integers(6)) for i in rng.permutation(12)[:8]}) for _ in range(2)
    )
    known, now = known_of(before), known_of(after)
    found = changes_between(known, after)
    same = [path for path in now if known.get(path) == now[path]]
    arrived = [*same, *found.new, *found.changed, *(place for _, place in found.moved)]
    left = [*same, *found.gone, *found.changed, *(old for old, _ in found.moved)]
    assert sorted(arrived) == sorted(now)
    assert sorted(left) == sorted(known)
    assert all(known[old] == now[place] for old, place in found.moved)
    assert set(found.new_ids) == set(now.values()) - set(known.values())
