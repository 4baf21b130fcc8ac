"""Landing in memory: which rules the rows of a delivery break, with the number of rows and the texts.

Here: each rule of the contract, references to other extracts, repeated keys. Not here: messages about them
(`rule_words`), and landing itself (`history`, `usage_days`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from segmentation_assets.extracts.casting import summed_sql
from segmentation_assets.extracts.contracts import natural_key
from segmentation_assets.extracts.delivered import Delivery
from segmentation_assets.extracts.judging import (
    KNOWN_ACCOUNTS,
    KNOWN_CURRENCIES,
    Judged,
    Reason,
    broken_column,
    each_rule,
    references_of,
)
from segmentation_assets.extracts.reading import REJECTS, ROW, Reader, drops_of
from segmentation_assets.extracts.sources import EVENTS, own_columns
from segmentation_assets.extracts.usage_days import MEASURES, OTHER_ACCOUNT, UNKNOWN_ACCOUNT, UNKNOWN_USER
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.warehouse.engine import Engine
from segmentation_assets.warehouse.sql_text import identifier, identifiers, literal

_ACCOUNTS, _USERS, _USAGE, _RATES = "crm_accounts", "product_users", "product_usage", "fx_rates"
_MONEY, _PEOPLE, _JUDGED = "mrr", "rehearsal_users", "rehearsal_judged"
_MOST_TEXTS = 500
REPEATED, REPEATED_ALIKE = "repeated key", "repeated row"
"""Rules over several rows: a key is repeated, with other values or with the same values."""


@dataclass(frozen=True)
class Broken:
    """A broken rule: how many rows break it, with which texts (the most frequent first), and the first such row."""

    reason: Reason
    rows: int
    texts: Sequence[str]
    row: int | None

    @property
    def rule(self) -> str:
        """The rule without its column."""
        return self.reason.rule.removeprefix(f"{self.reason.column}: ")

    @property
    def example(self) -> str | None:
        """The text that breaks the rule most often."""
        return self.texts[0] if self.texts else None


@dataclass(frozen=True)
class Counts:
    """Numbers of rows, refused rows, rows without an account and unreadable lines; recurring money per month."""

    rows: int
    refused: int
    lines: int = 0
    money: float = 0.0
    refused_money: float = 0.0


class Rehearsal:
    """Examines one extract after the other, in landing order, because rows refer to earlier extracts."""

    def __init__(self, reader: Reader, engine: Engine, company: CompanyPolicy) -> None:
        self.reader, self.engine, self.company = reader, engine, company
        self.readable: dict[str, Delivery] = {}

    def of(self, delivery: Delivery) -> tuple[Counts, list[Broken]]:
        """Counts of the delivery's rows, and the rules that they break in the order of the contract."""
        name = delivery.spec.name
        typed = delivery.typed()
        if delivery.source.rows_are == EVENTS:
            typed = summed_sql(typed, delivery.columns, MEASURES)
        self._remember_known(delivery)
        judged = each_rule(self.engine, delivery.spec, typed, delivery.columns)
        if name == _USAGE:
            judged = self._with_people(judged)
        self._rows(f"CREATE OR REPLACE TEMP TABLE {_JUDGED} AS {judged.sql}")
        judged = Judged(f"SELECT * FROM {_JUDGED}", judged.reasons)
        counts, numbers = self._counts(delivery, judged)
        broken = [self._broken(judged, number, rows) for number, rows in numbers.items() if rows]
        repeated = [*self._repeated(delivery, judged)]
        self._rows(f"DROP TABLE {_JUDGED}")
        self.readable[name] = delivery
        refused = counts.refused + sum(each.rows for each in repeated)
        return replace(counts, refused=refused), broken + repeated

    def _rows(self, sql: str) -> list[tuple]:
        return self.reader.connection.execute(sql).fetchall()

    def _remember_known(self, delivery: Delivery) -> None:
        """Create the tables of known ids. If an extract cannot be read, references to it are not checked."""
        own_rows = delivery.typed()
        for reference in references_of(delivery.spec):
            ids = f"SELECT DISTINCT {identifier(reference.column)} AS known FROM ({own_rows})"
            if reference.known_in == KNOWN_ACCOUNTS:
                accounts = delivery if delivery.spec.name == _ACCOUNTS else self.readable.get(_ACCOUNTS)
                if accounts:
                    ids = f"SELECT DISTINCT account_id AS known FROM ({self._all_drops(accounts).typed()})"
            elif reference.known_in == KNOWN_CURRENCIES:
                rates = self.readable.get(_RATES)
                if rates or _RATES not in self.reader.sources.extracts:
                    ids = f"SELECT {literal(self.company.reporting_currency)} AS known"
                    ids += f" UNION SELECT currency FROM ({rates.typed()})" if rates else ""
            self._rows(f"CREATE OR REPLACE TEMP TABLE {reference.known_in} AS {ids}")

    def _all_drops(self, delivery: Delivery) -> Delivery:
        """The extract with all its drops: an account that a newer drop lacks still owns its past."""
        name = delivery.spec.name
        drops = drops_of(self.reader.sources, name)
        return delivery if len(drops) == 1 else delivery.of(self.reader.raw(name, drops))

    def _with_people(self, judged: Judged) -> Judged:
        """Usage refers to users or, if users are not mapped, to accounts."""
        number, reasons = len(judged.reasons), [*judged.reasons]
        users, accounts = self.readable.get(_USERS), self.readable.get(_ACCOUNTS)
        flags, joins = [], []
        if users:
            self._rows(
                f"CREATE OR REPLACE TEMP TABLE {_PEOPLE} AS SELECT user_id, list(account_id) AS accounts "
                f"FROM ({users.typed()}) WHERE user_id IS NOT NULL GROUP BY 1"
            )
            joins.append(f"LEFT JOIN {_PEOPLE} u ON u.user_id = r.user_id")
            flags += [
                "r.user_id IS NOT NULL AND u.user_id IS NULL",
                "u.user_id IS NOT NULL AND NOT list_contains(u.accounts, r.account_id)",
            ]
            reasons += [
                Reason(UNKNOWN_USER, "user_id", "user_id"), Reason(OTHER_ACCOUNT, "account_id", "account_id"),
            ]  # fmt: skip
        if accounts:
            self._rows(
                f"CREATE OR REPLACE TEMP TABLE {KNOWN_ACCOUNTS} AS "
                f"SELECT DISTINCT account_id AS known FROM ({self._all_drops(accounts).typed()})"
            )
            joins.append(f"LEFT JOIN {KNOWN_ACCOUNTS} k ON k.known = r.account_id")
            is_listed = "r.user_id IS NULL AND " if users else ""
            flags.append(f"{is_listed}r.account_id IS NOT NULL AND k.known IS NULL")
            reasons.append(Reason(UNKNOWN_ACCOUNT, "account_id", "account_id"))
        named = "".join(f", coalesce({flag}, false) AS {broken_column(number + n)}" for n, flag in enumerate(flags))
        return Judged(f"SELECT r.*{named} FROM ({judged.sql}) r {' '.join(joins)}", tuple(reasons))

    def _counts(self, delivery: Delivery, judged: Judged) -> tuple[Counts, dict[int, int]]:
        numbers = range(len(judged.reasons))
        refused = self._refused(judged)
        each = ", ".join(f"count(*) FILTER ({broken_column(n)})" for n in numbers)
        money = ", 0, 0"
        if any(cast.column == _MONEY for cast in delivery.columns):
            amount = f"sum(CASE WHEN isfinite({_MONEY}) THEN abs({_MONEY}) END)"
            money = f", {amount}, {amount} FILTER ({refused})"
        ((rows, bad, total, lost, *broken),) = self._rows(
            f"SELECT count(*), count(*) FILTER ({refused}){money}, {each} FROM ({judged.sql})"
        )
        ((lines,),) = self._rows(f"SELECT count(*) FROM {REJECTS} WHERE extract = {literal(delivery.spec.name)}")
        counts = Counts(rows + lines, bad + lines, lines, float(total or 0), float(lost or 0))
        return counts, dict(zip(numbers, broken, strict=True))

    @staticmethod
    def _refused(judged: Judged) -> str:
        flags = [broken_column(n) for n, reason in enumerate(judged.reasons) if reason.refuses]
        return " OR ".join(flags) or "false"

    def _broken(self, judged: Judged, number: int, rows: int) -> Broken:
        reason = judged.reasons[number]
        texts = self._rows(
            f"SELECT text, min(row) FROM (SELECT {reason.value} AS text, {ROW} AS row FROM ({judged.sql}) "
            f"WHERE {broken_column(number)}) GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {_MOST_TEXTS}"
        )
        first = min((row for _, row in texts if row is not None), default=None)
        return Broken(reason, rows, [text for text, _ in texts if text is not None], first)

    def _repeated(self, delivery: Delivery, judged: Judged) -> Iterator[Broken]:
        """Good rows after the first of each key: equal ones, and ones with other values."""
        key, names = natural_key(delivery.spec.contract), own_columns(delivery.spec.name)
        keys = identifiers(key)
        good = f"SELECT {identifiers(names)} FROM ({judged.sql}) WHERE NOT ({self._refused(judged)})"
        ((twice,),) = self._rows(f"SELECT count(*) FROM (SELECT 1 FROM ({good}) GROUP BY {keys} HAVING count(*) > 1)")
        if not twice:
            return
        shown = " || ' | ' || ".join(f"coalesce(CAST({identifier(k)} AS VARCHAR), '?')" for k in key)
        extra = self._rows(
            f"SELECT {shown}, count(*) - count(DISTINCT t), count(DISTINCT t) - 1 FROM "
            f"(SELECT *, row({identifiers(names)}) AS t FROM ({good})) GROUP BY {keys} HAVING count(*) > 1 ORDER BY 1"
        )
        for rule, place in ((REPEATED_ALIKE, 1), (REPEATED, 2)):
            rows = sum(row[place] for row in extra)
            if rows:
                texts = [row[0] for row in extra if row[place]][:_MOST_TEXTS]
                yield Broken(Reason(rule, None, ""), rows, texts, None)
