"""Words that a busy reader would stumble over: sentences that were cured once, and participles as names.

CONTRIBUTING.md says what to write instead.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "segmentation_assets"
PARTICIPLES = {"found", "told", "made", "known", "given", "asked"}

CURED = (
    "so many days before the newest one posted",
    "hours too little without it",
    "which cannot be looked into",
    "is one of trouble",
    "accounts that came",
    "that came,",
    "the row asks",
    "asks for nothing from any network",
    "nothing that is told here",
    "hears of each table",
    "expected to be lost (",
    "changed and changed back in between",
)


def participles(source: str) -> list[str]:
    """Names of variables, parameters and functions that are participles."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(node, ast.FunctionDef):
            names.append(node.name)
    return [name for name in names if name.strip("_") in PARTICIPLES]


def test_a_participle_is_seen():
    source = "def f(told, day):\n    found, rows = day, 1\n    for made in rows: pass"
    assert sorted(participles(source)) == ["found", "made", "told"]
    assert participles("def is_found(row): return row.found") == []


def test_no_name_is_a_participle():
    names = {
        str(file.relative_to(ROOT)): one
        for folder in (PACKAGE, ROOT / "tests", ROOT / "benchmarks", ROOT / "docs")
        for file in sorted(folder.rglob("*.py"))
        if (one := participles(file.read_text(encoding="utf-8")))
    }
    assert names == {}, "name the thing; see CONTRIBUTING.md, How we write"


def texts() -> list[Path]:
    files = [f for suffix in ("py", "html", "js", "yaml", "md") for f in PACKAGE.rglob(f"*.{suffix}")]
    return [*sorted(files), ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "data" / "README.md"]


@pytest.mark.parametrize("sentence", CURED)
def test_a_sentence_that_was_cured_does_not_come_back(sentence: str):
    pattern = re.compile(re.escape(sentence).replace(r"\ ", r"\s+"), re.IGNORECASE)
    joined = re.compile(r'"\s*\n\s*f?"')  # a text over two lines of code
    here = {
        str(file.relative_to(ROOT)) for file in texts() if pattern.search(joined.sub("", file.read_text("utf-8")))
    }
    assert here == set()
