"""loopscope: the server (`streamlit run app.py`) and the script that Streamlit runs in it.

Without a script-run context this file defines the server with its audio and data routes; within one it draws the pages.
"""

import os
from pathlib import Path

# Before PyTorch is loaded: its threads are to sleep while they wait for each other, not to spin. Beside a busy DAW the
# offline encoder embedded 1.9 files/s spinning and 4.8 sleeping (two cores, load 8).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.ui.server.headers import SecurityHeaders
from loopscope.ui.server.hosts import AllowedHosts
from loopscope.ui.server.lifespan import lifespan
from loopscope.ui.server.log import start_logging
from loopscope.ui.server.media import routes
from loopscope.ui.server.visitors import BrowserKeys

ASSETS = Path(__file__).with_name("assets")

if get_script_run_ctx(suppress_warning=True) is None:
    start_logging()
    PagesManager.uses_pages_directory = False  # else an address below the start page, opened first, bypasses this file
    middleware = [Middleware(SecurityHeaders), Middleware(AllowedHosts), Middleware(BrowserKeys)]
    app = st.App(__file__, routes=routes(), middleware=middleware, lifespan=lifespan)
else:
    from loopscope.errors import LoopscopeError
    from loopscope.ui.components import show_failure
    from loopscope.ui.status import show_status

    st.set_page_config(page_title="loopscope", page_icon=str(ASSETS / "icon.png"), layout="wide")
    page = st.navigation(
        [
            st.Page("pages/library.py", title="Library", icon=":material/library_music:", default=True),
            st.Page("pages/embed.py", title="Embed", icon=":material/hub:"),
            st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
            st.Page("pages/explore.py", title="Explore", icon=":material/travel_explore:"),
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
            st.Page("pages/diagnostics.py", title="Diagnostics", icon=":material/monitor_heart:"),
        ]
    )
    st.html(ASSETS / "page.css")
    try:
        page.run()
        show_status()  # after the page, which enters the project that the address names
    except LoopscopeError as error:
        show_failure(error)
