"""The first rule that a row breaks: types, the contract's rules, references.

Here: the ordered list of reasons of an extract, and the SQL that gives each row the number of its first reason (null:
the row is good). Not here: duplicates, which concern several rows (`history`, `usage_days`).

References are checked against all ids ever known: an account that a newer drop lacks still owns its past. If a
reference is unknown, the row is refused. If the column is optional, the row stays and the column becomes null.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from segmentation_assets.extracts.casting import RAW, Cast, expected
from segmentation_assets.extracts.contracts import HISTORY_COLUMNS, natural_key
from segmentation_assets.extracts.reading import FILE, REJECTS, ROW
from segmentation_assets.tables.contracts import Contract, ibis_schema, schema_of
from segmentation_assets.tables.enforcement import rules
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.engine import Engine
from segmentation_assets.warehouse.sql_text import identifier, literal

REASON = "_landing_reason"
KNOWN_ACCOUNTS, KNOWN_CURRENCIES = "landing_accounts", "landing_currencies"
"""Temporary tables with one column `known`. References are checked against them. They exist while landing."""

DUPLICATE, DIFFERENT_DUPLICATE, UNREADABLE = "duplicate key", "duplicate key, other values", "unreadable line"
FILES = "landing_files"
"""Temporary table (file, drop_day, label) of the files being landed."""

MUST_BE = "must be "
"""How the name of a type rule continues after the column's name."""

_VIEWS = itertools.count(1)


@dataclass(frozen=True)
class Reason:
    """Why a row is refused: the rule's name, its column (None: the whole row), and SQL for the value to show."""

    rule: str
    column: str | None
    value: str
    refuses: bool = True
    """False for an unknown reference in an optional column: the row stays and the column becomes null."""


@dataclass(frozen=True)
class Judged:
    """A relation of typed rows with REASON, and the reasons by number."""

    sql: str
    reasons: Sequence[Reason]


@dataclass(frozen=True)
class Reference:
    """A column whose values must be in a temporary table of known ids."""

    column: str
    known_in: str
    may_be_empty: bool = False

    @property
    def rule(self) -> str:
        """The name of the rule."""
        return f"unknown {self.column}"


def references_of(spec: TableSpec) -> list[Reference]:
    """The references of an extract. `product_usage` refers to users and is checked by day, not here."""
    columns = ibis_schema(spec.contract)
    references = []
    if spec.name == "crm_accounts":
        references.append(Reference("merged_into_account_id", KNOWN_ACCOUNTS, may_be_empty=True))
    elif "account_id" in columns and spec.partition is None:
        is_nullable = bool(schema_of(spec.contract).columns["account_id"].nullable)
        references.append(Reference("account_id", KNOWN_ACCOUNTS, may_be_empty=is_nullable))
    if "currency" in columns and spec.name != "fx_rates":
        references.append(Reference("currency", KNOWN_CURRENCIES))
    return references


def parents_of(spec: TableSpec) -> list[str]:
    """The extracts that rows of this one refer to."""
    if spec.name == "product_usage":
        return ["crm_accounts", "product_users"]
    parent = {KNOWN_ACCOUNTS: "crm_accounts", KNOWN_CURRENCIES: "fx_rates"}
    return [parent[r.known_in] for r in references_of(spec) if parent[r.known_in] != spec.name]


def each_rule(engine: Engine, spec: TableSpec, typed_sql: str, columns: Sequence[Cast]) -> Judged:
    """The typed rows with a boolean column per reason (`broken_column`), for all rules that a row breaks.

    Used to check a delivery before it lands. A reference that would become null counts as broken too.
    """
    view = _viewed(engine, spec.contract, typed_sql)
    each = [*_row_reasons(spec, view, columns)]
    flags = {broken_column(i): condition.fill_null(False) for i, (condition, _) in enumerate(each)}
    sql, reasons = engine.backend.compile(view.mutate(**flags)), [reason for _, reason in each]
    for reference in references_of(spec):
        column = f"r.{identifier(reference.column)}"
        already = [f"r.{broken_column(n)}" for n, reason in enumerate(reasons) if reason.column == reference.column]
        is_new = "".join(f" AND NOT {flag}" for flag in already)
        sql = (
            f"SELECT r.*, {column} IS NOT NULL AND k.known IS NULL{is_new} AS {broken_column(len(reasons))} "
            f"FROM ({sql}) r LEFT JOIN {reference.known_in} k ON k.known = {column}"
        )
        reasons.append(
            Reason(reference.rule, reference.column, identifier(reference.column), refuses=not reference.may_be_empty)
        )
    return Judged(sql, tuple(reasons))


def broken_column(number: int) -> str:
    """The name of the column of `each_rule` for a rule."""
    return f"_landing_broken_{number}"


def judge(
    engine: Engine, spec: TableSpec, typed_sql: str, columns: Sequence[Cast], kept: Sequence[str] = ()
) -> Judged:
    """Give every row the number of the first rule it breaks. The order is types, contract, references.

    `typed_sql` comes from `casting.select_sql`. `kept` are further columns of it to pass on.
    """
    view = _viewed(engine, spec.contract, typed_sql)
    each = [*_row_reasons(spec, view, columns)]
    conditions, reasons = [condition for condition, _ in each], [reason for _, reason in each]
    number = ibis.cases(*[(c, i) for i, c in enumerate(conditions)], else_=None) if conditions else ibis.null()
    names = [c for c in view.columns if c in ibis_schema(spec.contract) or c.startswith(RAW)]
    chosen = view.select(*names, *kept, **{REASON: number.cast("int16")})
    sql = engine.backend.compile(chosen)
    for reference in references_of(spec):
        if reference.may_be_empty:
            sql = _emptied(sql, reference)
            continue
        sql = _referring(sql, reference, len(reasons))
        reasons.append(Reason(reference.rule, reference.column, identifier(reference.column)))
    return Judged(sql, tuple(reasons))


def _row_reasons(
    spec: TableSpec, view: ir.Table, columns: Sequence[Cast]
) -> Iterator[tuple[ir.BooleanValue, Reason]]:
    """Each rule on single rows, with its reason. Types come before the contract's rules."""
    for cast in columns:
        if cast.can_fail:
            kind = expected(ibis_schema(spec.contract)[cast.column])
            broken = view[RAW + cast.column].notnull() & view[cast.column].isnull()
            yield broken, Reason(f"{cast.column}: {MUST_BE}{kind}", cast.column, _raw_text(cast))
    for rule, reason in _contract_rules(spec.contract, view, columns):
        yield ~rule, reason


def _raw_text(cast: Cast) -> str:
    return f"CAST({identifier(RAW + cast.column)} AS VARCHAR)" if cast.can_fail else _text(cast.column)


def _text(column: str) -> str:
    return f"CAST({identifier(column)} AS VARCHAR)"


def _viewed(engine: Engine, contract: type[Contract], sql: str) -> ir.Table:
    """The typed rows as an Ibis table. The history columns are null: they are filled later."""
    name = f"landing_view_{next(_VIEWS)}"
    later = "".join(f", NULL::DATE AS {n}" for n in HISTORY_COLUMNS if n in ibis_schema(contract))
    engine.connection.execute(f"CREATE TEMP VIEW {name} AS SELECT *{later} FROM ({sql})")
    return engine.backend.table(name)


def _contract_rules(
    contract: type[Contract], view: ir.Table, columns: Sequence[Cast]
) -> Iterator[tuple[ir.BooleanValue, Reason]]:
    by_name = {c.column: c for c in columns}
    for rule in rules(contract, view):
        if rule.column in HISTORY_COLUMNS:
            continue
        if rule.column:
            value = _raw_text(by_name[rule.column])
        else:
            read = {f.name for f in rule.holds.op().find(ops.Field)}
            shown = ", ".join(f"{literal(n + '=')} || {_text(n)}" for n in by_name if n in read)
            value = f"concat_ws(', ', {shown})"
        yield rule.holds, Reason(rule.name, rule.column, value)


def _emptied(sql: str, reference: Reference) -> str:
    column = identifier(reference.column)
    return (
        f"SELECT r.* REPLACE (k.known AS {column}) FROM ({sql}) r "
        f"LEFT JOIN {reference.known_in} k ON k.known = r.{column}"
    )


def _referring(sql: str, reference: Reference, number: int) -> str:
    column = identifier(reference.column)
    return (
        f"SELECT r.* REPLACE (COALESCE(r.{REASON}, CASE WHEN r.{column} IS NOT NULL AND k.known IS NULL "
        f"THEN {number} END)::SMALLINT AS {REASON}) FROM ({sql}) r "
        f"LEFT JOIN {reference.known_in} k ON k.known = r.{column}"
    )


def refused_sql(spec: TableSpec, rows: str, columns: Sequence[Cast], reasons: Sequence[Reason]) -> str:
    """SQL for the quarantine's columns. `rows` are refused rows with REASON, FILE and ROW."""
    by_name = {c.column: c for c in columns}
    key = " || ' | ' || ".join(f"COALESCE({_raw_text(by_name[k])}, '?')" for k in natural_key(spec.contract))
    ruled = " ".join(f"WHEN {i} THEN {literal(r.rule)}" for i, r in enumerate(reasons))
    named = " ".join(f"WHEN {i} THEN {literal(r.column)}" for i, r in enumerate(reasons) if r.column)
    valued = " ".join(f"WHEN {i} THEN {r.value}" for i, r in enumerate(reasons))
    day = "usage_date" if "usage_date" in by_name else "NULL::DATE"
    return (
        f"SELECT {literal(spec.name)} AS extract, {key} AS key, f.label AS source, {ROW} AS source_row, "
        f"CASE {REASON} {ruled} END AS rule, CASE {REASON} {named} ELSE NULL::VARCHAR END AS column_name, "
        f"CASE {REASON} {valued} END AS value, f.drop_day AS dropped_on, {day} AS usage_date "
        f"FROM ({rows}) r LEFT JOIN {FILES} f ON f.file = r.{FILE}"
    )


def rejected_sql(spec: TableSpec) -> str:
    """SQL for the quarantine's columns, for lines of text files that cannot be read as rows."""
    return (
        f"SELECT {literal(spec.name)} AS extract, NULL::VARCHAR AS key, f.label AS source, "
        f"r.line - 1 AS source_row, {literal(UNREADABLE)} AS rule, NULL::VARCHAR AS column_name, "
        "r.error || ': ' || r.text AS value, f.drop_day AS dropped_on, NULL::DATE AS usage_date "
        f"FROM {REJECTS} r LEFT JOIN {FILES} f USING (file) WHERE r.extract = {literal(spec.name)}"
    )
