"""What a session keeps: one value a name, made anew when its key differs, and out of the widgets' way."""

from pathlib import Path

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from loopscope.analysis.walk import Plan
from loopscope.ui import state as state_module
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.registry import ProjectRegistry, project_registry
from loopscope.ui.server.visitors import LOCAL
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


def page_that_is_asked_for_again() -> None:
    import streamlit as st

    from loopscope.ui.state import enter

    st.markdown(enter("explore").project.name)


def test_a_run_that_ends_while_its_project_is_waited_for_leaves_the_next_one_to_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit ends a run wherever the browser asks for another one: here in the wait for a stored project."""
    waits: list[str] = []

    def wait(self: ProjectRegistry, visitor: str, project: Project) -> None:
        waits.append(visitor)
        if len(waits) == 1:
            raise StopException

    monkeypatch.setattr(ProjectRegistry, "enter", wait)
    (tmp_path / "loops").mkdir()
    project = project_registry().create(LOCAL, tmp_path / "loops", Plan())
    project.remember(page="explore")
    at = AppTest.from_function(page_that_is_asked_for_again, default_timeout=60)
    at.query_params["project"] = project.id
    at.run()
    assert len(waits) == 1 and not at.markdown, "the first run ends in the wait"
    at.run()
    assert not at.exception
    assert [element.value for element in at.markdown] == ["loops"]


def page_that_is_entered() -> None:
    import streamlit as st

    from loopscope.ui.state import enter, settle

    state = enter(st.session_state["page"])
    if state.page == "explore" and st.session_state["to its end"]:
        settle(state)
    st.markdown(str(state.follows))


def test_a_late_word_of_the_library_page_does_not_keep_the_walk_from_opening_explore(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Explore is entered, and then a run of the Library page that the browser asked for before it heard of that."""
    at = AppTest.from_function(page_that_is_entered, default_timeout=60)

    def entered(page: str, to_its_end: bool = True) -> str:
        at.session_state["page"], at.session_state["to its end"] = page, to_its_end
        at.run()
        assert not at.exception
        return str(at.markdown[0].value)

    entered("library")
    at.session_state["loopscope"].follows = True
    monkeypatch.setattr(state_module, "LED_S", 60.0)
    assert [entered(page) for page in ("library", "explore", "library")] == ["True"] * 3
    monkeypatch.setattr(state_module, "LED_S", -1.0)
    half = [entered(page, to_its_end=False) for page in ("explore", "library", "explore", "library")]
    assert half == ["True"] * 4, "however long it takes to draw Explore"
    assert [entered(page) for page in ("explore", "library")] == ["True", "False"], "who goes back later stays there"


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
