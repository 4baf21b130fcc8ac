"""The page of measured figures says what was measured, beside what target, and what could not be measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.figures import Figure, Findings, Scale
from benchmarks.readme import BEGIN, END, page, write

FIGURES = [Figure("CPU of it", 21.456, "s", at_most=22.0), Figure("files", 3_001, at_most=3_000)]


def test_the_page_has_each_figure_with_its_verdict():
    text = page(
        Scale(), {"demo": Findings(FIGURES, ["a detail"]), "report": "no browser"}, "python -m benchmarks demo"
    )
    assert "`python -m benchmarks demo` wrote this page" in text
    assert "| CPU of it | 21.46 s | ≤ 22 s | met |" in text
    assert "| files | 3,001 | ≤ 3000 | missed |" in text
    assert "- a detail" in text
    assert "Could not be measured: no browser" in text


def test_the_sentence_of_readme_is_replaced_in_its_place(tmp_path: Path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(readme, FIGURES)
    text = readme.read_text()
    assert "old" not in text
    assert "takes 21 s of processor time" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="expected the marks"):
        write(readme, FIGURES)
