"""Customer lifetime: how long accounts of a kind still pay, from how many renewed at each anniversary.

Here: the renewal counts per cohort, the shifted-beta-geometric (sBG) fit on them, and the discounted expected
residual lifetime per tenure. Not here: the money (`value` multiplies the lifetime by the gross margin), or churn
within the next 90 days (`churn`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Flag, Integer, Snapshot, column

METHODS = ("sBG", "churn_rate", "company_churn_rate", "cap")


class CohortRenewals(Snapshot):
    """How many accounts of a cohort came to each annual renewal by `as_of`, and how many of them left there."""

    cohort: str = column("Size class as known at as_of: smb, mid_market, enterprise, or unknown.")
    renewal_year: Integer = column("Which renewal: 1 = the first anniversary of the first paid day.", ge=1)
    accounts: Integer = column("Accounts of the cohort that ever paid by as_of (of all ages).", ge=1)
    at_risk: Integer = column("Accounts that paid until this renewal and whose anniversary is past.", ge=0)
    churned: Integer = column("Of those, accounts that left in the year up to this renewal.", ge=0)

    class Config:
        unique = ["as_of", "cohort", "renewal_year"]


class ClvParameters(Snapshot):
    """How retention of each cohort behaves, as of a day: the fitted parameters, or why there is no fit."""

    cohort: str = column("Size class as known at as_of: smb, mid_market, enterprise, or unknown.")
    accounts: Integer = column("Accounts of the cohort that ever paid by as_of.", ge=0)
    renewal_years: Integer = column("Annual renewals that the cohort's oldest accounts have come to.", ge=0)
    renewals: Integer = column("Renewals made, over all accounts and years.", ge=0)
    churned: Integer = column("Accounts that left at one of those renewals.", ge=0)
    alpha: float = column("sBG alpha; null without a fit.", nullable=True, gt=0)
    beta: float = column("sBG beta; null without a fit.", nullable=True, gt=0)
    churn_rate: float = column(
        "Yearly churn over all ages: churned / (churned + renewed).", unit="share", nullable=True, ge=0, le=1
    )
    method: str = column(
        "sBG; else churn_rate (the cohort's), company_churn_rate (the cohort has none), cap (nobody has).",
        isin=list(METHODS),
    )
    is_flagged: Flag = column("True where the lifetime is not from a fit.")

    class Config:
        unique = ["as_of", "cohort"]


class ClvLifetimes(Snapshot):
    """How many more (discounted) yearly payments to expect of an account, by cohort and completed years."""

    cohort: str = column("Size class as known at as_of: smb, mid_market, enterprise, or unknown.")
    tenure_years: Integer = column("Completed years since the first paid day.", ge=0)
    derl: float = column("Discounted expected residual lifetime.", unit="years", ge=0)
    method: str = column("How the lifetime was found; see clv_parameters.", isin=list(METHODS))
    is_flagged: Flag = column("True where the lifetime is not from a fit.")

    class Config:
        unique = ["as_of", "cohort", "tenure_years"]
