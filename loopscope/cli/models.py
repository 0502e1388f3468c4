"""`loopscope models`: the models that were saved."""

import click

from loopscope.cli.output import json_option, print_json, print_line

SHOWN = ("name", "detector", "preset", "n_loops", "encoder_id", "saved", "path")


@click.command(short_help="List the saved models.")
@json_option
def models(as_json: bool) -> None:
    """Lists the saved models, newest first; `score` and `check` take one by its name or folder.

    \b
    Examples:
      loopscope models
      loopscope models --json
    """
    from loopscope.detection.saved import damaged, list_models

    saved, set_aside = list_models().to_dict("records"), damaged().to_dict("records")
    if as_json:
        print_json({"models": saved, "damaged": set_aside})
        return
    for model in saved:
        print_line("  ".join(str(model[name]) for name in SHOWN) + ("" if model["complete"] else "  unfinished"))
    for model in set_aside:
        print_line(f"damaged  {model['path']}: {model['reason']}")
