"""Clues that valid data is wrong: placeholder dates, old exports, amounts in another unit.

Here: clues in the days, ids and amounts of one extract, and in two extracts compared. Not here: clues in the order of
subscriptions and in matching ids (`detective`, which calls this module).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from segmentation_assets.extracts.advice import Place, name_sql, quoted
from segmentation_assets.extracts.contracts import natural_key
from segmentation_assets.extracts.delivered import Delivery, Suspicion
from segmentation_assets.policy.detective import DetectivePolicy
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.warehouse.sql_text import identifier

Rows = Callable[[str], list[tuple[Any, ...]]]
_BILLING, _INVOICES, _TICKETS, _USAGE = (
    "billing_subscriptions", "billing_invoices", "support_tickets", "product_usage",
)  # fmt: skip
_FLOWING = {_BILLING: "start_date", _INVOICES: "issued_on", _TICKETS: "opened_at", _USAGE: "usage_date"}
"""Extracts that get new rows all the time, and the column with the date."""
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SIZES: Mapping[float, tuple[str, str, str, str]] = {
    1 / 12: (_BILLING, "mrr", "a year's amount in mrr", "divide_by: 12"),
    1 / 100: (_BILLING, "mrr", "mrr in cents", "divide_by: 100"),
    1000.0: (_BILLING, "mrr", "mrr in thousands", "sql: value * 1000"),
    100.0: (_INVOICES, "amount", "amounts in cents", "divide_by: 100"),
    1 / 1000: (_INVOICES, "amount", "amounts in thousands", "sql: value * 1000"),
}
"""By the ratio of invoiced to recurring amounts: the extract and column in another unit, and the correction."""
_GARBLED = "Ã[\u0080-¿]|â€|Â[\u00a0-¿]"


def of_one(delivery: Delivery, rows: Rows, policy: DetectivePolicy, today: date) -> Iterator[Suspicion]:
    """Clues in one extract."""
    yield from _days(delivery, rows, policy, today)
    yield from _ids(delivery, rows, policy)
    yield from _garbled(delivery, rows)
    if delivery.spec.name == _BILLING:
        yield from _prices(delivery, rows)
    if delivery.spec.name == _INVOICES:
        yield from _payments(delivery, rows, policy)
    if delivery.spec.name == _TICKETS:
        yield from _nights(delivery, rows, policy)
    if delivery.spec.name == _USAGE:
        yield from _weekends(delivery, rows)
        yield from _gaps(delivery, rows, policy)


def _days(delivery: Delivery, rows: Rows, policy: DetectivePolicy, today: date) -> Iterator[Suspicion]:
    """Days that cannot be real: long before such a company existed, or long after today."""
    types = ibis_schema(delivery.spec.contract)
    columns = [c for c in delivery.filled if types[c].is_date() or types[c].is_timestamp()]
    if not columns:
        return
    first, last = date(policy.oldest_year, 1, 1), today + timedelta(days=366 * policy.farthest_years)
    near = today + timedelta(days=2)
    happened = {*_FLOWING.values(), "created_on", "paid_on", "worked_on", "occurred_on", "answered_on"}
    parts = []
    for c in columns:
        late = near if c in happened and c != "start_date" else last
        odd = f"(CAST({c} AS DATE) < DATE '{first}' OR CAST({c} AS DATE) > DATE '{late}')"
        parts += [f"count(*) FILTER ({odd})", f"mode(CAST({c} AS DATE)) FILTER ({odd})", f"count({c})"]
    (counts,) = rows(f"SELECT {', '.join(parts)} FROM ({delivery.typed()})")
    for number, column in enumerate(columns):
        odd, most, filled = counts[3 * number : 3 * number + 3]
        if odd:
            yield Suspicion(
                delivery.spec.name, column,
                f"{odd:,} of {filled:,} days lie before {first.year} or far after today, most often {most}",
                f"if {most} is not a real date, " + Place(delivery.source, column).with_nulls(str(most)),
            )  # fmt: skip


def _ids(delivery: Delivery, rows: Rows, policy: DetectivePolicy) -> Iterator[Suspicion]:
    """Ids of one extract that differ only in case."""
    key = natural_key(delivery.spec.contract)[0]
    if not key.endswith("_id"):
        return
    ((all_ids, twice, example),) = rows(
        f"SELECT sum(n), count(*) FILTER (n > 1), min(ids) FILTER (n > 1) FROM (SELECT count(*) AS n, "
        f"string_agg(id, ' and ' ORDER BY id) AS ids FROM (SELECT DISTINCT {key} AS id FROM ({delivery.typed()}) "
        "WHERE id IS NOT NULL) GROUP BY lower(id))"
    )
    if twice and twice >= policy.id_share * all_ids:
        sql = quoted(f"lower({name_sql(Place(delivery.source, key).read_from)})")
        yield Suspicion(
            delivery.spec.name, key,
            f"{twice:,} of {all_ids:,} ids differ only in case, e.g. {example}: each counts by "
            "itself",
            f"if they are one thing, write columns: {{{key}: {{sql: {sql}}}}} and newest_by or distinct",
        )  # fmt: skip


def _garbled(delivery: Delivery, rows: Rows) -> Iterator[Suspicion]:
    """Texts that were written in UTF-8 and read as something else."""
    types = ibis_schema(delivery.spec.contract)
    texts = [c for c in delivery.filled if types[c].is_string() and not c.endswith("_id")]
    if not texts or delivery.spec.name == _USAGE:
        return
    bad = " OR ".join(f"regexp_matches({identifier(c)}, '{_GARBLED}')" for c in texts)
    ((count, of),) = rows(f"SELECT count(*) FILTER ({bad}), count(*) FROM ({delivery.typed()})")
    if count:
        yield Suspicion(
            delivery.spec.name, None,
            f"{count:,} of {of:,} rows have texts such as Ã¼ for ü: they were read in the wrong encoding",
            "export the file again in UTF-8, or set format: {encoding: ...} as it was written",
        )  # fmt: skip


def _prices(delivery: Delivery, rows: Rows) -> Iterator[Suspicion]:
    """Subscriptions most of which have no price."""
    ((free, of),) = rows(f"SELECT count(*) FILTER (mrr = 0), count(*) FROM ({delivery.typed()})")
    if free > of / 2:
        yield Suspicion(
            _BILLING, "mrr",
            f"{free:,} of {of:,} rows have the price 0: they count as trials or pauses",
            "see whether another column has the price: columns: {mrr: ...}",
        )  # fmt: skip


def _payments(delivery: Delivery, rows: Rows, policy: DetectivePolicy) -> Iterator[Suspicion]:
    """Invoices none of which was ever paid."""
    ((of, paid, days),) = rows(
        f"SELECT count(*), count(paid_on), date_diff('day', min(issued_on), max(issued_on)) FROM ({delivery.typed()})"
    )
    if of >= policy.live_rows and not paid and days >= policy.live_days / 2:
        yield Suspicion(
            _INVOICES, "paid_on",
            f"0 of {of:,} invoices are paid, over {days:,} days: every account would be late",
            "map the day of payment under columns: {paid_on: ...}, or leave billing_invoices out",
        )  # fmt: skip


def _nights(delivery: Delivery, rows: Rows, policy: DetectivePolicy) -> Iterator[Suspicion]:
    """Tickets many of which are opened at night: the times may be in another time zone."""
    ((night, of),) = rows(
        f"SELECT count(*) FILTER (hour(opened_at) < 6), count(*) FROM ({delivery.typed()}) "
        "WHERE opened_at <> date_trunc('day', opened_at)"
    )
    if of >= policy.live_rows and night >= policy.night_share * of:
        yield Suspicion(
            _TICKETS, "opened_at",
            f"{night:,} of {of:,} tickets are opened from 0 to 6 o'clock UTC: times may be of another zone",
            "if they are, write columns: {opened_at: {sql: \"CAST(opened_at AS TIMESTAMP) AT TIME ZONE "
            "'America/New_York'\"}} with the zone of the source",
        )  # fmt: skip


def _weekends(delivery: Delivery, rows: Rows) -> Iterator[Suspicion]:
    """The two quietest days of the week are adjacent, but are not a weekend."""
    counts = dict(rows(f"SELECT isodow(usage_date) - 1, count(*) FROM ({delivery.typed()}) GROUP BY 1"))
    if len(counts) < len(_DAYS) - 1:
        return
    week = [float(counts.get(n) or 0) for n in range(len(_DAYS))]
    quiet = sorted(sorted(range(len(_DAYS)), key=lambda n: week[n])[:2])
    is_quiet = sum(week[n] for n in quiet) / 2 < sum(week) / len(week) / 2
    if is_quiet and quiet in ([0, 6], [4, 5]):
        names = " and ".join(_DAYS[n] for n in (reversed(quiet) if quiet == [0, 6] else quiet))
        yield Suspicion(
            _USAGE, "usage_date",
            f"the quiet days of the week are {names}: the days may be off by one, as by another time zone",
            "if they are, set company: {timezone: ...} in the policy, or shift them under columns: {usage_date: ...}",
        )  # fmt: skip


def _gaps(delivery: Delivery, rows: Rows, policy: DetectivePolicy) -> Iterator[Suspicion]:
    """Weekdays without any usage, between days with usage."""
    ((missing, of, example),) = rows(
        f"WITH used AS (SELECT DISTINCT usage_date AS day FROM ({delivery.typed()}) WHERE usage_date IS NOT NULL), "
        "span AS (SELECT CAST(unnest(generate_series(min(day), max(day), INTERVAL 1 DAY)) AS DATE) AS day FROM used) "
        "SELECT count(*) FILTER (day NOT IN (FROM used)), count(*), min(day) FILTER (day NOT IN (FROM used)) "
        "FROM span WHERE isodow(day) <= 5"
    )
    if of >= policy.live_rows and policy.gap_days_share * of <= missing < of / 2:
        yield Suspicion(
            _USAGE, "usage_date",
            f"{missing:,} of {of:,} weekdays have no usage at all, the first one {example}: days may be lost",
            "export those days again; the mapping cannot correct it",
        )  # fmt: skip


def of_two(
    deliveries: Mapping[str, Delivery], name: str, rows: Rows, policy: DetectivePolicy, today: date
) -> Iterator[Suspicion]:
    """Clues in one extract compared with the extracts before it."""
    if name == _INVOICES and _BILLING in deliveries:
        yield from _sizes(deliveries, rows, policy)
    if name in _FLOWING:
        yield from _stale(deliveries, name, rows, policy, today)


def _stale(
    deliveries: Mapping[str, Delivery], name: str, rows: Rows, policy: DetectivePolicy, today: date
) -> Iterator[Suspicion]:
    """An export that is far older than the others."""
    newest = {}
    for each, column in _FLOWING.items():
        if each in deliveries:
            day = f"CAST({column} AS DATE)"
            ((last, count),) = rows(
                f"SELECT max({day}), count(*) FROM ({deliveries[each].typed()}) WHERE {day} <= DATE '{today}'"
            )
            if last and count >= policy.live_rows:
                newest[each] = last
    others = [n for n in newest if n != name]
    pairs = [(name, other) for other in others] + [(other, name) for other in others]
    for old, new in pairs:
        days = (newest[new] - newest[old]).days if name in newest else 0
        if days > policy.stale_days:
            yield Suspicion(
                old, _FLOWING[old],
                f"the newest row is of {newest[old]}, {days} days before the newest of {new}: the export may be old",
                "export it again; the mapping cannot correct it",
            )  # fmt: skip
            return


def _sizes(deliveries: Mapping[str, Delivery], rows: Rows, policy: DetectivePolicy) -> Iterator[Suspicion]:
    """Compare what accounts are invoiced in a year with what they pay a year as mapped."""
    invoices, billing = deliveries[_INVOICES].typed(), deliveries[_BILLING].typed()
    ((ratio, accounts),) = rows(
        f"WITH i AS (SELECT * FROM ({invoices}) WHERE amount > 0), last AS (SELECT max(issued_on) AS day FROM i), "
        "billed AS (SELECT account_id, currency, sum(amount) AS amount FROM i, last "
        "WHERE issued_on > day - 365 GROUP BY 1, 2), "
        f"s AS (FROM ({billing})), days AS (SELECT day AS moment FROM last UNION ALL SELECT day - 365 FROM last), "
        "each AS (SELECT account_id, currency, moment, sum(mrr) * 12 AS yearly FROM s, days "
        "WHERE start_date <= moment AND (end_date IS NULL OR end_date > moment) GROUP BY ALL), "
        "paying AS (SELECT account_id, currency, avg(yearly) AS yearly FROM each GROUP BY 1, 2 HAVING count(*) = 2) "
        "SELECT median(b.amount / p.yearly), count(*) FROM billed b JOIN paying p USING (account_id, currency) "
        "WHERE p.yearly > 0"
    )
    if accounts < policy.sized_accounts:
        return
    for size, (extract, column, what, form) in _SIZES.items():
        if size / policy.size_factor <= ratio <= size * policy.size_factor:
            key, _, value = form.partition(": ")
            yield Suspicion(
                extract, column,
                f"{accounts:,} accounts are invoiced {ratio:,.3g} times what they pay a year as mapped (the median): "
                f"{what}",
                Place(deliveries[extract].source, column).with_form(**{key: value}),
            )  # fmt: skip
