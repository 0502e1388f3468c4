"""Rows of the store that other hands wrote: read as far as they can be, and said to be unreadable beyond."""

from dataclasses import astuple, replace
from typing import Any

import pytest

from loopscope.store.parsing import UNREADABLE, file_row, is_number, json_value, project_row
from loopscope.store.records import FileRow

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
