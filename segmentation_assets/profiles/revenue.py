"""What each account pays: recurring revenue, seats, renewals, expansion, payment behaviour.

Here: `account_revenue` and the account's steps of recurring revenue that it is made of. Not here: movements and
retention of groups of accounts (`kpis`), what an account costs (`costs`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Day, Flag, Integer, Snapshot, column


class AccountRevenue(Snapshot):
    """What does each account pay us, since when, and when does it renew? One row per account that ever started."""

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    arr: float = column("Annual recurring revenue: 12 x mrr, to the cent.", unit="currency per year", ge=0)
    mrr: float = column(
        "Monthly recurring revenue in force at day end, at the exchange rate of as_of.",
        unit="currency per month",
        ge=0,
    )
    seats: Integer = column(
        "Licensed seats of the paid subscriptions in force; null where none of them says.",
        unit="seats",
        nullable=True,
        ge=0,
    )
    products: Integer = column("Different products paid for.", ge=0)
    product_list: str = column("Names of the products paid for, in order, separated by commas.", nullable=True)
    regions: Integer = column("Different regions with a paid subscription.", ge=0)
    region: str = column("Region of the largest subscription in force.", nullable=True)
    arr_12m_ago: float = column(
        "ARR in force twelve months before, at the exchange rate of that day.", unit="currency per year", ge=0
    )
    arr_at_rate_12m_ago: float = column(
        "Today's ARR at the exchange rate of twelve months before: what nrr_12m divides by arr_12m_ago.",
        unit="currency per year",
        ge=0,
    )
    nrr_12m: float = column(
        "Net revenue retention: arr_at_rate_12m_ago / arr_12m_ago. Null under 12 months of tenure or without a start.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    first_paid_on: Day = column("First day of the first paid subscription; null while only on trial.", nullable=True)
    tenure_days: Integer = column("Days since first_paid_on.", unit="days", nullable=True, ge=0)
    renewal_on: Day = column(
        "Next contract term end after as_of, else the next anniversary of the oldest subscription in force.",
        nullable=True,
    )
    days_to_renewal: Integer = column("Days from as_of to renewal_on.", unit="days", nullable=True, ge=1)
    last_expansion_on: Day = column(
        "Last day on which recurring revenue rose while the account was paying.", nullable=True
    )
    months_to_first_expansion: float = column(
        "Months from first_paid_on to the first expansion.", unit="months", nullable=True, ge=0
    )
    is_multi_product: Flag = column("Pays for more than one product.")
    is_multi_region: Flag = column("Pays in more than one region.")
    invoices_late_12m: Integer = column(
        "Invoices due in the last 12 months and paid late or overdue now; null without an invoice extract.",
        nullable=True,
        ge=0,
    )
    mean_days_late: float = column(
        "Mean days late of those invoices, 0 where none was late; null where no invoice fell due.",
        unit="days",
        nullable=True,
        ge=0,
    )
    overdue_amount: float = column(
        "Unpaid and past due, at the exchange rate of as_of.", unit="currency", nullable=True, ge=0
    )
    overdue_days: Integer = column("Days that the oldest unpaid invoice is overdue.", unit="days", nullable=True, ge=0)
    is_live: Flag = column("ARR above 0 at day end.")
    churned_on: Day = column("First day without recurring revenue; null while live or never paid.", nullable=True)
    is_trial_only: Flag = column("Started, but never paid.")
    has_billing_history_12m: Flag = column("First paid at least twelve months before, so that a year can be compared.")

    class Config:
        unique = ["as_of", "account_id"]
