"""What the documents promise: figures that a benchmark wrote, links that lead somewhere, commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.figures import Figure
from benchmarks.readme import BEGIN, END, sentence, write
from segmentation_assets.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FIGURES = [Figure("CPU of it", 103.4)]
_MEASURED = re.compile(r"\d[\d.,]*\s?(?:s|ms|seconds|minutes|hours|kB|MB|MiB|GB|GiB|×|times|%)(?![\w-])")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def test_readme_quotes_no_figure_that_no_benchmark_wrote():
    head, rest = _text(ROOT / "README.md").split(BEGIN)
    measured, tail = rest.split(END)
    assert _MEASURED.findall(head + tail) == []
    shape = re.sub(r"\d+(\.\d+)?", "N", sentence(FIGURES))
    assert re.sub(r"\d+(\.\d+)?", "N", measured).strip() in ("", shape)


def test_the_figures_are_written_into_their_place(tmp_path: Path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(readme, FIGURES)
    text = readme.read_text()
    assert "103 s" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="expected the marks"):
        write(readme, FIGURES)


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_links_and_pictures_are_there(file: Path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", _text(file))
    missing = [link for link in links if "://" not in link and not (file.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_commands_in_documents_exist(file: Path):
    facts = {name for names in COMMANDS.values() for name in names} | {"days"}  # `days`: the example of a recipe
    used = set(re.findall(r"(?<![\w/`.-])segmentation (?:--home \S+ )?([a-z][a-z-]+)\b", _text(file)))
    assert used - facts - {"puts", "into"} == set()


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("*")), ids=lambda file: file.name)
def test_pictures_are_small(picture: Path):
    assert picture.suffix == ".png"
    assert picture.stat().st_size < 200_000


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_files_that_documents_name_are_there(file: Path):
    """Paths in code marks; those that a recipe has a reader write are the exception."""
    written = ("overdue_goals", "days", "goals", "RELIABILITY")  # the last one: `make soak` writes it
    paths = re.findall(r"`((?:segmentation_assets|tests|benchmarks|data)/[\w./-]+)`", _text(file))
    missing = [p for p in paths if not (ROOT / p).exists() and not any(w in Path(p).stem for w in written)]
    assert [p for p in missing if not p.startswith(("data/published", "data/analytics"))] == []
