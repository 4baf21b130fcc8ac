"""Data quality of the extracts.

Here: `data_quality`, one score per extract, and `data_quality_columns`, the values that each column lacks. Not here:
which rows were refused and why (`quarantine`), or how good the data of one account is (`kpis.account_quality`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import EXTRACTS, HISTORY_COLUMNS, ProductUsage, Quarantine
from segmentation_assets.policy.insights import DataQualityPolicy
from segmentation_assets.policy.profiles import UsagePolicy
from segmentation_assets.tables.as_of import FromPolicy, Spine, last
from segmentation_assets.tables.calendar import each
from segmentation_assets.tables.contracts import (
    Contract,
    Day,
    Flag,
    Integer,
    Snapshot,
    column,
    row_rule,
    schema_of,
)
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, TableSpec, table

REASONS = ("no_rows", "undated")
_KEY = ("as_of", "extract")
_USAGE = "product_usage"
_NAMES = tuple(spec.name for spec in EXTRACTS)


class DataQuality(Snapshot):
    """Completeness, freshness and refused rows of an extract. Key: as_of, extract. Every extract has a row."""

    extract: str = column("Extract.", isin=_NAMES)
    row_count: Integer = column("Rows known and dated by as_of; for product_usage, rows in the look-back.", ge=0)
    completeness: float = column(
        "Share of filled cells in optional columns, without columns where null has a meaning; null: no rows or no "
        "such column.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    newest_on: Day = column(
        "Date of the newest row; of a list that each delivery repeats in full (accounts, users, subscriptions, CSMs, "
        "features), day of the newest drop with a change: the same list again is no sign of life, since an export "
        "that is stuck repeats it, too; null: its deliveries have no date.",
        nullable=True,
    )
    age_days: Integer = column("Days from newest_on to as_of.", unit="days", nullable=True, ge=0)
    max_age_days: Integer = column("Up to this age the extract counts as fresh.", unit="days", ge=1)
    is_stale: Flag = column("Older than max_age_days; null: the age is not known.", nullable=True)
    quarantined_rows: Integer = column("Different rows refused by as_of (for product_usage, in the look-back).", ge=0)
    landed_rows: Integer = column(
        "Rows landed by as_of, including those replaced later. A row that a newer drop repeats counts once. For "
        "product_usage, row_count.",
        ge=0,
    )
    quarantined_share: float = column(
        "quarantined_rows / (landed_rows + quarantined_rows).", unit="share", nullable=True, ge=0, le=1
    )
    completeness_score: float = column("completeness x 100.", unit="score", nullable=True, ge=0, le=100)
    freshness_score: float = column(
        "100 up to max_age_days, then max_age_days / age_days x 100.", unit="score", nullable=True, ge=0, le=100
    )
    validity_score: float = column(
        "100 without refused rows, falling to 0 at the policy's worst share of refused rows.",
        unit="score",
        nullable=True,
        ge=0,
        le=100,
    )
    quality_score: float = column(
        "Weighted mean of the three scores, without those that are not known; null: no rows.",
        unit="score",
        nullable=True,
        ge=0,
        le=100,
    )
    reason: str = column(
        "Why a score is missing: no_rows (nothing delivered by as_of), undated (age not known); null: none is.",
        nullable=True,
        isin=REASONS,
    )

    @row_rule
    def scored_where_rows(cls, t: ir.Table) -> ir.BooleanValue:
        """An extract has a score exactly if it has rows."""
        return (t.row_count > 0) == t.quality_score.notnull()

    class Config:
        unique = list(_KEY)


@table(
    group="kpis",
    bundles={"extracts": EXTRACTS},
    reads={_USAGE: FromPolicy(UsagePolicy, lambda policy: last(policy.look_back_days))},
)
def data_quality(
    spine: Table[Spine],
    extracts: Mapping[str, ir.Table],
    quarantine: Table[Quarantine],
    policy: DataQualityPolicy,
    usage: UsagePolicy,
) -> Table[DataQuality]:
    """How complete, how fresh and how clean is each extract? One score.

    One row per as_of and extract. An extract that is not delivered has a row without a score. A row counts if it was
    known and dated by as_of. Completeness leaves out columns where null has a meaning, such as the end of an open
    subscription. A list that each delivery repeats in full is as fresh as its newest delivery with any change:
    subscriptions are not stale because nobody bought. The same list again does not count. It cannot be told from an
    export that is stuck, and nothing that depends on the list is made anew for it. For lists that seldom change, the
    policy allows a greater age.
    """
    counted = [_by_day(spec, extracts[spec.name], policy) for spec in EXTRACTS if spec.name != _USAGE]
    counted.append(_usage_by_day(extracts[_USAGE], policy, usage))
    sums = _by_then(reduce(lambda one, other: one.union(other), counted), spine)
    refused = _refused(quarantine, spine, usage)
    rows = each(spine.select("as_of"), "extract", _NAMES)
    for figures in (sums, refused):
        rows = rows.left_join(figures, list(_KEY)).drop(*(f"{name}_right" for name in _KEY))
    return _scored(rows, policy)


class DataQualityColumns(Snapshot):
    """How much of each optional column is missing? Key: as_of, extract, column_name; always all optional columns."""

    extract: str = column("Extract.", isin=_NAMES)
    column_name: str = column("Optional column of the extract.")
    row_count: Integer = column("Rows known, and dated, by as_of; of product_usage, those of the look-back.", ge=0)
    missing_rows: Integer = column("Rows without a value in the column.", ge=0)
    missing_share: float = column(
        "missing_rows / row_count; null without rows.", unit="share", nullable=True, ge=0, le=1
    )
    null_is_a_fact: Flag = column(
        "No value means something, such as an open end date (policy): that does not lower the score."
    )

    @row_rule
    def part_of_the_rows(cls, t: ir.Table) -> ir.BooleanValue:
        """No more rows lack a value than there are."""
        return t.missing_rows <= t.row_count

    class Config:
        unique = ["as_of", "extract", "column_name"]


@table(
    group="kpis",
    bundles={"extracts": EXTRACTS},
    reads={_USAGE: FromPolicy(UsagePolicy, lambda policy: last(policy.look_back_days))},
)
def data_quality_columns(
    spine: Table[Spine], extracts: Mapping[str, ir.Table], policy: DataQualityPolicy, usage: UsagePolicy
) -> Table[DataQualityColumns]:
    """Which columns lack how many values? For example, the share of accounts in the CRM without a use case.

    One row per as_of, extract and optional column, also of extracts that nobody delivers. Rows count as in
    `data_quality`: known, and dated, by as_of.
    """
    parts = [
        _by_column(spec, extracts[spec.name], spine, policy, usage) for spec in EXTRACTS if _optional(spec.contract)
    ]
    return reduce(lambda one, other: one.union(other), parts)


def _by_column(
    spec: TableSpec, extract: ir.Table, spine: ir.Table, policy: DataQualityPolicy, usage: UsagePolicy
) -> ir.Table:
    """Rows of `data_quality_columns` for one extract."""
    names = _optional(spec.contract)
    facts = policy.null_has_a_meaning.get(spec.name, ())
    filled = {f"filled_{name}": extract[name].count() for name in names}
    if spec.name == _USAGE:
        days = extract.group_by(dated=extract.usage_date).aggregate(row_count=extract.usage_date.count(), **filled)
        days = days.mutate(known_from=days.dated, known_to=days_after(days.dated, usage.look_back_days))
    else:
        dated = extract.dropped_on if spec.dated is None else extract[spec.dated].cast("date")
        days = extract.group_by(known_from=extract.known_from, known_to=extract.known_to, dated=dated)
        days = days.aggregate(row_count=extract.known_from.count(), **filled)
    at = spine.select("as_of").distinct()
    rows = days.join(at, [days.known_from <= at.as_of, days.known_to > at.as_of])
    rows = rows.filter(rows.dated.isnull() | (rows.dated <= rows.as_of))
    sums = rows.group_by("as_of").aggregate(**{n: rows[n].sum() for n in ("row_count", *filled)})
    rows = each(at.left_join(sums, "as_of").drop("as_of_right"), "column_name", names)
    count = rows.row_count.fill_null(0)
    missing = count - ibis.cases(*((rows.column_name == n, rows[f"filled_{n}"]) for n in names)).fill_null(0)
    return rows.select(
        "as_of",
        "column_name",
        extract=ibis.literal(spec.name),
        row_count=count,
        missing_rows=missing,
        missing_share=missing / count.nullif(0),
        null_is_a_fact=rows.column_name.isin(facts) if facts else ibis.literal(False),
    )


def _told_columns(name: str, contract: type[Contract], policy: DataQualityPolicy) -> list[str]:
    """The optional columns of an extract in which null means that a value is missing."""
    meant = policy.null_has_a_meaning.get(name, ())
    return [n for n in _optional(contract) if n not in meant]


def _optional(contract: type[Contract]) -> list[str]:
    return [n for n, c in schema_of(contract).columns.items() if c.nullable and n not in HISTORY_COLUMNS]


def _by_day(spec: TableSpec, extract: ir.Table, policy: DataQualityPolicy) -> ir.Table:
    """Counts of an extract's rows and filled cells, by known_from, known_to and date."""
    columns = _told_columns(spec.name, spec.contract, policy)
    dated = extract.dropped_on if spec.dated is None else extract[spec.dated].cast("date")
    delivered = extract.dropped_on if spec.is_census else dated
    rows = extract.group_by(known_from=extract.known_from, known_to=extract.known_to, dated=dated, newest=delivered)
    return _counted(
        spec.name, rows.aggregate(row_count=extract.known_from.count(), filled=_filled(extract, columns)), columns
    )


def _usage_by_day(usage: ir.Table, policy: DataQualityPolicy, windows: UsagePolicy) -> ir.Table:
    """The same for product_usage. Its days count for as long as the usage profiles look back."""
    columns = _told_columns(_USAGE, ProductUsage, policy)
    days = usage.group_by(dated=usage.usage_date).aggregate(
        row_count=usage.usage_date.count(), filled=_filled(usage, columns)
    )
    until = days_after(days.dated, windows.look_back_days)
    return _counted(_USAGE, days.mutate(known_from=days.dated, known_to=until, newest=days.dated), columns)


def _filled(extract: ir.Table, columns: list[str]) -> ir.IntegerValue:
    return reduce(lambda one, other: one + other, (extract[n].count() for n in columns), ibis.literal(0, "int64"))


def _counted(name: str, days: ir.Table, columns: list[str]) -> ir.Table:
    return days.select(
        "known_from",
        "known_to",
        "dated",
        "newest",
        "row_count",
        "filled",
        extract=ibis.literal(name),
        cells=days.row_count * len(columns),
    )


def _by_then(days: ir.Table, spine: ir.Table) -> ir.Table:
    """Sums per as_of and extract over the rows known and dated by then."""
    at = spine.select("as_of")
    rows = days.join(at, days.known_from <= at.as_of)
    rows = rows.filter(rows.dated.isnull() | (rows.dated <= rows.as_of))
    stands = rows.as_of < rows.known_to
    landed = stands | (rows.extract != _USAGE)
    sums = rows.group_by(*_KEY).aggregate(
        row_count=rows.row_count.sum(where=stands),
        landed_rows=rows.row_count.sum(where=landed),
        filled=rows.filled.sum(where=stands),
        cells=rows.cells.sum(where=stands),
        newest_on=rows.newest.max(where=stands),
    )
    return sums.mutate(completeness=sums.filled / sums.cells.nullif(0)).drop("filled", "cells")


def _refused(quarantine: ir.Table, spine: ir.Table, usage: UsagePolicy) -> ir.Table:
    """Different rows refused by as_of. A row refused in several drops counts once."""
    is_usage = quarantine.extract == _USAGE
    rows = quarantine.select(
        "extract", "key", "rule", "value", dated=ibis.ifelse(is_usage, quarantine.usage_date, quarantine.dropped_on)
    )
    first = rows.group_by("extract", "key", "rule", "value").aggregate(
        first_on=rows.dated.min(), last_on=rows.dated.max()
    )
    at = spine.select("as_of")
    by_then = first.first_on.isnull() | (first.first_on <= at.as_of)
    joined = first.join(at, by_then)
    since = joined.as_of - ibis.interval(days=usage.look_back_days)
    is_recent = (joined.extract != _USAGE) | (joined.last_on > since).fill_null(True)
    return joined.filter(is_recent).group_by(*_KEY).aggregate(quarantined_rows=ibis._.count())


def _scored(rows: ir.Table, policy: DataQualityPolicy) -> ir.Table:
    max_age = ibis.cases(
        *((rows.extract == name, ibis.literal(days, "int64")) for name, days in policy.max_age_days.items()),
        else_=ibis.literal(policy.default_max_age_days, "int64"),
    )
    rows = rows.mutate(
        row_count=rows.row_count.fill_null(0),
        landed_rows=rows.landed_rows.fill_null(0),
        quarantined_rows=rows.quarantined_rows.fill_null(0),
        max_age_days=max_age,
        age_days=rows.as_of.delta(rows.newest_on, unit="day"),
    )
    rows = rows.mutate(
        is_stale=rows.age_days > rows.max_age_days,
        quarantined_share=rows.quarantined_rows / (rows.landed_rows + rows.quarantined_rows).nullif(0),
    )
    fresh = ibis.ifelse(rows.is_stale, rows.max_age_days / rows.age_days.nullif(0), 1.0)
    invalid = rows.quarantined_share / policy.worst_quarantined_share
    has_rows = rows.row_count > 0
    rows = rows.mutate(
        completeness_score=rows.completeness * 100,
        freshness_score=ibis.ifelse(rows.age_days.notnull(), fresh * 100, ibis.null("float64")),
        validity_score=ibis.ifelse(has_rows, (1 - ibis.least(invalid, 1.0)) * 100, ibis.null("float64")),
    )
    parts = (
        (rows.completeness_score, policy.completeness_weight),
        (rows.freshness_score, policy.freshness_weight),
        (rows.validity_score, policy.validity_weight),
    )
    points = reduce(lambda one, other: one + other, ((score * weight).fill_null(0.0) for score, weight in parts))
    weights = reduce(
        lambda one, other: one + other, (ibis.ifelse(score.notnull(), float(weight), 0.0) for score, weight in parts)
    )
    return rows.mutate(
        quality_score=ibis.ifelse(has_rows, points / weights.nullif(0.0), ibis.null("float64")),
        reason=ibis.cases((~has_rows, "no_rows"), (rows.newest_on.isnull(), "undated")),
    )
