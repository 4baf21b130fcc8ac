"""Checking data against its contract with one query in the database.

Here: rules compiled from a pandera model to Ibis booleans, the verdict, and a sample of broken rows. Not here: what
happens to a table that fails (`warehouse.building`), or to a row of an extract that fails (`extracts.landing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from segmentation_assets.tables.contracts import Contract, ibis_schema, key_of, schema_of

_OPERATORS: Mapping[str, Callable[[Any, Mapping[str, Any]], ir.BooleanValue]] = {
    "greater_than_or_equal_to": lambda c, s: c >= s["min_value"],
    "greater_than": lambda c, s: c > s["min_value"],
    "less_than_or_equal_to": lambda c, s: c <= s["max_value"],
    "less_than": lambda c, s: c < s["max_value"],
    "equal_to": lambda c, s: c == s["value"],
    "not_equal_to": lambda c, s: c != s["value"],
    "isin": lambda c, s: c.isin(list(s["allowed_values"])),
    "notin": lambda c, s: c.notin(list(s["forbidden_values"])),
    "str_matches": lambda c, s: c.re_search(f"^(?:{_pattern(s['pattern'])})"),
    "str_contains": lambda c, s: c.re_search(_pattern(s["pattern"])),
    "str_startswith": lambda c, s: c.startswith(s["string"]),
    "str_endswith": lambda c, s: c.endswith(s["string"]),
    "str_length": lambda c, s: _between(c.length(), s["min_value"], s["max_value"], True, True),
    "in_range": lambda c, s: _between(c, s["min_value"], s["max_value"], s["include_min"], s["include_max"]),
}


@dataclass(frozen=True)
class Rule:
    """One rule: its name (`column: rule`, or a row rule's name), its column, and the boolean: does it hold?"""

    name: str
    column: str | None
    holds: ir.BooleanValue


@dataclass(frozen=True)
class Verdict:
    """The result of a check: rows read, broken rows per rule, a few of them, and the columns to look at."""

    rows: int
    broken: Mapping[str, int] = field(default_factory=dict)
    sample: tuple[Mapping[str, Any], ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """No rule is broken."""
        return not self.broken

    def describe(self) -> str:
        """The broken rules with their counts, then up to three broken rows."""
        lines = [f"{rule}: {count} of {self.rows} rows" for rule, count in self.broken.items()]
        return "; ".join(lines + [f"e.g. {dict(row)}" for row in self.sample[:3]])


def _pattern(pattern: Any) -> str:
    return pattern.pattern if hasattr(pattern, "pattern") else str(pattern)


def _between(c: Any, low: Any, high: Any, include_low: bool, include_high: bool) -> Any:
    parts = []
    if low is not None:
        parts.append(c >= low if include_low else c > low)
    if high is not None:
        parts.append(c <= high if include_high else c < high)
    return ibis.and_(*parts)


def rules(contract: type[Contract], table: ir.Table) -> Iterator[Rule]:
    """All rules of a contract as booleans over `table`: not null, finite, each column rule, each row rule.

    Raises NotImplementedError for a pandera check that cannot be compiled: no table is better than an unchecked one.
    """
    schema, types = schema_of(contract), ibis_schema(contract)
    for name, col in schema.columns.items():
        value = table[name]
        if not col.nullable:
            yield Rule(f"{name}: not null", name, value.notnull())
        if types[name].is_floating():  # NaN and infinity pass every range rule in SQL
            yield Rule(f"{name}: finite", name, value.isnull() | ~(value.isnan() | value.isinf()))
        for check in col.checks:
            if check.name not in _OPERATORS:
                raise NotImplementedError(f"{contract.__name__}.{name}: check {check.name} cannot be compiled")
            holds = _OPERATORS[check.name](value, check.statistics)
            yield Rule(f"{name}: {check.name} {_shown(check.statistics)}", name, value.isnull() | holds)
    yield from _row_rules(contract, table, is_warning=False)


def warnings(contract: type[Contract], table: ir.Table) -> tuple[Rule, ...]:
    """The rules that only warn (`row_warning`). Most contracts have none."""
    return tuple(_row_rules(contract, table, is_warning=True))


def _row_rules(contract: type[Contract], table: ir.Table, *, is_warning: bool) -> Iterator[Rule]:
    for check in schema_of(contract).checks or []:
        if bool(check.raise_warning) == is_warning:
            yield Rule(str(check.name), None, check._check_fn(table).fill_null(False))


def _shown(statistics: Mapping[str, Any]) -> str:
    return ", ".join(str(v) for v in statistics.values() if v is not None and v is not True)


def summary(contract: type[Contract], table: ir.Table) -> ir.Table:
    """One row: `rows`, `broken` (rows that break any rule) and `keys` (distinct; null without a key)."""
    # One condition for all rules: one per rule, as `enforce` needs, takes half of an audit's time.
    holds = ibis.and_(*(rule.holds for rule in rules(contract, table)))
    broken = ibis.ifelse(holds, 0, 1).sum().fill_null(0)
    key = key_of(contract)
    counts = table.aggregate(rows=table.count(), broken=broken)
    return _with_key_count(table, counts, key) if key else counts.mutate(keys=ibis.null("int64"))


def enforce(contract: type[Contract], table: ir.Table, execute: Callable[[ir.Expr], Any]) -> Verdict:
    """Check `table` against its contract with one aggregate query. On failure a second query fetches a sample."""
    return _verdict(contract, list(rules(contract, table)), table, execute)


def warn(contract: type[Contract], table: ir.Table, execute: Callable[[ir.Expr], Any]) -> Verdict:
    """Check `table` against the rules of its contract that only warn."""
    return _verdict(contract, list(warnings(contract, table)), table, execute)


def _verdict(
    contract: type[Contract], rules_checked: Sequence[Rule], table: ir.Table, execute: Callable[[ir.Expr], Any]
) -> Verdict:
    counts = {f"r{i}": ibis.ifelse(rule.holds, 0, 1).sum().fill_null(0) for i, rule in enumerate(rules_checked)}
    key = key_of(contract)
    row = execute(_with_key_count(table, table.aggregate(rows=table.count(), **counts), key)).iloc[0]
    broken = {rule.name: int(row[f"r{i}"]) for i, rule in enumerate(rules_checked) if row[f"r{i}"]}
    if key and row["keys"] != row["rows"]:
        broken[f"key ({', '.join(key)}): unique"] = int(row["rows"] - row["keys"])
    if not broken:
        return Verdict(int(row["rows"]))
    bad = [rule for rule in rules_checked if rule.name in broken]
    rows = table.filter(ibis.or_(*(~rule.holds for rule in bad))).limit(5) if bad else _repeated(table, key)
    affected = set[str]().union(*map(_columns, bad))
    columns = tuple(name for name in ibis_schema(contract) if name in affected)
    return Verdict(int(row["rows"]), broken, tuple(execute(rows).to_dict("records")), columns)


def _columns(rule: Rule) -> set[str]:
    """The column of a rule, or the columns that a row rule compares."""
    return {rule.column} if rule.column else {field.name for field in rule.holds.op().find(ops.Field)}


def _with_key_count(table: ir.Table, counts: ir.Table, key: tuple[str, ...]) -> ir.Table:
    if not key:
        return counts
    keys = table.select(*key).distinct()
    return counts.cross_join(keys.aggregate(keys=keys.count()))


def _repeated(table: ir.Table, key: tuple[str, ...]) -> ir.Table:
    keys = table.group_by(*key).aggregate(repeated=table.count())
    return keys.filter(keys["repeated"] > 1).limit(5)  # pyright: ignore[reportOperatorIssue]
