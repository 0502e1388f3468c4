"""The pages of the site that stand elsewhere already: sections of README, CHANGELOG, and a heading for each name.

A hook of MkDocs (mkdocs.yml). Nothing is written into docs/, so no text stands twice.
"""

import ast
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
# Page -> the sections of README that it is made of; the first page also has what stands before the first section.
PAGES = {
    "index.md": ("Start",),
    "guide.md": ("A walk through the pages",),
    "command.md": ("Without the checkout",),
    "server.md": ("On a studio server", "Beyond one machine"),
    "method.md": ("Method and sources", "Encoders and licences"),
    "limits.md": ("Limits",),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages. Fails for a section of README that no page takes, or that a page takes in vain."""
    head, sections = sections_of((ROOT / "README.md").read_text(encoding="utf-8"))
    wanted = {name for names in PAGES.values() for name in names}
    if wanted != set(sections):
        raise SystemExit(f"README has other sections than .ci/docs_pages.py knows: {wanted ^ set(sections)}")
    for page, names in PAGES.items():
        text = "\n".join(f"## {name}\n{sections[name]}" for name in names)
        text = head + text if page == "index.md" else text.replace("## ", "# ", 1)
        files.append(File.generated(config, page, content=relinked(text)))
    files.append(File.generated(config, "changes.md", content=(ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    files.append(File.generated(config, "api.md", content=api()))
    files.append(File.generated(config, "deploy/Caddyfile", content=(ROOT / "deploy" / "Caddyfile").read_text()))
    return files


def sections_of(text: str) -> tuple[str, dict[str, str]]:
    """What stands before the first section, and the sections by their headings."""
    head, *rest = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return head, dict(zip(rest[::2], rest[1::2], strict=True))


def relinked(text: str) -> str:
    """Links as they are from docs/ instead of from the root."""
    return re.sub(r"(\]\()docs/", r"\1", text)


def api() -> str:
    """The package's own words, then each of its names."""
    tree = ast.parse((ROOT / "loopscope" / "__init__.py").read_text(encoding="utf-8"))
    homes = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "HOMES"
    )
    examples = re.sub(r"^>>> .*?(?=\n\n|\Z)", r"```pycon\n\g<0>\n```", ast.get_docstring(tree) or "", flags=re.M | re.S)
    return "\n\n".join(["# API", examples, *(f"::: loopscope.{home}.{name}" for name, home in homes.items())])
