"""The rules that keep the project readable: layers, Streamlit at the edge, short modules, thin pages, no traps."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "loopscope"
LAYERS = (
    ("errors", "progress", "config", "roots", "threading_limits"),
    ("audio",),
    ("store",),
    ("library", "demo"),
    ("checkpoints", "encoders"),
    ("embeddings",),
    ("guards", "fitting", "calibration"),
    ("networks", "ensemble", "density"),
    ("members", "deep_svdd"),
    ("robust_svdd", "baselines", "paper_detector"),
    ("robust_detector",),
    ("detectors", "thresholds", "projection"),
    ("evaluation", "faults", "metadata", "neighbours", "loudness", "loop_structure", "picture"),
    ("figures", "exports", "models", "triage", "facts", "subsets"),
    ("pipeline",),
    ("explanation",),
    ("loop_figures", "library_figures"),
    ("ui",),
)
SOURCES = sorted([ROOT / "app.py", *(ROOT / "pages").glob("*.py"), *PACKAGE.rglob("*.py")])
PAGES = sorted((ROOT / "pages").glob("*.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Dotted names of every import in a file, lazy ones too."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def layer_of(part: str) -> int:
    return next((level for level, parts in enumerate(LAYERS) if part in parts), -1)


@pytest.mark.parametrize("path", [p for p in SOURCES if PACKAGE in p.parents and part_of(p) != "__init__"], ids=str)
def test_imports_go_downwards_only(path: Path) -> None:
    own = layer_of(part_of(path))
    assert own >= 0, f"{path} has no layer: give it one here and in docs/ARCHITECTURE.md"
    used = {name.split(".")[1] for name in imported(path) if name.startswith("loopscope.")}
    upwards = {part for part in used if layer_of(part) > own}
    assert not upwards, f"{path} imports from layers above it: {sorted(upwards)}"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_only_the_edge_imports_streamlit(path: Path) -> None:
    if path == ROOT / "app.py" or path in PAGES or PACKAGE / "ui" in path.parents:
        return
    assert not {name for name in imported(path) if name.split(".")[0] == "streamlit"}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_pages_are_thin(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 50
    assert not any(isinstance(node, ast.FunctionDef | ast.Lambda) for node in ast.walk(tree_of(path)))
    assert not {name for name in imported(path) if name.split(".")[0] in {"numpy", "torch", "sklearn"}}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_blanket_except_no_pickle_no_print(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in {"everything", "Exception", "BaseException"}, f"{path}:{node.lineno} catches {caught}"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"pickle.load", "pickle.loads", "joblib.load", "eval", "exec"}, f"{path}:{node.lineno}"
            if called == "torch.load":
                keywords = {item.arg: ast.unparse(item.value) for item in node.keywords}
                assert keywords.get("weights_only") == "True", f"{path}:{node.lineno} loads weights unsafely"
    assert not {name for name in imported(path) if name.split(".")[0] in {"pickle", "dill", "joblib", "cloudpickle"}}


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path) for path in SOURCES if not ast.get_docstring(tree_of(path)) and path.name != "__init__.py"]
    assert not silent
