"""Rows of the store that other hands wrote: read as far as they can be, and said to be unreadable beyond."""

import zlib
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest

from loopscope.errors import DataError
from loopscope.store.parsing import (
    UNREADABLE,
    correction_of,
    file_row,
    is_number,
    json_value,
    mark_of,
    of_one_length,
    patch_rows,
    patches_of,
    project_row,
    vector,
)
from loopscope.store.records import Correction, FileRow, Mark

HEADER = FileRow("reader", "0123", 1.5, 44_100, 2, "WAV", "PCM_16")
PROJECT = ("id", "local", b"/music", "bass", 12.5, '{"a": 1}')


@pytest.mark.parametrize("text", ['"é"', b'"e"', None, 1, "{", "[" * 100_000])
def test_what_is_no_json_of_ours_is_unreadable(text: object) -> None:
    assert json_value(text) is UNREADABLE
    assert json_value('["\\u00e9", null]') == ["é", None]


def test_a_number_is_finite_and_no_truth() -> None:
    assert all(map(is_number, (0, -1, 1.5, 9e299)))
    assert not any(map(is_number, (True, None, "1", 1e300, -1e300, float("nan"), float("inf"), 10**400)))


@pytest.mark.parametrize(
    "change",
    [
        {"duration_s": -0.5},
        {"duration_s": 1e300},
        {"duration_s": float("nan")},
        {"sample_rate": -1},
        {"channels": -1},
        {"loop_id": "é"},
        {"format": "é"},
        {"subtype": "é"},
        {"loop_id": ""},
        {"reason": "It has a loop and a reason."},
    ],
    ids=str,
)
def test_a_header_that_cannot_be_is_none(change: dict[str, Any]) -> None:
    assert file_row(astuple(HEADER)) == HEADER
    assert file_row(astuple(replace(HEADER, **change))) is None


def test_of_a_project_what_can_be_read_is_kept() -> None:
    whole = project_row(PROJECT)
    assert whole is not None and (whole.folder, whole.name, whole.opened_at, whole.state) == (
        "/music",
        "bass",
        12.5,
        {"a": 1},
    )
    partly = project_row((*PROJECT[:3], None, "yesterday", "{"))
    assert partly is not None and (partly.name, partly.opened_at, partly.state) == ("/music", 0.0, {})
    assert project_row(("id", "local", b"/mu\0sic", *PROJECT[3:])) is None
    assert project_row(("id", "local", "/music", *PROJECT[3:])) is None
    assert project_row((b"id", "local", *PROJECT[2:])) is None


VALUES = np.arange(6, dtype="<f4")
PATCHES = np.arange(12, dtype="<f2").reshape(4, 3)


def summed(content: bytes) -> int:
    return zlib.crc32(content)


def test_a_vector_is_read_as_it_was_or_not_at_all() -> None:
    blob = VALUES.tobytes()
    found = vector(summed(blob), blob)
    assert found is not None and found.dtype == np.float32 and np.array_equal(found, VALUES)
    odd, endless = blob + b"\0", np.array([1, np.inf], "<f4").tobytes()
    for checksum, content in (
        (summed(blob) + 1, blob),
        (summed(odd), odd),
        (summed(endless), endless),
        (summed(blob), blob.decode("latin-1")),
        (0, None),
        (None, blob),
    ):
        assert vector(checksum, content) is None


def test_patches_are_read_as_they_were_or_not_at_all() -> None:
    ((_, _, checksum, n_values, blob),) = patch_rows(["a"], "ears-1", [PATCHES])
    found = patches_of(checksum, n_values, blob)
    assert found is not None and found.dtype == np.float16 and np.array_equal(found, PATCHES)
    one = patches_of(checksum, 1, blob)
    assert one is not None and one.shape == (12, 1)
    endless = np.array([[1, np.nan]], "<f2").tobytes()
    for wrong in (
        (checksum + 1, n_values, blob),
        (checksum, 5, blob),
        (checksum, 0, blob),
        (checksum, -3, blob),
        (checksum, True, blob),
        (checksum, "3", blob),
        (checksum, 3.0, blob),
        (checksum, n_values, None),
        (zlib.crc32(b"12"), 2, b"12"),  # half a row
        (checksum, n_values, blob.decode("latin-1")),
        (summed(b""), 3, b""),
        (summed(endless), 2, endless),
    ):
        assert patches_of(*wrong) is None


def test_patches_that_could_not_be_read_again_are_not_kept() -> None:
    assert patch_rows(["a"], None, [PATCHES]) == []
    backwards = PATCHES[::-1].astype(">f2")
    rows = patch_rows(["a", "b"], "ears-1", [PATCHES, backwards])
    assert [row[:2] for row in rows] == [("ears-1", "a"), ("ears-1", "b")]
    second = patches_of(*rows[1][2:])
    assert second is not None and np.array_equal(second, PATCHES[::-1]), "whatever the order of bytes in memory"
    for wrong in ([PATCHES], [PATCHES] * 3, [PATCHES, PATCHES[0]], [PATCHES, PATCHES[:0]], [PATCHES, PATCHES * np.nan]):
        with pytest.raises(DataError, match="arrays of patches do not fit 2 loops"):
            patch_rows(["a", "b"], "ears-1", wrong)


def test_arrays_of_another_length_than_most_are_left_out_whichever_comes_first() -> None:
    short, long = np.zeros(2, np.float32), np.zeros(3, np.float32)
    for most, other in ((short, long), (long, short)):
        found = of_one_length({"a": other, "b": most, "c": None, "d": most})
        assert list(found) == ["b", "d"]
    assert of_one_length({"a": None}) == of_one_length({}) == {}
    assert of_one_length({"a": np.zeros(0, np.float32)}) == {}, "no encoder makes nothing"


def test_of_a_mark_what_can_be_read_is_kept() -> None:
    assert mark_of(("love", "a note", 12.5)) == Mark("love", "a note", 12.5)
    assert mark_of(("hate", "a note", 1)) == Mark(None, "a note", 1.0)
    assert mark_of((b"love", b"a note", "yesterday")) == Mark(None, "", 0.0)


def test_of_a_correction_what_can_be_read_stays() -> None:
    assert correction_of((120, "Am")) == Correction(120.0, "Am")
    for bpm in (None, "fast", True, float("nan")):
        assert correction_of((bpm, "Am")) == Correction(None, "Am")
    for key in (None, 5, b"Am"):
        assert correction_of((120.5, key)) == Correction(120.5, None)
