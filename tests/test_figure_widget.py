"""What Python makes of clicks on a figure. The browser's side: tests/browser."""

from streamlit.testing.v1 import AppTest


def page() -> None:
    import plotly.graph_objects as go
    import streamlit as st

    from loopscope.ui.widgets.figure import show_figure

    st.session_state["heard"] = show_figure(go.Figure(), key="figure", title="A figure")


def test_a_click_counts_once_and_only_as_a_loop_id() -> None:
    at = AppTest.from_function(page, default_timeout=60).run()
    assert at.session_state["heard"] is None
    for serial, (value, heard) in enumerate([("one", "one"), ("one", "one"), (5, None), ("two", "two")]):
        committed = {"clicked": {"value": value, "serial": serial}}
        at.session_state["figure"] = committed
        assert at.run().session_state["heard"] == heard
        at.session_state["figure"] = committed
        assert at.run().session_state["heard"] is None, "the state outlives the run that saw it"
    at.session_state["figure"] = {"clicked": "three"}
    assert at.run().session_state["heard"] is None, "no commit"
    assert not at.exception
