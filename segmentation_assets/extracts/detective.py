"""Suspicions about valid data that may be wrong, each with its evidence, its money and the correction.

Here: clues in the newest drop, compared with the extracts read before it. Not here: values that cannot be read as
mapped (`checking`), and any change to data: a suspicion is a warning, and a person decides.

Thresholds and words are in the policy, section `detective`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from segmentation_assets.extracts import clues
from segmentation_assets.extracts.advice import name_sql
from segmentation_assets.extracts.casting import RAW, Cast
from segmentation_assets.extracts.delivered import Delivery, Suspicion
from segmentation_assets.extracts.reading import FILE, Reader, drops_of
from segmentation_assets.extracts.sources import Expression, ExtractSource, source_column
from segmentation_assets.policy.detective import DetectivePolicy
from segmentation_assets.warehouse.sql_text import identifier, literal, literals

_MONTHS_PER_YEAR = 12
_BILLING, _ACCOUNTS, _USERS, _USAGE = "billing_subscriptions", "crm_accounts", "product_users", "product_usage"
_STATUS = "status:"
_POINT = re.compile(r"[.]0+$")


@dataclass
class Tally:
    """Suspicious rows, all rows, and the yearly money of the suspicious ones by currency."""

    rows: int = 0
    of: int = 0
    money: dict[str, float] = field(default_factory=dict)

    def add(self, currency: str | None, rows: int, of: int, monthly: Any) -> None:
        """Add the rows of one currency."""
        self.rows, self.of = self.rows + rows, self.of + of
        if monthly:
            yearly = float(monthly) * _MONTHS_PER_YEAR
            self.money[currency or ""] = self.money.get(currency or "", 0.0) + yearly

    @property
    def arr(self) -> str:
        """The money in words, such as `3,600 USD of ARR`."""
        parts = [f"{amount:,.0f} {currency}".strip() for currency, amount in sorted(self.money.items())]
        return " + ".join(parts or ["0"]) + " of ARR"


class Detective:
    """Examines one extract after the other, in landing order, and remembers the earlier ones."""

    def __init__(self, reader: Reader, policy: DetectivePolicy, grace_days: int, today: date) -> None:
        self.reader, self.policy, self.grace_days, self.today = reader, policy, grace_days, today
        self.deliveries: dict[str, Delivery] = {}

    def look(self, delivery: Delivery) -> Iterator[Suspicion]:
        """The suspicions about this extract, by itself and compared with the earlier ones."""
        name = delivery.spec.name
        self.deliveries[name] = delivery
        yield from self._cut_off(delivery)
        yield from clues.of_one(delivery, self._rows, self.policy, self.today)
        yield from clues.of_two(self.deliveries, name, self._rows, self.policy, self.today)
        if name == _BILLING:
            yield from self._subscriptions(delivery)
        if name != _ACCOUNTS and _ACCOUNTS in self.deliveries and _has(delivery, "account_id"):
            yield from self._ids(delivery)
        if name == _USAGE:
            yield from self._users(delivery)

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.reader.connection.execute(sql).fetchall()

    # -- any extract

    def _cut_off(self, delivery: Delivery) -> Iterator[Suspicion]:
        """Files whose row count is exactly the export limit of some tool."""
        name = delivery.spec.name
        left_out = self.reader.left_out.get(name, 0) if delivery.source.where else 0
        counts = [rows for (rows,) in self._rows(f"SELECT count(*) FROM ({delivery.raw.sql}) GROUP BY {FILE}")]
        if left_out:  # the file of the left-out rows is not known
            counts = [sum(counts) + left_out] if len(counts) == 1 else []
        limits = sorted({*counts} & {*self.policy.export_limits})
        if limits:
            cut = sum(count in limits for count in counts)
            yield Suspicion(
                name, None,
                f"{cut:,} of {_counted(len(counts), 'file')} {'has' if cut == 1 else 'have'} exactly "
                f"{' or '.join(f'{limit:,}' for limit in limits)} rows: the export may have been cut there",
                "compare with the count at the source, and export all rows; the mapping cannot correct it",
            )  # fmt: skip

    def _ids(self, delivery: Delivery) -> Iterator[Suspicion]:
        """Ids that differ from an account's only by case, `.0` or blanks. Ids that fit two accounts are left out."""
        name, is_billing = delivery.spec.name, delivery.spec.name == _BILLING
        money = "currency, sum(mrr) AS monthly" if is_billing else "NULL AS currency, NULL AS monthly"
        by = "account_id, currency" if is_billing else "account_id"
        near, pairs = Tally(), []
        for theirs, ours, currency, rows, monthly in self._rows(
            f"WITH ours AS (SELECT DISTINCT account_id FROM ({self.deliveries[_ACCOUNTS].typed()})), "
            f"bare AS (SELECT {_bare('account_id')} AS bare, min(account_id) AS ours FROM ours GROUP BY 1 "
            "HAVING count(*) = 1), "
            f"theirs AS (SELECT account_id, count(*) AS n, {money} FROM ({delivery.typed()}) "
            f"WHERE account_id IS NOT NULL GROUP BY {by}) "
            "SELECT t.account_id, b.ours, t.currency, t.n, t.monthly FROM theirs t "
            f"LEFT JOIN bare b ON b.bare = {_bare('t.account_id')} AND b.ours <> t.account_id "
            "ORDER BY t.account_id, t.currency"
        ):
            if ours is not None:
                pairs.append((theirs, ours))
            near.add(currency, rows if ours else 0, rows, monthly if ours else 0)
        if pairs and near.rows >= self.policy.id_share * near.of:
            worth = f", {near.arr}," if is_billing else ""
            ways = sorted({way for pair in pairs for way in _differences(*pair)})
            yield Suspicion(
                name, "account_id",
                f"{near.rows:,} of {near.of:,} rows{worth} have an account_id that differs from an account's by "
                f"{' and '.join(ways)} alone, e.g. {' and '.join(_examples(pairs))}",
                self._one_spelling(delivery, pairs, ways),
            )  # fmt: skip

    def _one_spelling(self, delivery: Delivery, pairs: Sequence[tuple[str, str]], ways: Sequence[str]) -> str:
        here = _source_sql(delivery.source, "account_id")
        there = _source_sql(self.deliveries[_ACCOUNTS].source, "account_id")
        lines = [f"write columns: {{account_id: {{sql: {_quoted(_respelled(e, ways))}}}}}" for e in (here, there)]
        if ways == [".0"]:
            return lines[0] if _POINT.search(pairs[0][0]) else f"under {_ACCOUNTS}, {lines[1]}"
        return f"under {_ACCOUNTS}, and likewise where else account_id is, {lines[1]}; here, {lines[0]}"

    # -- usage

    def _users(self, usage: Delivery) -> Iterator[Suspicion]:
        """User ids that are in fact ids of subscriptions or accounts."""
        kinds = {"subscriptions": (_BILLING, "subscription_id"), "accounts": (_ACCOUNTS, "account_id")}
        kinds = {kind: at for kind, at in kinds.items() if at[0] in self.deliveries}
        tables = {kind: f"FROM ({self.deliveries[name].typed()})" for kind, (name, _) in kinds.items()}
        users = f"FROM ({self.deliveries[_USERS].typed()})" if _USERS in self.deliveries else None
        stranger = f"user_id NOT IN (SELECT user_id {users} WHERE user_id IS NOT NULL)" if users else "true"
        counts = "".join(
            f", count(*) FILTER ({stranger} AND user_id IN (SELECT {kinds[kind][1]} {table}))"
            for kind, table in tables.items()
        )
        ids = f"SELECT DISTINCT user_id FROM ({usage.typed()}) WHERE user_id IS NOT NULL"
        ((of, *hits),) = self._rows(f"SELECT count(*){counts} FROM ({ids})")
        for kind, count in zip(kinds, hits, strict=True):
            if count and count >= self.policy.wrong_user_share * of:
                yield Suspicion(
                    _USAGE, "user_id",
                    f"{count:,} of {of:,} user ids are ids of {kind}, not of people",
                    self._column_of_people(usage),
                )  # fmt: skip
                return

    def _column_of_people(self, usage: Delivery) -> str:
        """The line that maps a column with user ids, or advice if there is no such column."""
        if _USERS in self.deliveries:
            people = f"(SELECT user_id FROM ({self.deliveries[_USERS].typed()}))"
            texts = [c for c, kind in usage.raw.columns.items() if kind == "VARCHAR"]
            shares = ", ".join(f"count(*) FILTER ({identifier(c)} IN {people})" for c in texts)
            counts = self._rows(f"SELECT {shares} FROM ({usage.raw.sql})")[0] if texts else ()
            best = max(zip(counts, texts, strict=True), default=(0, ""))
            if best[0]:
                return f"write columns: {{user_id: {name_sql(best[1])}}}"
        return "map the column that says who used it under columns: {user_id: ...}, or leave product_usage out"

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
        yield from self._live_rows()
        yield from self._changed_states(billing)
        yield from self._ends()
        yield from self._open_rows(billing)
        for column in statuses:
            yield from self._states(billing, column)

    def _live_rows(self) -> Iterator[Suspicion]:
        """No row has an end date, although the rows go back a long time."""
        ((rows, ends, days),) = self._rows(
            f"SELECT count(*), count(end_date), date_diff('day', min(start_date), max(start_date)) FROM {_BILLING}"
        )
        if not ends and rows >= self.policy.live_rows and days >= self.policy.live_days:
            yield Suspicion(
                _BILLING, "end_date",
                f"0 of {rows:,} rows have an end, and their starts span {days:,} days: the export may leave out "
                "subscriptions that ended, so that no account ever churns",
                "export the ended ones too and map their end under columns: {end_date: ...}; or keep dated drops "
                "and write drops: snapshots",
            )  # fmt: skip

    def _changed_states(self, billing: Delivery) -> Iterator[Suspicion]:
        """Dated drops that are read as changes but look like whole states: rows disappear or change their price."""
        drops = drops_of(self.reader.sources, _BILLING)
        if len(drops) == 1 or self.reader.sources.whole_drops(_BILLING):
            return
        files = ", ".join(f"({literal(file)}, {n})" for n, drop in enumerate(drops) for file in drop.files)
        typed = billing.of(self.reader.raw(_BILLING, drops)).typed()
        gone, dearer, kept = Tally(), Tally(), {}
        for number, currency, rows, again, lost, lost_mrr, other, other_mrr in self._rows(
            "WITH states AS (SELECT subscription_id, start_date, f.number, max(currency) AS currency, "
            f"max(end_date) AS end_date, sum(mrr) AS mrr FROM ({typed}) t "
            f"JOIN (VALUES {files}) f(file, number) ON f.file = t.{FILE} GROUP BY 1, 2, 3), "
            "pairs AS (SELECT a.*, b.number IS NULL AS is_gone, b.mrr - a.mrr AS more FROM states a "
            "LEFT JOIN states b "
            "ON b.subscription_id = a.subscription_id AND b.start_date = a.start_date AND b.number = a.number + 1 "
            f"WHERE a.number < {len(drops) - 1}) "
            "SELECT number, currency, count(*), count(*) FILTER (NOT is_gone), "
            "count(*) FILTER (is_gone AND end_date IS NULL), sum(mrr) FILTER (is_gone AND end_date IS NULL), "
            "count(*) FILTER (more <> 0), sum(abs(more)) FROM pairs GROUP BY 1, 2 ORDER BY 1, 2"
        ):
            there, of = kept.get(number, (0, 0))
            kept[number] = there + again, of + rows
            gone.add(currency, lost, rows, lost_mrr)
            dearer.add(currency, other, rows, other_mrr)
        are_states = all(there >= self.policy.state_share * of for there, of in kept.values())
        if are_states and (gone.rows or dearer.rows):
            parts = [
                f"{_counted(gone.rows, 'open row')} {'is' if gone.rows == 1 else 'are'} gone ({gone.arr})",
                f"{_counted(dearer.rows, 'row')} {'has' if dearer.rows == 1 else 'have'} another price under the "
                f"same start ({dearer.arr})",
            ]
            seen = " and ".join(part for part, tally in zip(parts, (gone, dearer), strict=True) if tally.rows)
            yield Suspicion(
                _BILLING, None,
                f"the {len(drops):,} drops look like whole states, but are read as changes: of {gone.of:,} rows from "
                f"one drop to the next, {seen}",
                "if each drop is the whole state, write drops: snapshots",
            )  # fmt: skip

    def _ends(self) -> Iterator[Suspicion]:
        """Rows whose account has another row that starts on their end date, or one day later."""
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
            f"{following.rows:,} of {following.of:,} follow-on rows of an account start one day after the end before"
        )
        if following.rows >= self.policy.inclusive_rows and share > self.policy.inclusive_share:
            yield Suspicion(
                _BILLING, "end_date",
                f"{seen}: end_date may be the last day of the terms; as mapped, {following.arr} is missing for a day",
                "if the last day is included, write ends: last_day",
            )  # fmt: skip
        elif share >= self.policy.gap_share and not self.grace_days:
            yield Suspicion(
                _BILLING, "end_date",
                f"{seen}: {following.arr} is missing for a day and comes back",
                "if these are renewals, set company: {renewal_grace_days: 1} in the policy; if the last day is "
                "included, write ends: last_day",
            )  # fmt: skip

    def _open_rows(self, billing: Delivery) -> Iterator[Suspicion]:
        """Several open rows with the same id: the newest would replace the others."""
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
                f"{self.id_of_each_row(billing)}}}",
            )  # fmt: skip

    def id_of_each_row(self, billing: Delivery) -> str:
        """SQL that identifies a row: a source column with a different value in each row, columns called id first."""
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
        """Rows with a price in a status that is not paid for."""
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
                f"{priced.rows:,} of {priced.of:,} rows have a price, but a {column} that is not paid for "
                f"({states}): they count as {priced.arr}",
                f"if they are not paid, write where: {_quoted(condition)}",
            )  # fmt: skip


def _has(delivery: Delivery, column: str) -> bool:
    return any(cast.column == column for cast in delivery.columns)


def _bare(expression: str) -> str:
    """SQL for an id without case, blanks and a trailing `.0`."""
    return rf"lower(regexp_replace(regexp_replace({expression}, '\s+', '', 'g'), '[.]0+$', ''))"


def _differences(theirs: str, ours: str) -> Iterator[str]:
    whole = [_POINT.sub("", text) for text in (theirs, ours)]
    if (whole[0] == theirs) != (whole[1] == ours):
        yield ".0"
    tight = ["".join(text.split()) for text in whole]
    if tight != whole:
        yield "blanks"
    if tight[0] != tight[1]:
        yield "case"


def _examples(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """One example pair for each way in which ids differ."""
    seen: set[str] = set()
    for theirs, ours in pairs:
        if new := {*_differences(theirs, ours)} - seen:
            seen |= new
            yield f"{theirs!r} for {ours!r}"


def _respelled(expression: str, ways: Sequence[str]) -> str:
    text = f"CAST({expression} AS VARCHAR)" if ".0" in ways or "blanks" in ways else expression
    if "blanks" in ways:
        text = f"regexp_replace({text}, '[[:space:]]+', '', 'g')"
    if ".0" in ways:
        text = f"regexp_replace({text}, '[.]0+ *$', '')"
    return f"lower({text})" if "case" in ways else text


def _without(source: ExtractSource, column: str, states: Sequence[str], left: Iterable[str | None]) -> str:
    """The condition that leaves out rows in these states. Ended rows stay, because they are history."""
    name, kept = name_sql(column), sorted(s for s in left if s is not None)
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
    """SQL over the source's columns that fills a column of the contract."""
    mapped = source.columns.get(column, column)
    if isinstance(mapped, Expression):
        return f"({mapped.sql})"
    return name_sql(source_column(mapped) or column)


def _quoted(text: str) -> str:
    """A text for YAML, in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
