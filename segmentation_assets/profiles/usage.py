"""How each account uses the product: who, how much, how broadly, how deeply, and where it is heading.

Here: `usage_days` (one roll-up per usage day) and `account_usage` (windows ending at the last usage day). Not here:
turning usage into points (`scores.behavioral`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Contract, Day, Flag, Integer, Snapshot, column


class UsageDays(Contract):
    """What did each user do on each day? The product's usage rolled up once per day, all features together."""

    usage_date: Day = column("Day of use, company timezone.")
    account_id: str = column(
        "The account as the usage extract names it; mergers are followed later, per as_of."
    )
    user_id: str = column("The user; service users are still in.")
    events: Integer = column("Events.", unit="events", nullable=True, ge=0)
    sessions: Integer = column("Sessions (logins).", unit="sessions", nullable=True, ge=0)
    minutes: float = column("Session time.", unit="minutes", nullable=True, ge=0)
    errors: Integer = column("Errors met.", unit="errors", nullable=True, ge=0)

    class Config:
        unique = ["usage_date", "account_id", "user_id"]


class AccountUsage(Snapshot):
    """Do the people an account pays for use the product, how deeply, and where is it heading?"""

    account_id: str = column("A live account with licensed seats; accounts merged into it are counted here.")
    usage_through: Day = column("Last usage day known at as_of: where all windows end.")
    usage_lag_days: Integer = column("Days from usage_through to as_of.", unit="days", ge=0)
    active_users_28d: Integer = column("Distinct active users in the window.", unit="users", ge=0)
    active_users_prior_28d: Integer = column(
        "Distinct active users in the window before.", unit="users", ge=0
    )
    events_28d: Integer = column("Events in the window.", unit="events", ge=0)
    events_prior_28d: Integer = column("Events in the window before.", unit="events", ge=0)
    minutes_28d: float = column("Session time in the window.", unit="minutes", ge=0)
    minutes_prior_28d: float = column("Session time in the window before.", unit="minutes", ge=0)
    dau: float = column("Mean daily active users over the window.", unit="users", ge=0)
    wau: Integer = column("Distinct active users in the last 7 days.", unit="users", ge=0)
    mau: Integer = column("Distinct active users in the window (28 days).", unit="users", ge=0)
    mau_calendar_month: Integer = column(
        "Distinct active users from the first of usage_through's month on.", unit="users", ge=0
    )
    dau_seat_share: float = column(
        "Mean over the window's days of active users / seats in force that day.", unit="share", ge=0
    )
    wau_seat_share: float = column("wau / mean seats in force over the 7 days.", unit="share", ge=0)
    mau_seat_share: float = column(
        "Seat activity: mau / mean seats in force over the window; above 1 is possible.", unit="share", ge=0
    )
    calendar_month_seat_share: float = column(
        "mau_calendar_month / mean seats in force this month.", unit="share", ge=0
    )
    is_active_account: Flag = column("calendar_month_seat_share reaches the policy's active share.")
    stickiness: float = column("dau / mau; 0 without active users.", unit="share", ge=0, le=1)
    features_used: Integer = column("Different features used in the window.", unit="features", ge=0)
    feature_breadth_share: float = column(
        "Share of the paid products' features that were used; null where their features are not known.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    departments_active: Integer = column(
        "Departments with an active user in the window; null where no department is known.",
        nullable=True,
        ge=0,
    )
    department_breadth_share: float = column(
        "departments_active / departments of the account's users; null where none is known.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    key_events_per_active_user: float = column(
        "Events on key features per active user in the window; null where no feature is marked as key.",
        unit="events per user",
        nullable=True,
        ge=0,
    )
    unused_paid_features: Integer = column(
        "Features paid for but not used in the window.", unit="features", nullable=True, ge=0
    )
    ladder_level: float = column(
        "Share of the paid products' advanced features in use; null where they have none.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    active_days_28d: Integer = column("Days of the window with an active user.", unit="days", ge=0)
    consistency: float = column(
        "Share of the window's weekdays with an active user.", unit="share", ge=0, le=1
    )
    logins_per_user: float = column("Sessions per active user in the window.", unit="sessions per user", ge=0)
    minutes_per_user: float = column(
        "Session minutes per active user in the window.", unit="minutes per user", ge=0
    )
    logins_trend: float = column(
        "Sessions against the window before, minus 1; null without a base.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    minutes_trend: float = column(
        "Session minutes against the window before, minus 1; null without a base.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    users_trend: float = column(
        "Active users against the window before, minus 1; null without a base.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    events_trend: float = column(
        "Events against the window before, minus 1; null without a base.", unit="ratio", nullable=True, ge=-1
    )
    users_trend_net: float = column(
        "users_trend less the company's median of it.", unit="ratio", nullable=True
    )
    events_trend_net: float = column(
        "events_trend less the company's median of it.", unit="ratio", nullable=True
    )
    minutes_trend_net: float = column(
        "minutes_trend less the company's median of it.", unit="ratio", nullable=True
    )
    error_rate: float = column(
        "Errors per event in the window; null without events.", unit="ratio", nullable=True, ge=0
    )
    top_user_share: float = column(
        "Share of events by the most active user; null without events.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    single_champion: Flag = column("One user makes most events although several seats are licensed.")
    power_users: Integer = column("Users active on at least the policy's number of days of the window.", ge=0)
    new_champions: Integer = column(
        "Users in the account's top by events now and not in the window before.", ge=0
    )

    class Config:
        unique = ["as_of", "account_id"]
