"""What new revenue costs: spend per period, CAC payback.

Here: spend in the periods of the KPIs, and the months until gross margin pays it back. Not here: spend by month and
the magic number (`efficiency`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.efficiency import spend_in
from segmentation_assets.kpis.groups import joined_by
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.policy.segments import SEGMENTS
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.tables.amounts import cents, total
from segmentation_assets.tables.calendar import windows

_MONTHS_PER_YEAR = 12


def period_spend(
    spine: ir.Table, gtm_spend: ir.Table, fx_rates: ir.Table, company: CompanyPolicy, policy: RetentionPolicy
) -> ir.Table:
    """Spend of the periods that end at the days of a run, by segment (null: shared spend)."""
    periods = windows(spine, policy.windows_months)
    return spend_in(gtm_spend, periods.mutate(ends_on=periods.as_of), spine, fx_rates, company)


def segment_spend(rows: ir.Table, spend: ir.Table) -> ir.Table:
    """Adds `gtm_spend`: a segment's own spend, plus its share of the shared spend by new and expansion ARR."""
    is_own = spend.segment.isin(SEGMENTS)
    own = spend.filter(is_own).select("as_of", "window_months", member="segment", own_spend="spend")
    shared = spend.group_by("as_of", "window_months").aggregate(
        shared_spend=total(spend.spend, ~is_own.fill_null(False)).fill_null(0.0)
    )
    rows = joined_by(joined_by(rows, own, "as_of", "window_months", "member"), shared, "as_of", "window_months")
    gained = rows.new_arr + rows.expansion_arr
    share = gained / total(gained, over=ibis.window(group_by=["as_of", "window_months"])).nullif(0.0)
    spent = rows.own_spend.fill_null(0.0) + rows.shared_spend * share.fill_null(0.0)
    return rows.mutate(gtm_spend=cents(spent))


def payback(rows: ir.Table) -> ir.Table:
    """Adds CAC payback; null without new ARR, gross margin or known spend."""
    margin = only_if(rows.gross_margin_share > 0, rows.gross_margin_share) / _MONTHS_PER_YEAR
    is_history = rows.reason.isnull() | (rows.reason != "no_history")
    blended = rows.new_arr + rows.expansion_arr
    return rows.mutate(
        cac_payback_months=only_if(is_history, rows.gtm_spend / (rows.new_arr * margin).nullif(0.0)),
        cac_payback_blended_months=only_if(is_history, rows.gtm_spend / (blended * margin).nullif(0.0)),
    )
