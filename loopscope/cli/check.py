"""`loopscope check`: a linter for sample packs."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopscope.cli.output import print_bytes, shown_progress, stopped_by_interrupt
from loopscope.cli.saved import encoder_name, saved_model

if TYPE_CHECKING:
    from loopscope.packs.check import Listener, PackReport
    from loopscope.packs.rules import Rules

FORMATS = ("text", "json", "sarif", "junit")
FAILED, UNCHECKED = 1, 2
path_type = click.Path(path_type=Path)


def _list_kinds(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    """Every kind of finding with its limits, and the end of the command."""
    if not asked:
        return
    from loopscope.faults import LIMITS
    from loopscope.packs.findings import KINDS

    for kind, title in KINDS.items():
        limit = LIMITS.get(kind)
        measured = f" (suspect from {limit.suspect:g}, fault from {limit.fault:g} {limit.unit})" if limit else ""
        click.echo(f"{kind}: {title}{measured}")
    ctx.exit()


@click.command(short_help="Lint a sample pack.")
@click.argument("folder")
@click.option(
    "--fail-on", type=click.Choice(["fault", "suspect", "outlier"]), help="What makes it exit with 1.  [default: fault]"
)
@click.option("--select", multiple=True, metavar="KINDS", help="Only these kinds, joined by commas.")
@click.option("--ignore", multiple=True, metavar="KINDS", help="Not these kinds.")
@click.option("--notes", is_flag=True, help="Also what is worth knowing and breaks nothing, such as copies.")
@click.option("--config", type=path_type, metavar="FILE", help="The pack's own rules, such as loopscope.toml.")
@click.option("--baseline", type=path_type, metavar="FILE", help="Findings that were accepted are not shown.")
@click.option("--write-baseline", type=path_type, metavar="FILE", help="Accept every finding of now, and exit with 0.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--out", type=path_type, metavar="FILE", help="Write there instead of to standard output.")
@click.option(
    "--list-kinds",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_kinds,
    help="Name every kind, with limits.",
)
@click.option("--encoder", default="auto", show_default=True, help="For outliers: who listens.")
@click.option("--model", metavar="NAME", help="For outliers: a saved model, instead of learning from FOLDER.")
@click.pass_context
def check(
    ctx: click.Context,
    folder: str,
    fail_on: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    notes: bool,
    config: Path | None,
    baseline: Path | None,
    write_baseline: Path | None,
    form: str,
    out: Path | None,
    encoder: str,
    model: str | None,
) -> None:
    """Says what is wrong with the sounds in FOLDER, a line a finding: `path:seconds: kind: sentence`.

    Exit status 0: nothing that --fail-on names; 1: something; 2: something could not be checked (check_failed, which
    no baseline takes). `fault` is what the checks are sure of, `suspect` also what they are not, `outlier` faults and
    loops that stand out from the others by ear.

    \b
    Examples:
      loopscope check ~/Music/Loops
      loopscope check --list-kinds
      loopscope check ~/Music/Loops --fail-on suspect --ignore silence,off_level
      loopscope check ~/Music/Loops --config loopscope.toml
      loopscope check ~/Music/Loops --write-baseline accepted.json
      loopscope check ~/Music/Loops --baseline accepted.json --json
      loopscope check ~/Music/Loops --format sarif --out findings.sarif
      loopscope check ~/Music/Loops --format junit --out findings.xml
      loopscope check ~/Music/Loops --fail-on outlier --encoder aisfx
    """
    from loopscope.packs.rules import known_kinds, read_rules

    if write_baseline is not None and (out is not None or form != "text"):
        raise click.UsageError("--write-baseline writes no findings; leave out --out and --format.")

    rules = read_rules(config) if config else _no_rules()
    rules = replace(
        rules,
        fail_on=fail_on or rules.fail_on,
        select=known_kinds(_kinds(select)) or rules.select,
        ignore=rules.ignore | known_kinds(_kinds(ignore)),
        notes=notes or rules.notes,
        baseline=None if write_baseline else baseline or rules.baseline,
    )
    report = _checked(folder, rules, _listener(encoder, model))
    if write_baseline is not None:
        from loopscope.packs.baseline import write_baseline as write

        write(write_baseline, report.findings, report.library.root)
    else:
        print_bytes(_written(report, folder, form), out)
    if report.unchecked:
        ctx.exit(UNCHECKED)
    ctx.exit(FAILED if report.failed and write_baseline is None else 0)


def _kinds(options: tuple[str, ...]) -> list[str]:
    return [kind for option in options for kind in option.split(",") if kind]


def _no_rules() -> "Rules":
    from loopscope.packs.rules import Rules

    return Rules()


def _listener(encoder: str, model: str | None) -> "Listener":
    from loopscope.packs.check import Listener

    saved = None if model is None else saved_model(model)
    return Listener(encoder_name(encoder, saved), saved)


def _checked(folder: str, rules: "Rules", listener: "Listener") -> "PackReport":
    from loopscope.packs.check import check_folder
    from loopscope.progress import training_progress

    with stopped_by_interrupt() as should_stop, shown_progress() as show:
        return check_folder(
            folder,
            rules,
            listener=listener,
            on_progress=show,
            on_epoch=lambda epoch: show(training_progress(epoch)),
            should_stop=should_stop,
        )


def _written(report: "PackReport", folder: str, form: str) -> bytes:
    from loopscope.exports import findings

    if form == "text":
        return findings.text_bytes(report, folder)
    write = {"json": findings.findings_json, "sarif": findings.sarif_bytes, "junit": findings.junit_bytes}
    return write[form](report)
