"""Writes contracts and the list of presets into `data/README.md`: `python -m segmentation_assets.extracts.readme`.

Not here: the text around the tables. It is written by hand in that file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from segmentation_assets.extracts.contracts import EXTRACTS, HISTORY_COLUMNS, REQUIRED, natural_key
from segmentation_assets.extracts.presets import described
from segmentation_assets.tables.contracts import schema_of
from segmentation_assets.tables.dictionary import ColumnEntry, columns_markdown, entry, rules_in_words
from segmentation_assets.tables.registry import TableSpec

_MARK = "<!-- {part}: {place} -->"


def contract_tables() -> str:
    """All extracts in landing order, as Markdown."""
    return "\n\n".join("\n".join(_extract(spec)) for spec in EXTRACTS)


def preset_table() -> str:
    """All presets, as a Markdown table."""
    rows = [f"| `{name}` | {extracts} | {about} |" for name, extracts, about in described()]
    return "\n".join(["| preset | extracts | reads |", "|---|---|---|", *rows])


def _extract(spec: TableSpec) -> Iterator[str]:
    needed = "required" if spec.name in REQUIRED else "optional"
    table = entry(spec, {})
    yield f"### `{spec.name}` ({needed})"
    yield ""
    yield f"{spec.description} Key: {', '.join(f'`{k}`' for k in natural_key(spec.contract))}."
    yield ""
    yield columns_markdown(_as_declared(spec, table.columns))
    if table.row_rules:
        yield ""
        yield rules_in_words(table.row_rules)


def _as_declared(spec: TableSpec, columns: Sequence[ColumnEntry]) -> list[ColumnEntry]:
    """The columns that a mapping may fill, in the order of the contract."""
    by_name = {column.name: column for column in columns}
    return [by_name[name] for name in schema_of(spec.contract).columns if name not in HISTORY_COLUMNS]


def refreshed(text: str) -> str:
    """The README's `text` with current tables between the marks.

    Raises ValueError if a mark is missing.
    """
    for part, tables in (("presets", preset_table()), ("contracts", contract_tables())):
        begin, end = (_MARK.format(part=part, place=place) for place in ("begin", "end"))
        head, tail = text.index(begin) + len(begin), text.index(end)
        text = f"{text[:head]}\n\n{tables}\n\n{text[tail:]}"
    return text


if __name__ == "__main__":
    readme = Path(sys.argv[1] if len(sys.argv) > 1 else "data/README.md")
    readme.write_text(refreshed(readme.read_text(encoding="utf-8")), encoding="utf-8")
