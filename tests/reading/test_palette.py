"""One palette: nobody else names a colour, and the style sheet has a value for each in light, dark and print."""

from __future__ import annotations

import re
from pathlib import Path

import segmentation_assets
from segmentation_assets.reading import palette

SOURCES = (".py", ".html", ".css", ".js")
PACKAGE = Path(segmentation_assets.__file__).parent
COLOUR = re.compile(r"#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})\b(?![\w-])")


def test_no_other_file_names_a_colour():
    files = [path for kind in ("py", "css", "js", "html") for path in PACKAGE.rglob(f"*.{kind}")]
    result = {path.relative_to(PACKAGE): COLOUR.findall(path.read_text(encoding="utf-8")) for path in files}
    assert [str(path) for path, colours in result.items() if colours] == ["reading/palette.py"]


def test_every_variable_that_is_used_has_a_value_in_light_dark_and_print():
    texts = [path.read_text(encoding="utf-8") for path in (PACKAGE / "report").rglob("*") if path.suffix in SOURCES]
    used = {name for text in texts for name in re.findall(r"var\(--(\w+)\)", text)} - {"share"}
    assert used <= set(palette.LIGHT) == set(palette.DARK) == set(palette.PRINT)
    assert palette.style_variables().count("--ink:") == 3


def test_groups_of_one_chart_have_colours_of_their_own():
    for groups in (palette.TIERS, palette.SEGMENTS, palette.STATUSES):
        for values in (palette.LIGHT, palette.DARK):
            shown = [values[colour] for colour in groups.values()]
            assert len(set(shown)) == len(shown)
