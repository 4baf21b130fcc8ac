"""Where data is valid and may mean something else: each suspicion with its evidence, its money and what mends it.

Here: what is seen in the rows of the newest drop, beside the rows of extracts read before. Not here: what cannot be
read as mapped (`checking`), and any change to data: a suspicion is a warning, and a person decides.

Thresholds and words are in the policy, section `detective`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation_assets.extracts.casting import RAW, Cast, newest_of, select_sql
from segmentation_assets.extracts.contracts import natural_key
from segmentation_assets.extracts.reading import Raw, Reader
from segmentation_assets.extracts.sources import Expression, ExtractSource, source_column
from segmentation_assets.policy.detective import DetectivePolicy
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.sql_text import identifier, literal, literals

_MONTHS_PER_YEAR = 12
_BILLING, _ACCOUNTS, _USERS, _USAGE = "billing_subscriptions", "crm_accounts", "product_users", "product_usage"
_STATUS = "status:"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Suspicion:
    """Something seen in valid data. `seen` has the count, of how many, and the money; `line` mends it."""

    extract: str
    column: str | None
    seen: str
    line: str


@dataclass(frozen=True)
class Delivery:
    """The newest drop of an extract, which can be read as mapped."""

    spec: TableSpec
    source: ExtractSource
    raw: Raw
    columns: list[Cast]
    is_dated: bool
    file: str

    def typed(self, extra: Sequence[Cast] = ()) -> str:
        """Its rows as landing would read them."""
        key = natural_key(self.spec.contract)
        newest = newest_of(self.source, self.raw, key, per_file=self.is_dated, file=self.file)
        distinct = ("per file" if self.is_dated else "all") if self.source.distinct else "no"
        return select_sql(self.raw, [*self.columns, *extra], distinct=distinct, newest=newest)


@dataclass
class Tally:
    """Rows under suspicion, of how many, and what they bring a year by currency."""

    rows: int = 0
    of: int = 0
    money: dict[str, float] = field(default_factory=dict)

    def add(self, currency: str | None, rows: int, of: int, monthly: Any) -> None:
        """Count in the rows of one currency."""
        self.rows, self.of = self.rows + rows, self.of + of
        if monthly:
            yearly = float(monthly) * _MONTHS_PER_YEAR
            self.money[currency or ""] = self.money.get(currency or "", 0.0) + yearly

    @property
    def arr(self) -> str:
        """Such as `3,600 USD of ARR`."""
        parts = [f"{amount:,.0f} {currency}".strip() for currency, amount in sorted(self.money.items())]
        return " + ".join(parts or ["0"]) + " of ARR"


class Detective:
    """Looks at one extract after the other, in landing order, and remembers those it has seen."""

    def __init__(self, reader: Reader, policy: DetectivePolicy, grace_days: int) -> None:
        self.reader, self.policy, self.grace_days = reader, policy, grace_days
        self.deliveries: dict[str, Delivery] = {}

    def look(self, delivery: Delivery) -> Iterator[Suspicion]:
        """What is suspicious in this extract, by itself and beside those before it."""
        name = delivery.spec.name
        self.deliveries[name] = delivery
        if name == _BILLING:
            yield from self._subscriptions(delivery)

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.reader.connection.execute(sql).fetchall()

    # -- subscriptions

    def _subscriptions(self, billing: Delivery) -> Iterator[Suspicion]:
        statuses = [c for c in billing.raw.columns if c.lower().endswith(self.policy.status_columns)]
        extra = [
            Cast(
                _STATUS + c, identifier(c), f"trim(CAST({identifier(RAW + _STATUS + c)} AS VARCHAR))", can_fail=False
            )
            for c in statuses
        ]
        self.reader.connection.execute(f"CREATE OR REPLACE TEMP TABLE {_BILLING} AS {billing.typed(extra)}")
        yield from self._ends()
        yield from self._open_rows(billing)
        for column in statuses:
            yield from self._states(billing, column)

    def _ends(self) -> Iterator[Suspicion]:
        """Rows of an account that another one follows on the end, or one day after it."""
        following = Tally()
        for currency, after, either, monthly in self._rows(
            f"WITH starts AS (SELECT DISTINCT account_id, start_date FROM {_BILLING}), ended AS ("
            "SELECT b.currency, b.mrr, s.account_id IS NOT NULL AS at_once, n.account_id IS NOT NULL AS a_day_later "
            f"FROM {_BILLING} b LEFT JOIN starts s ON s.account_id = b.account_id AND s.start_date = b.end_date "
            "LEFT JOIN starts n ON n.account_id = b.account_id AND n.start_date = b.end_date + 1 "
            "WHERE b.end_date > b.start_date) "
            "SELECT currency, count(*) FILTER (a_day_later AND NOT at_once), "
            "count(*) FILTER (a_day_later OR at_once), sum(mrr) FILTER (a_day_later AND NOT at_once) "
            "FROM ended GROUP BY currency ORDER BY currency"
        ):
            following.add(currency, after, either, monthly)
        if not following.rows:
            return
        share = following.rows / following.of
        seen = (
            f"{following.rows:,} of {following.of:,} successors of an account start one day after the end before them"
        )
        if following.rows >= self.policy.inclusive_rows and share > self.policy.inclusive_share:
            yield Suspicion(
                _BILLING, "end_date",
                f"{seen}: end_date may be the last day of the terms; as mapped, {following.arr} leaves for a day",
                "if the last day is included, write ends: last_day",
            )  # fmt: skip
        elif share >= self.policy.gap_share and not self.grace_days:
            yield Suspicion(
                _BILLING, "end_date",
                f"{seen}: {following.arr} leaves for a day and comes back",
                "if these are renewals, set company: {renewal_grace_days: 1} in the policy; if the last day is "
                "included, write ends: last_day",
            )  # fmt: skip

    def _open_rows(self, billing: Delivery) -> Iterator[Suspicion]:
        """Several rows of one id that are all open: the newest would replace the others."""
        later, replaced, ids, of = Tally(), Tally(), 0, 0
        for currency, several, all_ids, late, late_money, early, early_money in self._rows(
            "WITH open AS (SELECT *, min(start_date) OVER w AS first, max(start_date) OVER w AS last "
            f"FROM {_BILLING} WHERE end_date IS NULL AND mrr > 0 WINDOW w AS (PARTITION BY subscription_id)) "
            "SELECT currency, count(DISTINCT subscription_id) FILTER (first < last), "
            "count(DISTINCT subscription_id), "
            "count(*) FILTER (start_date > first), sum(mrr) FILTER (start_date > first), "
            "count(*) FILTER (start_date < last), sum(mrr) FILTER (start_date < last) "
            "FROM open GROUP BY currency ORDER BY currency"
        ):
            ids, of = ids + several, of + all_ids
            later.add(currency, late, late, late_money)
            replaced.add(currency, early, early, early_money)
        if ids >= self.policy.open_rows_ids and ids:
            yield Suspicion(
                _BILLING, "subscription_id",
                f"{ids:,} of {of:,} subscription ids have several open rows with different starts: "
                f"{_counted(later.rows, 'later row')} with {later.arr} would replace {replaced.arr} as a new price",
                f"if each row is an item that is paid by itself, write columns: {{subscription_id: "
                f"{self._id_of_each_row(billing)}}}",
            )  # fmt: skip

    def _id_of_each_row(self, billing: Delivery) -> str:
        """What identifies a row: a source column that differs in all of them, those called id first."""
        mapped = {source_column(billing.source.columns.get(c.column, c.column)) for c in billing.columns}
        free = [c for c in billing.raw.columns if c not in mapped]
        if free:
            counts = ", ".join(f"count(DISTINCT {identifier(c)}) = count(*)" for c in free)
            (answers,) = self._rows(f"SELECT {counts} FROM ({billing.raw.sql})")
            unique = [c for c, is_one_each in zip(free, answers, strict=True) if is_one_each]
            if unique:
                return sorted(unique, key=lambda c: not c.lower().endswith("id"))[0]
        parts = [_source_sql(billing.source, c) for c in ("subscription_id", "start_date")]
        both = f"concat({parts[0]}, '/', {parts[1]})"
        return f"{{sql: {_quoted(both)}}}"

    def _states(self, billing: Delivery, column: str) -> Iterator[Suspicion]:
        """Rows with a price in a state in which nothing is paid."""
        name, trial, ended = identifier(_STATUS + column), self.policy.trial_words, self.policy.ended_words
        bad = f"lower({name}) IN ({literals(trial)}) OR (lower({name}) IN ({literals(ended)}) AND end_date IS NULL)"
        priced, by_state, left = Tally(), {}, set()
        for state, currency, rows, of, monthly in self._rows(
            f"SELECT {name}, currency, count(*) FILTER (mrr > 0 AND ({bad})), count(*), "
            f"sum(mrr) FILTER (mrr > 0 AND ({bad})) FROM {_BILLING} GROUP BY ALL ORDER BY ALL"
        ):
            priced.add(currency, rows, of, monthly)
            if rows:
                by_state[state] = by_state.get(state, 0) + rows
            if rows < of:
                left.add(state)
        if by_state:
            states = ", ".join(f"{state} {rows:,}" for state, rows in by_state.items())
            condition = _without(billing.source, column, [*by_state], left)
            yield Suspicion(
                _BILLING, "mrr",
                f"{priced.rows:,} of {priced.of:,} rows have a price and a {column} in which nothing is paid "
                f"({states}): they count as {priced.arr}",
                f"if they are not paid, write where: {_quoted(condition)}",
            )  # fmt: skip


def _without(source: ExtractSource, column: str, states: Sequence[str], left: Iterable[str | None]) -> str:
    """The condition that leaves these states out, and keeps rows of them that have an end: they are history."""
    name, kept = _named(column), sorted(s for s in left if s is not None)
    if {*states} & {*kept}:
        end = f"coalesce(CAST({_source_sql(source, 'end_date')} AS VARCHAR), '')"
        condition = f"NOT (coalesce({name}, '') IN ({literals(states)}) AND {end} = '')"
    elif None in left or not kept:
        condition = f"coalesce({name}, '') NOT IN ({literals(states)})"
    elif len(kept) == 1:
        condition = f"{name} = {literal(kept[0])}"
    else:
        condition = f"{name} IN ({literals(kept)})"
    return f"({source.where}) AND {condition}" if source.where else condition


def _source_sql(source: ExtractSource, column: str) -> str:
    """What a contract's column is read from, as SQL over the source's columns."""
    mapped = source.columns.get(column, column)
    if isinstance(mapped, Expression):
        return f"({mapped.sql})"
    return _named(source_column(mapped) or column)


def _named(column: str) -> str:
    return column if _PLAIN.fullmatch(column) else identifier(column)


def _quoted(text: str) -> str:
    """A text for YAML, in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
