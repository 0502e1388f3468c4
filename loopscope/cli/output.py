"""What the subcommands share: results on standard output, progress on a terminal, and Ctrl-C."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import click

from loopscope.files import write_named
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.wording import in_line

STOPPING = b"\nStopping; Ctrl-C again ends at once.\n"
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object; a path in invalid UTF-8 as its file:// URI."""
    from loopscope.exports import record_bytes

    click.echo(record_bytes(record))


def print_bytes(content: bytes, out: Path | None) -> None:
    """To the file that was named (see `files.write_named`), else to standard output. Raises ExportError."""
    if out is None:
        click.echo(content, nl=False)
        return
    from loopscope.exports.new_files import one_sentence

    with one_sentence("write", out):
        write_named(out, content)


def print_line(text: str) -> None:
    """One line of text, in which a path keeps every byte but those that would end the line or steer a terminal."""
    click.echo(in_line(text).encode("utf-8", "surrogateescape"))


@contextmanager
def shown_progress() -> Iterator[ProgressCallback]:
    """A callback that draws a bar on standard error where that is a terminal, and does nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield ignore_progress
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(report: Progress) -> None:
            bar.update(task, description=report.stage, completed=report.done, total=report.total or None)

        yield show


@contextmanager
def stopped_by_interrupt() -> Iterator[StopCheck]:
    """A stop check that Ctrl-C sets, so that what is finished is kept; a second Ctrl-C ends the process as usual."""
    asked = False
    before: Callable[[int, FrameType | None], Any] | int | None = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:  # whoever started this wants it so, as with nohup
        yield never_stop
        return

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        with suppress(OSError):  # it is closed
            os.write(2, STOPPING)  # no stream, which may be in the middle of a write
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hear)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
