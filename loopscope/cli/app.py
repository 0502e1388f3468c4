"""`loopscope app`: the server with its pages."""

from importlib.util import find_spec
from pathlib import Path

import click

from loopscope.errors import LibraryError, LoopscopeError

NEEDED = "streamlit"


@click.command(
    short_help="Open the app, on a folder if one is named.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def app(folder: Path | None, options: tuple[str, ...]) -> None:
    """Opens the app in the browser, with FOLDER analysed where one is named.

    OPTIONS go on to Streamlit, which lists them with `streamlit run --help`; each has a value, also true and false.

    \b
    Examples:
      loopscope
      loopscope app ~/Music/Loops
      loopscope app --server.port 8600 --server.headless true
    """
    if find_spec(NEEDED) is None:
        raise LoopscopeError(
            "The app needs Streamlit and Plotly, which are not installed; run pip install 'loopscope[app]', or "
            "uvx 'loopscope[app]'."
        )
    folder, passed_on = _told_apart(folder, options)
    if folder is not None and not folder.is_dir():
        raise LibraryError(f"There is no folder {str(folder)!r}; check the spelling.")
    from loopscope.ui.server.start import serve

    serve(folder, passed_on)


def _told_apart(folder: Path | None, options: tuple[str, ...]) -> tuple[Path | None, list[str]]:
    """The folder and what is for Streamlit, each of whose options has a value: behind a sign of equality, or next."""
    words = [*([] if folder is None else [str(folder)]), *options]
    before = ["", *words]
    free = [
        number
        for number, word in enumerate(words)
        if not word.startswith("-") and not (before[number].startswith("-") and "=" not in before[number])
    ]
    if len(free) > 1:
        raise LibraryError(f"There are two folders, {words[free[0]]!r} and {words[free[1]]!r}; name one.")
    if not free:
        return None, words
    return Path(words[free[0]]), words[: free[0]] + words[free[0] + 1 :]
