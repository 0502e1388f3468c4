"""The site, as far as can be seen without MkDocs: every page of its menu exists, every section of README has one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = (ROOT / "mkdocs.yml").read_text()
HOOK = ast.parse((ROOT / ".ci" / "docs_pages.py").read_text())


def made_pages() -> dict[str, tuple[str, ...]]:
    """The pages that are made of README, with its sections."""
    pages = next(
        node.value
        for node in HOOK.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "PAGES"
    )
    found: dict[str, tuple[str, ...]] = ast.literal_eval(pages)
    return found


def test_every_page_of_the_menu_is_there_or_is_made() -> None:
    menu = set(re.findall(r"^ +- .+: (\S+\.md)$", SETTINGS, re.MULTILINE))
    made = {*made_pages(), "api.md", "changes.md"}
    assert made <= menu
    assert menu - made == {path.name for path in (ROOT / "docs").glob("*.md")}


def test_every_section_of_readme_has_a_page() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(name for names in made_pages().values() for name in names)
