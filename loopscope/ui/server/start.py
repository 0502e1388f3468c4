"""Starting the server from a command: Streamlit runs app.py, wherever that is installed."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from streamlit.web import cli

from loopscope.config import FOLDER_VARIABLE, app_folder


def serve(folder: Path | str | None, options: Sequence[str]) -> None:
    """Runs the server until it is stopped; a new tab on this machine shows `folder`, or an archive at that
    address. `options` are Streamlit's."""
    if folder is not None:
        os.environ[FOLDER_VARIABLE] = str(folder.resolve()) if isinstance(folder, Path) else folder
    sys.argv = ["streamlit", "run", str(app_folder() / "app.py"), *options]
    cli.main()
