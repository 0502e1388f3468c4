"""`make fit`: learns every choice of `loopscope.hearing` from the labelled loops and writes its weights."""

import sys
from pathlib import Path

import pandas as pd

from benchmarks.data import bench_folder
from benchmarks.hearing import heard_loops, learn_key, learn_named_key, learn_tempo, named_rightly
from loopscope import hearing
from loopscope.hearing.choice import Choice

FILE = Path(hearing.__file__).parent / "choices.toml"
HEADER = "# Written by `make fit` from the labelled loops; do not edit.\n"


def main() -> None:
    folder = bench_folder()
    if folder is None:
        sys.exit("The labelled loops are not here; name their folder in LOOPSCOPE_BENCH.")
    loops = heard_loops(folder, named_rightly(pd.read_csv(folder / "labels.csv")))
    learnt = {"tempo": learn_tempo(loops), "key": learn_key(loops), "named_key": learn_named_key(loops)}
    text = "".join(written(name, choice) for name, choice in learnt.items())
    FILE.write_text(HEADER + text, encoding="utf-8")


def written(name: str, choice: Choice) -> str:
    none = f"none = {choice.none}\n" if choice.none > -1e9 else ""
    weights = "".join(f'"{feature}" = {weight}\n' for feature, weight in choice.weights.items())
    return f"\n[{name}]\n{none}\n[{name}.weights]\n{weights}"


if __name__ == "__main__":
    main()
