"""`python -m loopscope` and the command `loopscope`: the app, from wherever it is installed.

Options go on to Streamlit as they are: `loopscope --server.port 8600`.
"""

import sys

from streamlit.web import cli

from loopscope.config import app_folder


def main() -> None:
    """Run the server until it is stopped."""
    sys.argv = ["streamlit", "run", str(app_folder() / "app.py"), *sys.argv[1:]]
    cli.main()


if __name__ == "__main__":
    main()
