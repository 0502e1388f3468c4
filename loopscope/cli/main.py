"""The command itself: which subcommand is meant, and how a failure is said."""

import os
import signal
import sys
from collections.abc import Sequence

import click

from loopscope import __version__
from loopscope.cli.analyse import analyse, score
from loopscope.cli.app import app
from loopscope.cli.check import check
from loopscope.cli.doctor import doctor
from loopscope.cli.embed import embed
from loopscope.cli.index import index
from loopscope.cli.models import models
from loopscope.cli.similar import similar
from loopscope.defects import Defect, attempt
from loopscope.errors import Cancelled, LoopscopeError
from loopscope.files import display_name
from loopscope.wording import in_line

FAILED, STOPPED = 2, 128 + signal.SIGINT
CLOSED_PIPE = 128 + 13  # as if SIGPIPE had ended it, which Windows has not
OWN_OPTIONS = ("--help", "-h", "--version")
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


class Commands(click.Group):
    """The subcommands; without one, or where an option of the server comes first, `app` is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the name of the subcommand that was left out."""
        is_left_out = not args or (args[0].startswith("-") and args[0] not in OWN_OPTIONS)
        return super().parse_args(ctx, ["app", *args] if is_left_out else args)


@click.group(cls=Commands, context_settings=HELP_OPTIONS)
@click.version_option(__version__, prog_name="loopscope", message="%(prog)s %(version)s")
def commands() -> None:
    """Finds the faulty takes and the surprising gems in a folder of audio loops.

    Without a command the app opens in the browser.
    """


for command in (app, analyse, check, score, similar, embed, index, models, doctor):
    commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status. `arguments` without the program's name, by default those given."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as app.py has it, before PyTorch is loaded
    try:
        done = attempt("The command", lambda: _run(arguments))
    except SystemExit:  # click ends so where nobody reads on, as with `| head`
        return CLOSED_PIPE
    if isinstance(done, Defect):
        return _failed(f"This is a defect of loopscope ({done.reason}); please report it with the command you typed.")
    return done


def _run(arguments: Sequence[str] | None) -> int:
    try:
        status = commands.main(arguments, prog_name="loopscope", standalone_mode=False)
    except click.UsageError as error:
        place = error.ctx.command_path if error.ctx is not None else "loopscope"
        return _failed(f"{error.format_message()} See {place} --help.")
    except click.ClickException as error:
        return _failed(error.format_message())
    except Cancelled as error:
        return _failed(str(error), STOPPED)
    except (click.Abort, KeyboardInterrupt):
        return _failed("Stopped; what was finished is kept.", STOPPED)
    except LoopscopeError as error:
        return _failed(str(error))
    return status if isinstance(status, int) else 0


def _failed(sentence: str, status: int = FAILED) -> int:
    sys.stderr.write(f"loopscope: {in_line(display_name(' '.join(sentence.split())))}\n")
    return status
