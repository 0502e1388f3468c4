"""What a session keeps: one value a name, made anew when its key differs, and out of the widgets' way."""

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from loopscope.ui.state import kept

    made = st.session_state.setdefault("made", [])
    key = st.text_input("Loop", "a", key="loop")

    def make() -> str:
        made.append(key)
        return f"outline of {key}"

    st.markdown(kept("loop", key, make))  # named like the widget
    st.caption(str(kept("other", 1, lambda: None)))


def test_a_kept_value_is_made_once_for_its_key_and_anew_for_another() -> None:
    at = AppTest.from_function(page).run()
    at.run()
    assert not at.exception
    assert at.session_state["made"] == ["a"]
    at.text_input(key="loop").set_value("b").run()
    assert (at.session_state["made"], at.markdown[0].value) == (["a", "b"], "outline of b")
    at.text_input(key="loop").set_value("a").run()
    assert at.session_state["made"] == ["a", "b", "a"], "one value is kept, not all that ever were"
    assert at.markdown[0].value == "outline of a"


def test_nothing_is_a_value_too() -> None:
    at = AppTest.from_function(page).run()
    assert at.caption[0].value == "None"
