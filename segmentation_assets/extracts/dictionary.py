"""The tables of extract contracts that `data/README.md` shows: `python -m segmentation_assets.extracts.dictionary`.

Not here: the words around the tables, which are written by hand in that file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from segmentation_assets.extracts.contracts import EXTRACTS, HISTORY_COLUMNS, REQUIRED, natural_key
from segmentation_assets.warehouse.contracts import column_docs, schema_of
from segmentation_assets.warehouse.registry import TableSpec

BEGIN, END = "<!-- contracts: begin -->", "<!-- contracts: end -->"
_TYPES = {
    "string": "text", "int64": "whole number", "float64": "number", "boolean": "true/false", "date": "date",
    "timestamp": "time (UTC)", "timestamp(6)": "time (UTC)",
}  # fmt: skip


def contract_tables() -> str:
    """All extracts in landing order, as Markdown."""
    return "\n\n".join("\n".join(_extract(spec)) for spec in EXTRACTS)


def _extract(spec: TableSpec) -> Iterator[str]:
    needed = "required" if spec.name in REQUIRED else "optional"
    yield f"### `{spec.name}` ({needed})"
    yield ""
    yield f"{spec.description} Key: {', '.join(f'`{k}`' for k in natural_key(spec.contract))}."
    yield ""
    yield "| column | type | unit | empty | rule | meaning |"
    yield "|---|---|---|---|---|---|"
    for name, kind, unit, meaning in column_docs(spec.contract):
        if name not in HISTORY_COLUMNS:
            column = schema_of(spec.contract).columns[name]
            empty = "may be" if column.nullable else "never"
            yield f"| `{name}` | {_TYPES[kind]} | {unit} | {empty} | {_rules(spec, name)} | {meaning} |"
    rules = [str(check.name).replace("_", " ") for check in schema_of(spec.contract).checks or []]
    if rules:
        yield ""
        yield f"Over the row: {'; '.join(rules)}."


def _rules(spec: TableSpec, column: str) -> str:
    said = []
    for check in schema_of(spec.contract).columns[column].checks or []:
        facts = check.statistics
        if check.name == "isin":
            said.append(" / ".join(map(str, facts["allowed_values"])))
        elif check.name == "greater_than_or_equal_to":
            said.append(f"≥ {facts['min_value']}")
        elif check.name == "greater_than":
            said.append(f"> {facts['min_value']}")
        elif check.name == "less_than_or_equal_to":
            said.append(f"≤ {facts['max_value']}")
        elif check.name == "str_matches":
            said.append("three capital letters")
    return ", ".join(said)


def refreshed(text: str) -> str:
    """`text` of the README with the tables between the marks made anew.

    Raises ValueError where a mark is missing.
    """
    head, tail = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:head]}\n\n{contract_tables()}\n\n{text[tail:]}"


if __name__ == "__main__":
    readme = Path(sys.argv[1] if len(sys.argv) > 1 else "data/README.md")
    readme.write_text(refreshed(readme.read_text(encoding="utf-8")), encoding="utf-8")
