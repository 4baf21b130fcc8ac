"""What was tried to break the product, and what broke: the sections of `benchmarks/RELIABILITY.md`.

Here: keeping sections, and the parts that are not kills: inputs, readers, doors. Not here: the kills
(`tests.e2e.soak`), or any speed (`benchmarks.parts`).
"""

from __future__ import annotations

from pathlib import Path

RESULTS = Path(__file__).parent / "RELIABILITY.md"
_TITLE = "# What was tried, and what broke\n"
_ORDER = ("Kills", "Inputs", "Readers", "Doors")


def keep(section: str, results: Path = RESULTS) -> None:
    """Put a section in the place of the last one of its name. The file is written whole."""
    before = results.read_text(encoding="utf-8") if results.exists() else _TITLE
    head, *others = before.split("\n## ")
    sections = {_name(each): each.strip() for each in others}
    text = section.removeprefix("## ").strip()
    sections[_name(text)] = text
    ordered = sorted(sections, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    whole = "\n\n".join([head.strip(), *(f"## {sections[name]}" for name in ordered)]) + "\n"
    unfinished = results.with_suffix(".unfinished")
    unfinished.write_text(whole, encoding="utf-8")
    unfinished.replace(results)


def _name(section: str) -> str:
    return section.partition(":")[0].strip()
