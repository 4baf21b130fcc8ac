"""How much help an account needs and how it fares with it.

Here: `account_support`, from tickets and self-service. Not here: what support costs (`costs`), or what relations
and outcomes are made of it (`scores`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Integer, Snapshot, column


class AccountSupport(Snapshot):
    """Support load, speed and satisfaction of an account. Key: as_of, account_id; one row per known account.

    Null = the extract has no row by as_of (unknown), or there is nothing to average; 0 = known to be none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    tickets_28d: Integer = column("Tickets opened in the last `support.recent_days` (28) days.", nullable=True, ge=0)
    tickets_90d: Integer = column("Tickets opened in the last `support.window_days` (90) days.", nullable=True, ge=0)
    tickets_12m: Integer = column("Tickets opened in the last twelve months.", nullable=True, ge=0)
    tickets_per_100_seats: float = column(
        "Tickets of the last 90 days per 100 licensed seats in force.", unit="per_100_seats", nullable=True, ge=0
    )
    first_response_hours: float = column(
        "Mean time to the first response, tickets opened in the last 90 days and answered by as_of.",
        unit="hours",
        nullable=True,
        ge=0,
    )
    handling_hours_12m: float = column(
        "Hours worked on tickets resolved (or opened and still unresolved) in the last twelve months.",
        unit="hours",
        nullable=True,
        ge=0,
    )
    self_service_sessions_90d: Integer = column(
        "Knowledge base, chatbot and community sessions in the last 90 days.", nullable=True, ge=0
    )
    self_service_ratio: float = column(
        "Self-service sessions ÷ (self-service sessions + tickets), last 90 days.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    csat: float = column(
        "Mean satisfaction with tickets resolved in the last 90 days, on the source's scale.",
        unit="rating",
        nullable=True,
    )
    sentiment: float = column(
        "Mean sentiment of tickets opened in the last 90 days, -1 to 1.",
        unit="sentiment",
        nullable=True,
        in_range={"min_value": -1, "max_value": 1},
    )
    open_escalations: Integer = column("Escalated tickets not resolved by as_of.", nullable=True, ge=0)

    class Config:
        unique = ["as_of", "account_id"]
