"""The Diagnostics page says what runs, what failed and what is kept, and clears caches without touching marks."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from loopscope.checkpoints import AISFX
from loopscope.checkpoints.stored import digests
from loopscope.config import paths
from loopscope.errors import LibraryError
from loopscope.store import Store
from loopscope.ui.projects.tasks import TaskBoard
from loopscope.ui.widgets.paging import PAGE_ROWS
from tests.stored import row_counts
from tests.test_pages import start, texts


def codes(at: AppTest) -> str:
    return "\n".join(element.value for element in at.code)


def test_weights_are_named_by_their_digests(aisfx_weights: Path) -> None:
    at = start("diagnostics")
    assert not at.exception
    found = digests(AISFX)
    assert set(found) == {"source_sha256", "weights_sha256"}
    assert all(digest in codes(at) for digest in found.values())
    assert "clap-fusion is not on this machine" in codes(at)


def test_a_package_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopscope.installation.PACKAGES", ("numpy", "no-such-package"))
    at = start("diagnostics")
    assert not at.exception
    assert "no-such-package is not installed" in codes(at)


def clear(at: AppTest, label: str) -> None:
    """Choose, confirm, clear."""
    choice = at.selectbox(key="clear-what")
    option = next(option for option in choice.options if option.startswith(label))
    choice.set_value(option).run()
    button = at.button(key="clear-go")
    assert button.disabled, "nothing is cleared before it is confirmed"
    at.checkbox(key=f"clear-sure-{option}").check().run()
    at.button(key="clear-go").click().run()
    assert not at.exception and not at.error


def test_caches_are_cleared_and_marks_and_notes_are_not() -> None:
    with Store.default() as store:
        for encoder_id in ("one", "two"):
            store.put_embeddings(["a", "b"], encoder_id, np.ones((2, 4), np.float32))
        store.put_reports("faults", {"a": []}, "1")
        store.set_mark("a", "love", "a note")
        store.put_setting("k", 1)
    copy = paths().transcoded / "a.flac"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"sound")
    at = start("diagnostics")
    clear(at, "Embeddings of one")
    with Store.default() as store:
        assert store.embeddings_by_encoder() == {"two": 2}
        assert copy.exists()
    clear(at, "Playable copies")
    assert not copy.exists()
    clear(at, "All of these")
    with Store.default() as store:
        assert {table for table, rows in row_counts(store).items() if rows} == {"marks", "settings"}
        mark = store.get_marks()["a"]
    assert (mark.mark, mark.note) == ("love", "a note")


def test_a_database_set_aside_is_said_until_it_was_read() -> None:
    paths().database.parent.mkdir(parents=True)
    paths().database.write_bytes(b"no database" * 1000)
    at = start()
    (warning,) = [element.value for element in at.warning]
    assert "was damaged" in warning and "is kept as" in warning
    at.switch_page("pages/embed.py").run()
    assert "was damaged" in texts(at), "it stays until it was read"
    at.button(key="notice-read").click().run()
    assert "was damaged" not in texts(at)
    at.switch_page("pages/library.py").run()
    assert "was damaged" not in texts(at)
    at.switch_page("pages/diagnostics.py").run()
    assert "was damaged" in texts(at), "Diagnostics keeps it"


def test_a_database_that_cannot_be_opened_is_a_sentence_not_a_traceback() -> None:
    paths().database.mkdir(parents=True)
    at = start()
    assert not at.exception
    assert [error.value for error in at.error if "cannot be used" in error.value]


def test_failures_of_a_session_are_kept_with_what_is_needed_to_find_their_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("threading.excepthook", lambda failure: None)
    board = TaskBoard()

    def refused(task: object) -> None:
        raise LibraryError("There is no folder x.")

    def unforeseen(task: object) -> None:
        raise ZeroDivisionError("never thought of")

    for work in (refused, unforeseen):
        task = board.start(work.__name__, "Scanning", work)
        while task.running:
            time.sleep(0.01)
    first, second = board.failures()
    assert (first.title, first.error) == ("Scanning", "There is no folder x.")
    assert "ZeroDivisionError: never thought of" in second.error and "in unforeseen" in second.error
    assert TaskBoard().failures() == (), "another session sees none of them"


PAGED = """
import pandas as pd
import streamlit as st
from loopscope.ui.widgets.paging import page_of
n = st.session_state["n"]
rows, page = page_of(pd.DataFrame({"number": range(n)}), "test")
st.dataframe(rows)
"""


def test_long_tables_go_to_the_browser_by_the_page() -> None:
    at = AppTest.from_string(PAGED, default_timeout=60)
    at.session_state["n"] = PAGE_ROWS
    at.run()
    assert not at.number_input
    assert len(at.dataframe[0].value) == PAGE_ROWS
    at.session_state["n"] = 2 * PAGE_ROWS + 5
    at.run()
    shown: list[pd.Series] = [at.dataframe[0].value["number"]]
    for page in (2, 3):
        at.number_input[0].set_value(page).run()
        shown.append(at.dataframe[0].value["number"])
    assert [len(part) for part in shown] == [PAGE_ROWS, PAGE_ROWS, 5]
    assert list(pd.concat(shown)) == list(range(2 * PAGE_ROWS + 5))
    assert f"of {2 * PAGE_ROWS + 5:,}" in at.caption[0].value
    at.session_state["n"] = PAGE_ROWS + 1
    at.run()
    assert not at.exception
    assert at.number_input[0].value == 1
