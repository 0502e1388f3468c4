"""What is imported is declared, what is declared is used, and every place that declares says the same."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DISTRIBUTION_OF = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
OWN = {"app", "benchmarks", "loopscope", "mutants", "pages", "tests"}
RUN_NOT_IMPORTED = {
    "torchlibrosa": "the files of laion-clap that encoders/htsat.py loads import it",
    "pip": "checkpoints/fetching.py runs it, and the environments that uv makes have none",
    "pyarrow": "pandas writes Parquet with it",
    "s3fs": "fsspec opens s3:// with it",
    "gcsfs": "fsspec opens gs:// with it",
    **dict.fromkeys(("flask", "flask-cors"), "moto's server is made of them"),
    "httpx2": "starlette's TestClient imports it",
    "pytest-timeout": "pytest's option timeout",
    "pytest-xdist": "pytest's option -n",
    **dict.fromkeys(("hatchling", "import-linter", "mypy", "pandas-stubs", "ruff", "uv"), "a command or a part of one"),
}


def imports_in(*places: str) -> set[str]:
    """Distributions that the Python files there import, lazily or not; names differ from modules in DISTRIBUTION_OF."""
    modules = {name.split(".")[0] for place in places for path in files_of(ROOT / place) for name in imports_of(path)}
    return {canonicalize_name(DISTRIBUTION_OF.get(name, name)) for name in modules - sys.stdlib_module_names - OWN}


def files_of(place: Path) -> Iterable[Path]:
    return place.rglob("*.py") if place.is_dir() else [place]


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif (
            isinstance(node, ast.Call) and ast.unparse(node.func) == "late"
        ):  # loopscope.late imports it when it is used
            yield ast.literal_eval(node.args[0])


def required(file: str) -> dict[str, Requirement]:
    """The requirements that a file lists itself, by name."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines())
    return by_name(line for line in lines if line and not line.startswith("-"))


def by_name(lines: Iterable[str]) -> dict[str, Requirement]:
    return {canonicalize_name(item.name): item for item in map(Requirement, lines)}


def test_the_app_declares_what_it_imports_and_nothing_else() -> None:
    optional = by_name(line for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines)
    declared = by_name(PROJECT["project"]["dependencies"])
    used = imports_in("app.py", "pages", "loopscope")
    assert used - set(declared) - set(optional) == set()
    assert set(declared) | set(optional) == used | (set(declared) & set(RUN_NOT_IMPORTED))


def test_what_is_run_as_a_module_is_declared() -> None:
    """An environment that uv made has no pip, unless something asks for it."""
    lists = (node for path in files_of(ROOT / "loopscope") for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    words = (list(map(ast.unparse, node.elts)) for node in lists if isinstance(node, ast.List))
    run = {ast.literal_eval(line[line.index("'-m'") + 1]) for line in words if "'-m'" in line[:-1]}
    others = {name for name in run if name.split(".")[0] not in sys.stdlib_module_names | OWN}
    assert "pip" in others
    assert others <= set(by_name(PROJECT["project"]["dependencies"]))


def test_the_library_and_the_command_line_need_nothing_of_the_screen() -> None:
    rooms = [f"loopscope/{path.name}" for path in (ROOT / "loopscope").iterdir() if path.suffix in {"", ".py"}]
    headless = [room for room in rooms if room not in {"loopscope/ui", "loopscope/figures"}]
    of_the_screen = set(by_name(PROJECT["project"]["optional-dependencies"]["app"]))
    assert of_the_screen >= {"streamlit", "plotly"}
    assert imports_in(*headless) & of_the_screen == set()


def test_the_tests_declare_what_they_import_and_nothing_else() -> None:
    app, tools = required("requirements.txt"), required("requirements-dev.txt")
    used = imports_in("tests", "benchmarks")
    assert used - set(app) - set(tools) - set(required("requirements-clap.txt")) == set()
    assert set(tools) - used - set(RUN_NOT_IMPORTED) - imports_in("loopscope") == set()


def test_make_mutants_declares_what_it_imports_and_nothing_else() -> None:
    own = set(required("requirements-mutants.txt"))
    assert imports_in("mutants") - set(required("requirements-dev.txt")) == own


def test_the_requirements_are_the_projects_pinned() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    declared, pinned = by_name([*PROJECT["project"]["dependencies"], *extras["app"]]), required("requirements.txt")
    assert set(declared) == set(pinned)
    for name, item in pinned.items():
        versions = [part.version for part in item.specifier if part.operator in {"==", ">="}]
        assert declared[name].specifier.contains(versions[0]), name


def test_the_lock_holds_every_requirement_and_no_address() -> None:
    locked = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in locked
    pins = [Requirement(line) for line in locked.splitlines() if line and not line.startswith("#")]
    for name, item in {**required("requirements.txt"), **required("requirements-dev.txt")}.items():
        versions = [next(iter(pin.specifier)).version for pin in pins if canonicalize_name(pin.name) == name]
        assert versions, f"{name} is not in constraints.txt; run make lock"
        assert all(item.specifier.contains(version) for version in versions), f"{name} moved; run make lock"


def test_mypy_overlooks_only_what_is_imported() -> None:
    overlooked = [name for item in PROJECT["tool"]["mypy"]["overrides"] for name in item["module"]]
    modules = {re.sub(r"\.\*$", "", name) for name in overlooked}
    assert {canonicalize_name(DISTRIBUTION_OF.get(name, name)) for name in modules} <= imports_in("app.py", "loopscope")
