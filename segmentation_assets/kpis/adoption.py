"""Who uses which feature.

Here: `feature_adoption`, by segment and behavioral cohort. Not here: how broadly one account uses the product
(`profiles.usage`). Windows, and which people count, are the same as there.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import ProductFeatures, ProductUsage, ProductUsers
from segmentation_assets.policy.insights import AdoptionPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.policy.profiles import UsagePolicy
from segmentation_assets.policy.segments import SEGMENTS
from segmentation_assets.profiles.known import AccountHierarchy, known_at, survivors
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.profiles.usage import AccountUsage, _raw_accounts, people_who_count
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import ratio
from segmentation_assets.tables.as_of import FromPolicy, Spine, last
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.days import days_after, days_before
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY
_CELL = ("as_of", "segment", "behavioral_cohort", "feature")
_LOOK_BACK = FromPolicy(UsagePolicy, lambda policy: last(policy.look_back_days))


class FeatureAdoption(Snapshot):
    """Use of each feature by kind of account. Key: as_of, segment, behavioral_cohort, feature."""

    segment: str = column("Segment of the accounts.", isin=SEGMENTS)
    behavioral_cohort: str = column("Behavioral cohort of the accounts.")
    feature: str = column("Feature, as spelled in usage or in the catalogue.")
    product: str = column(
        "Product of the feature; null: it belongs to every product, or is not in the catalogue.", nullable=True
    )
    level: str = column("Level of the feature in the catalogue; null: not known.", nullable=True)
    accounts: Integer = column("Accounts of the segment and cohort that pay for the feature's product.", ge=1)
    accounts_using: Integer = column("Accounts of these with an event on the feature in the usage window.", ge=0)
    share_using: float = column("accounts_using / accounts.", unit="share", ge=0, le=1)
    users: Integer = column(
        "Users of these accounts with an event on the feature in the window; null: usage does not name users.",
        unit="users",
        nullable=True,
        ge=0,
    )
    events: Integer = column("Events of these accounts on the feature in the window.", unit="events", ge=0)
    low_n: Flag = column("Fewer accounts than `retention.low_n`.")
    loving_accounts: Integer = column(
        "Accounts in the policy's loving cohorts, of all segments, that pay for the feature's product.", ge=0
    )
    loving_share: float = column(
        "Share of loving_accounts that use the feature; null: no such accounts.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    missing_accounts: Integer = column(
        "Accounts in the policy's missing cohorts, of all segments, that pay for the feature's product.", ge=0
    )
    missing_share: float = column(
        "Share of missing_accounts that use the feature; null: no such accounts.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    tells_apart: Flag = column(
        "Many loving_accounts and few missing_accounts use the feature, by the policy's shares; null: one of the two "
        "groups has no accounts.",
        nullable=True,
    )
    tells_apart_low_n: Flag = column("Either of the two groups has fewer accounts than `retention.low_n`.")

    @row_rule
    def part_of_the_accounts(cls, t: ir.Table) -> ir.BooleanValue:
        """accounts_using <= accounts, and accounts_using <= users."""
        return (t.accounts_using <= t.accounts) & (t.users.isnull() | (t.accounts_using <= t.users))

    class Config:
        unique = list(_CELL)


@table(group="kpis", reads={"product_usage": _LOOK_BACK})
def feature_adoption(
    spine: Table[Spine],
    segments: Table[Segments],
    account_revenue: Table[AccountRevenue],
    account_usage: Table[AccountUsage],
    product_usage: Table[ProductUsage],
    product_users: Table[ProductUsers],
    product_features: Table[ProductFeatures],
    account_hierarchy: Table[AccountHierarchy],
    usage: UsagePolicy,
    policy: AdoptionPolicy,
    retention: RetentionPolicy,
) -> Table[FeatureAdoption]:
    """Which features do Power Users love and declining accounts never touch? Use of each feature by kind of account.

    One row per as_of, segment, behavioral cohort and feature that an account of these pays for. Features come from
    the catalogue and from usage. Windows, and which people count, are those of `account_usage`. `tells_apart`
    compares two groups of cohorts over the whole company; the policy names the cohorts, and the shares that count as
    many and as few.
    """
    accounts = segments.filter(segments.behavioral_cohort.notnull()).select(*_KEY, "segment", "behavioral_cohort")
    accounts = accounts.semi_join(spine, "as_of").join(account_revenue.select(*_KEY, "product_list"), _KEY)
    through = account_usage.usage_through
    windows = account_usage.select(
        *_KEY, window_start=days_before(through, usage.window_days - 1), day_after=days_after(through)
    )
    windowed = accounts.select(*_KEY).join(windows, _KEY)
    raw = _raw_accounts(windowed, survivors(account_hierarchy))
    use = _use(product_usage, raw, product_users)
    seen = accounts.join(windowed, _KEY)[accounts.columns]
    cells = _cells(seen, use, _features(use, known_at(product_features, spine)))
    return _compared(cells, policy, retention.low_n)


def _use(product_usage: ir.Table, raw: ir.Table, product_users: ir.Table) -> ir.Table:
    """Users and events per account and feature in the window, by people who count."""
    rows = product_usage.select("usage_date", "user_id", "feature", "event_count", used_by="account_id").join(
        raw.select(*_KEY, "raw_account_id", "window_start", "day_after"),
        [
            ibis._.used_by == raw.raw_account_id,
            product_usage.usage_date >= raw.window_start,
            product_usage.usage_date < raw.day_after,
        ],
    )
    rows = rows.filter(rows.feature.notnull())
    by_user = rows.group_by(*_KEY, "user_id", "feature").aggregate(events=rows.event_count.sum())
    counted = people_who_count(by_user.filter(by_user.events > 0), product_users)
    return counted.group_by(*_KEY, "feature").aggregate(
        users=ibis.ifelse(counted.user_id.isnull().any(), ibis.null("int64"), counted.count()),
        events=counted.events.sum(),
    )


def _features(use: ir.Table, catalogue: ir.Table) -> ir.Table:
    """Features of the catalogue and of usage. Key: as_of, feature. A feature without `product` belongs to all."""
    listed = catalogue.select("as_of", "feature", "product", "level")
    used = use.select("as_of", "feature").distinct().anti_join(listed, ["as_of", "feature"])
    unlisted = used.mutate(product=ibis.null("string"), level=ibis.null("string"))
    return listed.union(unlisted.select(listed.columns))


def _paid(rows: ir.Table) -> ir.Table:
    """The `rows` whose account pays for the `product`."""
    products = ibis.literal(", ") + rows.product_list.fill_null("") + ", "
    is_paid = rows["product"].isnull() | products.contains(ibis.literal(", ") + rows["product"] + ", ")
    return rows.filter(is_paid)


def _cells(accounts: ir.Table, use: ir.Table, features: ir.Table) -> ir.Table:
    """Sums by segment, behavioral cohort and feature. Accounts are counted by product, as products are fewer."""
    cell = ("as_of", "segment", "behavioral_cohort")
    paying = _paid(accounts.view().join(features.select("as_of", "product").distinct(), "as_of"))
    counts = paying.group_by(*cell, paid_for=paying["product"]).aggregate(accounts=paying.count())
    rows = _paid(use.view().join(accounts.view(), _KEY).join(features.view(), ["as_of", "feature"]))
    used = rows.group_by(*_CELL).aggregate(
        accounts_using=rows.count(),
        cell_users=ibis.ifelse(rows.users.isnull().any(), ibis.null("int64"), rows.users.sum()),
        is_used=rows.feature.notnull().any(),
        cell_events=rows.events.sum(),
    )
    offered = features.view()
    cells = offered.join(counts, [offered.as_of == counts.as_of, offered["product"].identical_to(counts.paid_for)])
    cells = cells.select("as_of", "segment", "behavioral_cohort", "feature", "product", "level", "accounts")
    cells = cells.left_join(used, list(_CELL))
    return cells.select(
        *_CELL, "product", "level", "accounts",
        accounts_using=cells.accounts_using.fill_null(0),
        users=ibis.ifelse(cells.is_used.fill_null(False), cells.cell_users, 0),
        events=cells.cell_events.fill_null(0),
    )  # fmt: skip


def _compared(cells: ir.Table, policy: AdoptionPolicy, low_n: int) -> ir.Table:
    """Adds shares, and how the cohorts named by the policy compare over all segments."""
    company = ibis.window(group_by=["as_of", "feature"])

    def over(cohorts: tuple[str, ...], value: ir.IntegerValue) -> ir.IntegerValue:
        return ibis.ifelse(cells.behavioral_cohort.isin(cohorts), value, 0).sum().over(company)

    rows = cells.mutate(
        loving_accounts=over(policy.loving_cohorts, cells.accounts),
        loving_using=over(policy.loving_cohorts, cells.accounts_using),
        missing_accounts=over(policy.missing_cohorts, cells.accounts),
        missing_using=over(policy.missing_cohorts, cells.accounts_using),
    )
    rows = rows.mutate(
        share_using=ratio(rows.accounts_using, rows.accounts),
        low_n=rows.accounts < low_n,
        loving_share=rows.loving_using / rows.loving_accounts.nullif(0),
        missing_share=rows.missing_using / rows.missing_accounts.nullif(0),
        tells_apart_low_n=ibis.least(rows.loving_accounts, rows.missing_accounts) < low_n,
    ).drop("loving_using", "missing_using")
    loved, untouched = rows.loving_share >= policy.loved_from, rows.missing_share <= policy.untouched_up_to
    has_both = (rows.loving_accounts > 0) & (rows.missing_accounts > 0)
    return rows.mutate(tells_apart=ibis.ifelse(has_both, loved & untouched, ibis.null("boolean")))
