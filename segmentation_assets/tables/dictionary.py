"""What each table and column means, as data. Generated from the contracts, so every reader gets the same text.

Here: the entries of the dictionary, how they are made from specs, and columns as Markdown. Not here: where they are
shown (`cli.printing.dictionary`, the report, `extracts.readme` for data/README.md), or contracts (`contracts`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmentation_assets.tables.registry import TableSpec

_TYPES = {
    "string": "text", "int64": "whole number", "float64": "number", "boolean": "true/false", "date": "date",
    "timestamp": "time (UTC)", "timestamp(6)": "time (UTC)",
}  # fmt: skip


_PATTERNS = {r"[A-Z]{3}$": "three capital letters"}


@dataclass(frozen=True)
class ColumnEntry:
    """A column: what it means, its type in plain words, and what its contract allows.

    `low` and `high` are the range as people write it (`≥ 0`, `< 1`), `allowed` the only values it may have.
    """

    name: str
    type: str
    unit: str
    is_key: bool
    may_be_empty: bool
    low: str
    high: str
    allowed: tuple[str, ...]
    pattern: str
    description: str

    @property
    def rule(self) -> str:
        """What the contract allows, in one line."""
        return ", ".join(word for word in (self.low, self.high, " / ".join(self.allowed), self.pattern) if word)


@dataclass(frozen=True)
class TableEntry:
    """A table: what it answers, what one row is, and its columns, the key first.

    `partition` is the column by whose days the table is published, None for a table without days. `row_rules` are the
    names of rules over a whole row. `inputs` are the tables it reads, `policy` the sections it uses.
    """

    name: str
    group: str
    description: str
    key: tuple[str, ...]
    partition: str | None
    row_rules: tuple[str, ...]
    inputs: tuple[str, ...]
    policy: tuple[str, ...]
    columns: tuple[ColumnEntry, ...]

    @property
    def question(self) -> str:
        """The first sentence of its description: what the table answers."""
        line = " ".join(self.description.split("\n\n", 1)[0].split())
        ends = [at + 1 for mark in ("? ", ". ") if (at := line.find(mark)) >= 0]
        return line[: min(ends)] if ends else line

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; `of_json` reads them back."""
        return asdict(self)

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> TableEntry:
        """The entry that `to_json` wrote."""
        columns = tuple(ColumnEntry(**{**c, "allowed": tuple(c["allowed"])}) for c in value["columns"])
        listed = {name: tuple(value[name]) for name in ("key", "row_rules", "inputs", "policy")}
        return cls(**{**value, **listed, "columns": columns})


def dictionary(specs: Iterable[TableSpec], section_names: Mapping[type, str]) -> tuple[TableEntry, ...]:
    """The entries of `specs`, in their order. `section_names` says what the policy file calls a section."""
    return tuple(entry(spec, section_names) for spec in specs)


def entry(spec: TableSpec, section_names: Mapping[type, str]) -> TableEntry:
    """One table's entry."""
    from segmentation_assets.tables.contracts import ibis_schema, schema_of  # noqa: PLC0415 - readers need neither

    schema = schema_of(spec.contract)
    return TableEntry(
        name=spec.name,
        group=spec.group,
        description=spec.description,
        key=spec.key,
        partition=spec.partition,
        row_rules=tuple(str(check.name) for check in schema.checks or []),
        inputs=tuple(one.name for one in spec.inputs),
        policy=tuple(section_names.get(section, section.__name__) for section in spec.sections.values()),
        columns=tuple(
            _column(name, str(kind), schema.columns[name], name in spec.key)
            for name, kind in ibis_schema(spec.contract).items()
        ),
    )


def _column(name: str, kind: str, column: Any, is_key: bool) -> ColumnEntry:
    low = high = pattern = ""
    allowed: tuple[str, ...] = ()
    for check in column.checks or []:
        facts = check.statistics
        if check.name == "isin":
            allowed = tuple(map(str, facts["allowed_values"]))
        elif check.name == "greater_than_or_equal_to":
            low = f"≥ {facts['min_value']}"
        elif check.name == "greater_than":
            low = f"> {facts['min_value']}"
        elif check.name == "less_than_or_equal_to":
            high = f"≤ {facts['max_value']}"
        elif check.name == "less_than":
            high = f"< {facts['max_value']}"
        elif check.name == "in_range":
            low = f"{'≥' if facts['include_min'] else '>'} {facts['min_value']}"
            high = f"{'≤' if facts['include_max'] else '<'} {facts['max_value']}"
        elif check.name == "str_matches":
            pattern = _PATTERNS.get(facts["pattern"]) or f"matches {facts['pattern']}"
    text = inspect.cleandoc(column.description or "")
    unit = (column.metadata or {}).get("unit") or ""
    return ColumnEntry(name, _TYPES[kind], unit, is_key, bool(column.nullable), low, high, allowed, pattern, text)


HEADER = (
    "table", "group", "column", "is_key", "type", "unit", "may_be_empty", "low", "high", "allowed", "pattern",
    "description",
)  # fmt: skip


def rows_of(entries: Iterable[TableEntry]) -> list[tuple[str | bool, ...]]:
    """One row per column of every table, in the order of `HEADER`; allowed values are separated by ` / `."""
    return [
        (
            one.name, one.group, c.name, c.is_key, c.type, c.unit, c.may_be_empty, c.low, c.high,
            " / ".join(c.allowed), c.pattern, c.description,
        )
        for one in entries
        for c in one.columns
    ]  # fmt: skip


def columns_markdown(columns: Iterable[ColumnEntry]) -> str:
    """Columns as a Markdown table."""
    lines = ["| column | type | unit | empty | rule | meaning |", "|---|---|---|---|---|---|"]
    for one in columns:
        empty = "may be" if one.may_be_empty else "never"
        cells = (f"`{one.name}`", one.type, one.unit, empty, one.rule, one.description)
        lines.append("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def rules_in_words(names: Iterable[str]) -> str:
    """The names of rules over a whole row as a sentence; empty without rules."""
    words = "; ".join(name.replace("_", " ") for name in names)
    return f"Over the row: {words}." if words else ""
