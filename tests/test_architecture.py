"""What no linter checks: short modules, thin pages, weights that are only weights."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "pages").glob("*.py"))
SOURCES = [ROOT / "app.py", *PAGES, *sorted((ROOT / "loopscope").rglob("*.py"))]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= (50 if path in PAGES else 300)


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_pages_only_hand_data_to_views(path: Path) -> None:
    """They define nothing, and arrays are not their business."""
    nodes = list(ast.walk(tree_of(path)))
    assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda) for node in nodes)
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert not {module.split(".")[0] for module in modules} & {"numpy", "torch", "sklearn"}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_weights_are_loaded_as_weights_only(path: Path) -> None:
    """Anything else in a file of PyTorch's could run code when it is opened."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            keywords = {item.arg: ast.unparse(item.value) for item in node.keywords}
            assert keywords.get("weights_only") == "True", f"{path}:{node.lineno}"
