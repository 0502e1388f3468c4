"""`python -m loopscope.checkpoints aisfx`: fetch the weights of one encoder and say so in one sentence."""

import argparse
import sys
from pathlib import Path

from loopscope.checkpoints import CHECKPOINTS, MIRROR_VARIABLE, fetch, load_weights, was_verified
from loopscope.errors import WeightsError


def main(arguments: list[str] | None = None) -> int:
    """Returns 0, or 1 with one sentence on the error stream."""
    parser = argparse.ArgumentParser(prog="python -m loopscope.checkpoints", description=__doc__)
    parser.add_argument("encoder", choices=sorted(CHECKPOINTS))
    parser.add_argument("--file", type=Path, default=None, help="a copy of the published file, instead of a download")
    parser.add_argument("--mirror", default="", help=f"where to download instead of the hub, as in {MIRROR_VARIABLE}")
    options = parser.parse_args(arguments)
    checkpoint = CHECKPOINTS[options.encoder]
    was_here = checkpoint.stored.is_file()
    try:
        if options.mirror and options.file is None:
            fetch(checkpoint, mirror=options.mirror)
        weights = load_weights(checkpoint, options.file)
    except WeightsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    fetched = (
        "were fetched and checked" if was_verified(checkpoint) else "were fetched without a sha256 to verify them by"
    )
    verb = "are in place" if was_here else fetched
    sys.stdout.write(f"The weights of {options.encoder} {verb}: {checkpoint.stored} (digest {weights.sha256[:12]}).\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
