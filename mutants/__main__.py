"""`make mutants` tries the modules of modules.toml whose source or tests changed; `MUTANT_ARGS="files exports/undo"`
tries these, `MUTANT_ARGS=all` all. What came out is kept in results.json and written into docs/RELIABILITY.md.
"""

import hashlib
import sys
import time
from collections import Counter
from pathlib import Path

from mutants.mutations import mutants_of
from mutants.report import Result, read_results, read_table, write_document, write_results
from mutants.trial import ROOT, checkout


def main(wanted: list[str]) -> None:
    """Tries the wanted modules, and writes what came out after each."""
    table, results = read_table(), read_results()
    unknown = sorted(set(wanted) - set(table) - {"all"})
    if unknown:
        sys.exit(f"mutants/modules.toml has no {', '.join(unknown)}; it has {', '.join(table)}.")
    known = {name: result.state for name, result in results.items()}
    changed = [name for name, tests in table.items() if known.get(name) != state(name, tests)]
    for name in list(table) if "all" in wanted else wanted or changed:
        result = try_module(name, table[name])
        results = {**read_results(), name: result}  # others may have been tried meanwhile
        write_results(results)
        write_document(results)


def try_module(name: str, tests: list[str]) -> Result:
    """What becomes of every mutant of a module."""
    started, module = time.monotonic(), Path("loopscope", f"{name}.py")
    outcomes: Counter[str] = Counter()
    survivors = []
    with checkout() as copy:
        mutants = mutants_of((ROOT / module).read_text(encoding="utf-8"))
        baseline = copy.baseline(module, tests)
        print(f"{name}: {len(mutants)} mutants, {len(baseline.seconds)} tests", flush=True)
        for mutant in mutants:
            outcome = copy.outcome(module, mutant, baseline, tests)
            outcomes[outcome] += 1
            if outcome == "survived":
                survivors.append(mutant.name)
            if outcome != "killed":
                print(f"  {module}:{mutant.line} {outcome}: {mutant.name}", flush=True)
    seconds = round(time.monotonic() - started)
    print(f"{name}: {dict(outcomes)} in {seconds} s", flush=True)
    return Result(len(mutants), outcomes["timed out"], survivors, seconds, state(name, tests))


def state(name: str, tests: list[str]) -> str:
    """A digest of the module and its tests."""
    digest = hashlib.sha256()
    for file in (f"loopscope/{name}.py", *(test.partition("::")[0] for test in tests)):
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main(sys.argv[1:])
