"""How good the data of each account is.

Here: `account_data_quality`, one score per account. Not here: the quality of the extracts (`extracts.quality`), or
the share of the scores that is known (`scores.composite`).
"""

from __future__ import annotations

from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import HISTORY_COLUMNS, CrmAccounts
from segmentation_assets.policy.insights import DataQualityPolicy
from segmentation_assets.profiles.known import known_at
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Flag, Integer, Snapshot, column, schema_of
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY
_CRM, _USAGE = "crm_accounts", "product_usage"


class AccountDataQuality(Snapshot):
    """Completeness and freshness of an account's data. Key: as_of, account_id; one row per live account.

    Refused rows are not divided over accounts: the account is often what is wrong with them.
    """

    account_id: str = column("Account.")
    crm_completeness: float = column(
        "Share of the optional CRM columns with a value, without columns where null has a meaning; 0: the CRM does "
        "not know the account.",
        unit="share",
        ge=0,
        le=1,
    )
    dimension_completeness: float = column(
        "Share of the ten optional dimensions with data on the account: data_completeness of account_profiles.",
        unit="share",
        ge=0,
        le=1,
    )
    completeness: float = column("Mean of crm_completeness and dimension_completeness.", unit="share", ge=0, le=1)
    usage_lag_days: Integer = column(
        "Days from the last day of the account's usage windows to as_of; null: usage is not known.",
        unit="days",
        nullable=True,
        ge=0,
    )
    is_backcast: Flag = column("The CRM's record of as_of is not known: the columns come from its first known drop.")
    completeness_score: float = column("completeness x 100.", unit="score", ge=0, le=100)
    freshness_score: float = column(
        "100 while usage is at most as old as the policy's max_age_days of product_usage, then max_age_days / "
        "usage_lag_days x 100; null: usage is not known.",
        unit="score",
        nullable=True,
        ge=0,
        le=100,
    )
    quality_score: float = column(
        "Mean of the scores, weighted as in data_quality, without one that is not known.",
        unit="score",
        ge=0,
        le=100,
    )

    class Config:
        unique = ["as_of", "account_id"]


@table(group="kpis")
def account_data_quality(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    crm_accounts: Table[CrmAccounts],
    policy: DataQualityPolicy,
) -> Table[AccountDataQuality]:
    """How complete and how fresh is the data of each live account? One score.

    One row per as_of and live account. Whoever reads a score of the account can see how much it rests on.
    """
    rows = account_profiles.filter(account_profiles.is_live).semi_join(spine, "as_of")
    rows = rows.select(*_KEY, "usage_lag_days", "is_backcast", dimension_completeness="data_completeness")
    filled = _crm_filled(known_at(crm_accounts, spine), policy)
    rows = rows.left_join(filled, list(_KEY))
    rows = rows.mutate(crm_completeness=rows.crm_share.fill_null(0.0))
    rows = rows.mutate(completeness=(rows.crm_completeness + rows.dimension_completeness) / 2)
    most = policy.max_age_days.get(_USAGE, policy.default_max_age_days)
    fresh = ibis.ifelse(rows.usage_lag_days <= most, 100.0, most * 100.0 / rows.usage_lag_days.nullif(0))
    rows = rows.mutate(completeness_score=rows.completeness * 100, freshness_score=fresh)
    return rows.select(
        *_KEY,
        *("crm_completeness", "dimension_completeness", "completeness", "usage_lag_days", "is_backcast"),
        *("completeness_score", "freshness_score"),
        quality_score=_weighted(rows, policy),
    )


def _crm_filled(crm: ir.Table, policy: DataQualityPolicy) -> ir.Table:
    """(as_of, account_id, crm_share): the share of optional CRM columns with a value."""
    meant = {*HISTORY_COLUMNS, *policy.null_has_a_meaning.get(_CRM, ())}
    names = [n for n, c in schema_of(CrmAccounts).columns.items() if c.nullable and n not in meant]
    filled = reduce(add, (crm[name].notnull().cast("int64") for name in names))
    return crm.select(*_KEY, crm_share=filled / len(names))


def _weighted(rows: ir.Table, policy: DataQualityPolicy) -> ir.FloatingValue:
    whole, fresh = float(policy.completeness_weight), float(policy.freshness_weight)
    both = (rows.completeness_score * whole + rows.freshness_score * fresh) / (whole + fresh)
    return both.fill_null(rows.completeness_score)
