"""The page of a table in Dagster's asset catalogue: text, columns, code reference, preview of rows.

Here: turning specs, contracts and rows into Dagster metadata. Not here: contracts (`tables.contracts`).
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from segmentation_assets.orchestration.partitions import look_back_mapping
from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.escaping import Markdown, in_markdown
from segmentation_assets.report.evidence import READ
from segmentation_assets.tables.contracts import Contract, column_docs, key_of, schema_of
from segmentation_assets.tables.registry import Input, Registry, TableSpec

_CELL_WIDTH = 60
_TEXT_WIDTH = 1000
"""Characters of a cell: of one word, and of a text, which can be broken into lines."""


def description(spec: TableSpec, registry: Registry, policy: Policy) -> str:
    """A page for people who see the table for the first time, from docstrings, contracts and the catalogue.

    It says what the table answers, what a row is, what the table reads, which policy sections it uses, which tables
    read it, and the commands to look at it, make it again and explain a row. Columns are shown separately
    (`column_schema`).
    """
    parts = [
        spec.description,
        f"**A row** is one {_row_of(spec)}.",
        _reads(spec, registry, policy),
        _numbers(spec, policy),
        _read_by(spec, registry),
        f"**At a terminal**\n\n```\n{_commands(spec)}\n```",
        _when_it_fails(spec),
    ]
    return "\n\n".join(part for part in parts if part)


def _row_of(spec: TableSpec) -> str:
    if not spec.key:
        return "refused row of an extract"
    return "per " + " × ".join(f"`{name}`" for name in spec.key)


def _reads(spec: TableSpec, registry: Registry, policy: Policy) -> str:
    if spec.is_extract:
        return ""
    links = [_link(item.name) + _days_back(item, spec, registry, policy) for item in spec.inputs]
    return f"**Reads** {', '.join(links) or 'nothing but its days'}."


def _days_back(item: Input, spec: TableSpec, registry: Registry, policy: Policy) -> str:
    """How far back one day of the table reads an input; empty if it reads the same day only."""
    if item.reads is None or spec.partition != "as_of" or registry[item.name].partition != "as_of":
        return ""
    offset = look_back_mapping(item.reads, policy).start_offset
    return f" (up to {-offset:,} days back)" if offset else ""


def _numbers(spec: TableSpec, policy: Policy) -> str:
    """The policy's sections that the table declares, by their names in the file."""
    classes = list(spec.sections.values())
    names = [f"`{name}`" for name, value in policy if type(value) in classes]
    return f"**Numbers** of the policy: {', '.join(names)}. A change there makes this table stale." if names else ""


def _read_by(spec: TableSpec, registry: Registry) -> str:
    links = [_link(other.name) for other in registry if any(item.name == spec.name for item in other.inputs)]
    links += [_link("report")] if spec.name in READ and "segments" in registry else []
    return f"**Read by** {', '.join(links) or 'people and other systems; no table reads it'}."


def _link(name: str) -> str:
    return f"[{name}](/assets/{name})"


def _commands(spec: TableSpec) -> str:
    """The commands to look at the table, to make it again, and to explain one row."""
    if spec.is_extract:
        lines = [
            ("segmentation check-sources", "is the mapping of the source right?"),
            (f"segmentation run --select {spec.name}", "land what has changed"),
            (f"""segmentation show quarantine --where "extract = '{spec.name}'\"""", "rows refused, and why"),
        ]
        if spec.name == "quarantine":
            lines = lines[:1]
    else:
        lines = [(f"segmentation run --select +{spec.name} --as-of DAY", "make it and everything it reads")]
        if "account_id" in spec.key:
            lines.append(("segmentation explain ACCOUNT", "one live account, down to its raw figures"))
    lines.insert(0, (f"segmentation show {spec.name}", "its rows"))
    width = max(len(command) for command, _ in lines)
    return "\n".join(f"{command:<{width}}  # {what}" for command, what in lines)


def _when_it_fails(spec: TableSpec) -> str:
    if not spec.key:
        return ""  # the quarantine cannot fail
    if spec.is_extract:
        return (
            "**When it fails**, too many rows broke their contract, or the source could not be read: the check "
            "`contract` says which. Rows that landed before are kept, and nothing downstream runs."
        )
    return (
        "**When it fails**, rows broke the contract: the check `contract` lists the rules, how many rows, and a "
        "sample. The days published before are kept, and nothing downstream runs. A day that is up to date is not "
        "made again. It goes stale when its inputs, the policy or its code change."
    )


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table. Texts in cells are escaped, and long ones are cut, except `Markdown`."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = "" if value is None else _number(value) if isinstance(value, int | float) else " ".join(str(value).split())
    if isinstance(value, Markdown):
        return text.replace("|", "\\|")
    if len(text) > (_TEXT_WIDTH if text.count(" ") else _CELL_WIDTH):
        text = text[: (_TEXT_WIDTH if text.count(" ") else _CELL_WIDTH) - 1] + "…"
    return in_markdown(text)


def _number(value: float) -> str:
    """Thousands separated, few decimals, no exponent."""
    if isinstance(value, bool) or not math.isfinite(value):
        return str(value).lower()
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"


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
    facts = {name: value for name, value in statistics.items() if value is not None}
    words = [
        ", ".join(map(str, v)) if isinstance(v, list | tuple | set | frozenset) else str(v) for v in facts.values()
    ]
    return words[0] if len(words) == 1 else ", ".join(f"{n} {w}" for n, w in zip(facts, words, strict=True))


def code_references(spec: TableSpec) -> dg.CodeReferencesMetadataValue:
    """File and line of the function, or of an extract's contract."""
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
