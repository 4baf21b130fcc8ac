"""What the asset catalogue says of a table: text, columns, where its code stands, a preview of its rows.

Here: turning specs, contracts and rows into Dagster's metadata. Not here: what a
contract means (`warehouse.contracts`).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from segmentation_assets.warehouse.contracts import Contract, column_docs, key_of, schema_of
from segmentation_assets.warehouse.registry import TableSpec

_CELL_WIDTH = 60


def description(spec: TableSpec) -> str:
    """The table's own words, its key, and its columns as a table."""
    key = f"Key: {', '.join(f'`{name}`' for name in spec.key)}" if spec.key else "No key."
    return f"{spec.description}\n\n{key}\n\n{_columns_markdown(spec.contract)}"


def _columns_markdown(contract: type[Contract]) -> str:
    rows = [(f"`{name}`", kind, unit, text) for name, kind, unit, text in column_docs(contract)]
    return markdown_table(("column", "type", "unit", "meaning"), rows)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A markdown table; line breaks and bars in cells are made harmless."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= _CELL_WIDTH or text.count(" ") else text[: _CELL_WIDTH - 1] + "…"


def column_schema(contract: type[Contract]) -> dg.TableSchema:
    """The contract as Dagster's column schema, rules included."""
    key = key_of(contract)
    columns = schema_of(contract).columns
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=kind,
                description=f"{text} ({unit})" if unit else text,
                constraints=dg.TableColumnConstraints(
                    nullable=bool(columns[name].nullable),
                    unique=key == (name,),
                    other=[f"{check.name}: {_shown(check.statistics)}" for check in columns[name].checks],
                ),
            )
            for name, kind, unit, text in column_docs(contract)
        ],
        constraints=dg.TableConstraints(
            other=[f"unique together: {', '.join(key)}"] * (len(key) > 1)
            + [str(check.name) for check in (schema_of(contract).checks or [])]
        ),
    )


def _shown(statistics: Mapping[str, Any]) -> str:
    known = {name: value for name, value in statistics.items() if value is not None}
    words = [
        ", ".join(map(str, v)) if isinstance(v, list | tuple | set | frozenset) else str(v) for v in known.values()
    ]
    return words[0] if len(words) == 1 else ", ".join(f"{n} {w}" for n, w in zip(known, words, strict=True))


def code_references(spec: TableSpec) -> dg.CodeReferencesMetadataValue:
    """Where the function, or an extract's contract, stands."""
    if spec.function is not None:
        code = inspect.unwrap(spec.function).__code__
        place, line = code.co_filename, code.co_firstlineno
    else:
        place = inspect.getfile(spec.contract)
        line = _class_lines(place).get(spec.contract.__name__, 0)
    reference = dg.LocalFileCodeReference(file_path=place, line_number=line, label=spec.name)
    return dg.CodeReferencesMetadataValue(code_references=[reference])


@cache
def _class_lines(file: str) -> dict[str, int]:
    """First lines of a module's classes; `inspect` would parse the file once per class."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.ClassDef)}
