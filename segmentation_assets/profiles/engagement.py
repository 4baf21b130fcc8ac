"""How much an account and we are in touch, and whether it answers.

Here: `account_engagement`, from marketing, interactions and surveys. Not here: use of the product (`usage`), support
(`support`), or points for any of it (`scores`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Flag, Integer, Snapshot, column


class AccountEngagement(Snapshot):
    """Touches, meetings, answers and NPS of an account. Key: as_of, account_id; one row per known account.

    Null = the extract has no row by as_of (unknown), or there is nothing to divide by; 0 = known to be none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    touches_90d: Integer = column(
        "Marketing and community touches in the last `engagement.window_days` (90) days, all channels.",
        nullable=True,
        ge=0,
    )
    community_touches_90d: Integer = column("Those of them on a community channel.", nullable=True, ge=0)
    meetings_90d: Integer = column("Meetings, calls and business reviews in the last 90 days.", nullable=True, ge=0)
    digital_first: Flag = column(
        "Digital touches are at least `engagement.digital_first_share` of touches and meetings, last 90 days.",
        nullable=True,
    )
    survey_response_rate: float = column(
        "Surveys answered by as_of ÷ surveys sent, last twelve months.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    nps: float = column(
        "Net promoter score: (promoters - detractors) ÷ answers x 100, answers of the last twelve months.",
        unit="nps",
        nullable=True,
        in_range={"min_value": -100, "max_value": 100},
    )
    responsiveness: float = column(
        "Share of our interactions of the last 90 days answered within `engagement.answer_days` (5) days.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    days_since_last_touch: Integer = column(
        "Days since the last touch or interaction of any kind.", unit="days", nullable=True, ge=0
    )

    class Config:
        unique = ["as_of", "account_id"]
