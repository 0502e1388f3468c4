"""`make mutants` tries the modules of modules.toml whose source or tests changed. With MUTANT_ARGS:

    "files exports/undo"    these modules
    all                     all of them
    "every=4 all"           every fourth mutant; such a module is tried as a whole the next time
    "again files"           the survivors of the last time, after a test was written for them

What came out is kept in results.json and written into docs/RELIABILITY.md.
"""

import hashlib
import sys
import time
from dataclasses import replace
from pathlib import Path

from mutants.mutations import Mutant, mutants_of
from mutants.report import Result, read_results, read_table, write_document, write_results
from mutants.trial import ROOT, trial

EVERY, AGAIN = "every=", "again"


def main(arguments: list[str]) -> None:
    """Tries the wanted modules, and writes what came out after each."""
    wanted = [argument for argument in arguments if argument != AGAIN and not argument.startswith(EVERY)]
    step = max((int(argument.removeprefix(EVERY)) for argument in arguments if argument.startswith(EVERY)), default=1)
    table, results = read_table(), read_results()
    unknown = sorted(set(wanted) - set(table) - {"all"})
    if unknown:
        sys.exit(f"mutants/modules.toml has no {', '.join(unknown)}; it has {', '.join(table)}.")
    known = {name: result.state for name, result in results.items()}
    changed = [name for name, tests in table.items() if known.get(name) != state(name, tests)]
    for name in list(table) if "all" in wanted else wanted or changed:
        last = results.get(name) if AGAIN in arguments else None
        result = try_again(name, table[name], last) if last else try_module(name, table[name], step)
        results = {**read_results(), name: result}  # others may have been tried meanwhile
        write_results(results)
        write_document(results)


def try_module(name: str, tests: list[str], step: int) -> Result:
    """What becomes of every mutant of a module, or of one in `step`."""
    tried_now = state(name, tests)  # somebody may be writing tests meanwhile
    every = _mutants(name)
    mutants = every[step // 2 :: step]
    outcomes, seconds = _outcomes(name, tests, mutants)
    return Result(
        mutants=len(every),
        tried=len(mutants),
        timed_out=len(outcomes["timed out"]),
        survivors=outcomes["survived"],
        seconds=seconds,
        state=tried_now if step == 1 else "a part",
    )


def try_again(name: str, tests: list[str], last: Result) -> Result:
    """The result with what becomes now of those that survived."""
    tried_now = state(name, tests)
    outcomes, seconds = _outcomes(name, tests, [mutant for mutant in _mutants(name) if mutant.name in last.survivors])
    return replace(
        last,
        timed_out=last.timed_out + len(outcomes["timed out"]),
        survivors=outcomes["survived"],
        seconds=last.seconds + seconds,
        state=tried_now if last.tried == last.mutants else "a part",
    )


def _mutants(name: str) -> list[Mutant]:
    return mutants_of((ROOT / "loopscope" / f"{name}.py").read_text(encoding="utf-8"))


def _outcomes(name: str, tests: list[str], mutants: list[Mutant]) -> tuple[dict[str, list[str]], int]:
    """Names of the mutants by what became of them, and how many seconds it took."""
    started, module = time.monotonic(), Path("loopscope", f"{name}.py")
    outcomes: dict[str, list[str]] = {"killed": [], "timed out": [], "survived": []}
    with trial(module, tests) as tried:
        print(f"{name}: {len(mutants)} mutants, {len(tried.baseline.seconds)} tests", flush=True)
        for mutant in mutants:
            outcome = tried.outcome(mutant)
            outcomes[outcome].append(mutant.name)
            if outcome != "killed":
                print(f"  {module}:{mutant.line} {outcome}: {mutant.name}", flush=True)
    seconds = round(time.monotonic() - started)
    print(f"{name}: {', '.join(f'{len(found)} {what}' for what, found in outcomes.items())} in {seconds} s", flush=True)
    return outcomes, seconds


def state(name: str, tests: list[str]) -> str:
    """A digest of the module and its tests."""
    digest = hashlib.sha256()
    for file in (f"loopscope/{name}.py", *(test.partition("::")[0] for test in tests)):
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main(sys.argv[1:])
