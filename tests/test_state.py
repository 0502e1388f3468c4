"""What a session keeps: one value a name, made anew when its key differs, and out of the widgets' way."""

import pytest
from streamlit.testing.v1 import AppTest

from loopscope.ui.widgets.status import StatusEvent


def page() -> None:
    import streamlit as st

    from loopscope.ui.state import kept

    made: list[str] = st.session_state.setdefault("made", [])
    key = st.text_input("Loop", "a", key="loop")

    def make() -> str:
        made.append(key)
        return f"outline of {key}"

    st.markdown(kept("loop", key, make))  # named like the widget
    kept("nothing", 1, lambda: made.append("nothing"))


def test_a_kept_value_is_made_once_for_its_key_and_anew_for_another() -> None:
    at = AppTest.from_function(page, default_timeout=60).run()
    at.run()
    assert not at.exception
    assert at.session_state["made"] == ["a", "nothing"], "None is a value like any other"
    at.text_input(key="loop").set_value("b").run()
    assert (at.session_state["made"], at.markdown[0].value) == (["a", "nothing", "b"], "outline of b")
    at.text_input(key="loop").set_value("a").run()
    assert at.session_state["made"] == ["a", "nothing", "b", "a"], "one value is kept, not all that ever were"
    assert at.markdown[0].value == "outline of a"


def page_with_a_stale_fragment() -> None:
    import streamlit as st

    from loopscope.ui.views.explore import _view

    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    if runs == 1:
        _view("a library that was left", "plain")  # type: ignore[arg-type]
    st.markdown(f"run {runs}")


def test_a_view_of_a_library_that_was_left_gives_way_to_the_whole_page() -> None:
    at = AppTest.from_function(page_with_a_stale_fragment, default_timeout=60).run()
    assert not at.exception
    assert [element.value for element in at.markdown] == ["run 2"]


def page_that_a_worker_overtakes() -> None:
    from loopscope.ui.state import enter
    from loopscope.ui.status import show_status

    state = enter("library")
    state.project.update()
    show_status()


@pytest.mark.usefixtures("loopscope_home")
def test_what_comes_while_a_page_is_drawn_is_worth_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def panel(*, generation: int, **_: object) -> StatusEvent:
        drawn.append(generation)
        return StatusEvent("", False)

    monkeypatch.setattr("loopscope.ui.status.status_panel", panel)
    at = AppTest.from_function(page_that_a_worker_overtakes, default_timeout=60).run()
    assert not at.exception
    assert drawn == [at.session_state["loopscope"].project.generation - 1], "the pulse tells of more than was drawn"
