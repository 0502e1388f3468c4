"""`loopscope app`: the server with its pages."""

from importlib.util import find_spec
from pathlib import Path

import click

from loopscope.errors import LibraryError, LoopscopeError
from loopscope.files import is_address

NEEDED = "streamlit"


@click.command(
    short_help="Open the app, on a folder if one is named.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
)
@click.argument("folder", required=False, type=click.Path())
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def app(folder: str | None, options: tuple[str, ...]) -> None:
    """Opens the app in the browser, with FOLDER analysed where one is named; an archive may lie at an address.

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
    named, passed_on = _told_apart(folder, options)
    if isinstance(named, str):
        _check_archive(named)
    elif named is not None and not named.is_dir():
        raise LibraryError(f"There is no folder {str(named)!r}; check the spelling.")
    from loopscope.ui.server.start import serve

    serve(named, passed_on)


def _check_archive(address: str) -> None:
    """Raises DataError unless an archive lies there that can be read from here."""
    from loopscope.archive.manifest import open_archive
    from loopscope.archive.place import Place

    open_archive(Place.of(address))


def _told_apart(folder: str | None, options: tuple[str, ...]) -> tuple[Path | str | None, list[str]]:
    """The folder, or the address as text, and what is for Streamlit.

    Each of Streamlit's options has a value: behind a sign of equality, or next.
    """
    words = [*([] if folder is None else [folder]), *options]
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
    named = words[free[0]]
    return named if is_address(named) else Path(named), words[: free[0]] + words[free[0] + 1 :]
