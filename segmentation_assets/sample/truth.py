"""What was planted, for tests and back-tests of the pipeline: never one of its inputs.

Belongs here: the latent state and what came of it. Not here: anything that an extract may show.
"""

import numpy as np
import pyarrow as pa

from segmentation_assets.sample import tables
from segmentation_assets.sample.company import Company, mrr_on
from segmentation_assets.sample.timeline import NEVER, Bools, Floats, Ints
from segmentation_assets.sample.traits import TIERS
from segmentation_assets.sample.usage import expected_share

HORIZON_DAYS = 90
HORIZON_MONTHS = 3


def hazard_90d(company: Company) -> Floats:
    """Customer × billed month: planted chance to churn in the three months that follow."""
    months = company.timeline.months
    stay = 1 - company.hazard
    ahead = [stay[:, step : step + months] for step in range(1, HORIZON_MONTHS + 1)]
    return 1 - np.prod(ahead, axis=0)


def _scaled(latent: Floats) -> Floats:
    """0 to 1, one half for the usual account."""
    return np.round(1 / (1 + np.exp(-1.6 * latent)), 6)


def _life(company: Company) -> Bools:
    return company.mrr > 0


def account_truth(company: Company) -> pa.Table:
    """One row per customer ever, as of the end."""
    latest = company.timeline.months - 1
    latents = company.latents
    columns = {
        "account_id": company.account_ids.slice(0, company.customers),
        "planted_tier": tables.choice(TIERS, company.tier[: company.customers]),
        "health": _scaled(latents.health[:, latest]),
        "fit": _scaled(latents.fit[:, latest]),
        "growth": _scaled(latents.growth[:, latest]),
        "champion": _scaled(latents.champion[:, latest]),
        "churn_hazard_90d": np.where(company.live, hazard_90d(company)[:, latest], np.nan),
        "is_live": company.live,
        "first_paid_on": tables.dates(company.first_paid),
        "last_paid_on": tables.dates(company.last_paid, company.last_paid == NEVER),
        "arr": np.round(12 * company.mrr[:, latest], 2),
        "seats": company.seats[:, latest],
        "expected_active_share": np.round(expected_share(company)[:, latest], 6),
        "csm_slot": tables.values(company.csm_slot, company.csm_slot < 0),
        "csm_effect": np.round(company.csm_effect, 6),
    }
    return tables.table("account_truth", columns)


def monthly_truth(company: Company) -> pa.Table:
    """Customer × month of the window from the first paid month on; outcomes are null where 90 days are not over."""
    timeline = company.timeline
    months = timeline.window_months
    live = _life(company)[:, months]
    account, column = np.nonzero(live)
    month = months[column]
    now = 12 * company.mrr[account, month]
    later = timeline.snapshot_days[month] + HORIZON_DAYS
    unknown = later > timeline.last_day
    then = 12 * _mrr_at(company, account, later)
    latents = company.latents
    columns = {
        "account_id": tables.choice(company.account_ids, account),
        "month": tables.dates(timeline.month_starts[month]),
        "planted_tier": tables.choice(TIERS, company.tier[account]),
        "health": _scaled(latents.health[account, month]),
        "fit": _scaled(latents.fit[account, month]),
        "growth": _scaled(latents.growth[account, month]),
        "champion": _scaled(latents.champion[account, month]),
        "churn_hazard_90d": hazard_90d(company)[account, month],
        "is_live": np.ones(len(account), bool),
        "arr": np.round(now, 2),
        "arr_in_90d": tables.values(np.round(then, 2), unknown),
        "churned_in_90d": tables.values(then <= 0, unknown),
        "expanded_in_90d": tables.values(then > now + 0.01, unknown),
        "contracted_in_90d": tables.values((then < now - 0.01) & (then > 0), unknown),
    }
    return tables.table("monthly_truth", columns)


def _mrr_at(company: Company, account: Ints, day: Ints) -> Floats:
    mrr = mrr_on(company.subscriptions, account, day)
    return np.where(mrr < 0.005, 0.0, mrr)
