"""How much more an account could buy, and how likely it is to.

Here: captured and addressable seats, whitespace against similar accounts, the lookalike share and the expansion
score. Not here: what the account is worth today (`value`), or the rules that use the score (`segments`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Integer, Snapshot, column


class ExpansionScores(Snapshot):
    """Room and readiness of each live account to expand."""

    account_id: str = column("Account.")
    captured_seats: Integer = column("Licensed seats in force.", unit="seats", nullable=True, ge=0)
    addressable_seats: float = column(
        "Employees x addressable share of the industry, at least the captured seats; null: employees unknown.",
        unit="seats", nullable=True, ge=0,
    )  # fmt: skip
    expansion_potential: float = column("1 - captured / addressable seats.", unit="share", nullable=True, ge=0, le=1)
    peer_group: str = column("Similar accounts it is compared with: industry and size class, size class, or all.")
    peers: Integer = column("Other live accounts in the peer group.", ge=0)
    arr_per_employee_p75: float = column(
        "75th percentile of ARR per employee in the peer group, the account included.",
        unit="currency", nullable=True, ge=0,
    )  # fmt: skip
    whitespace: float = column(
        "ARR per employee of the 75th percentile x employees - ARR, at least 0.",
        unit="currency", nullable=True, ge=0,
    )  # fmt: skip
    lookalike: float = column(
        "Share of the other accounts of the peer group that expanded in the last 12 months.",
        unit="share", nullable=True, ge=0, le=1,
    )  # fmt: skip
    arr_score: float = column("Mid-rank of ARR among live accounts x 100.", unit="score", ge=0, le=100)
    trajectory_score: float = column(
        "Trend of users and events net of the company, on a 0-100 scale (50 = with the company).",
        unit="score", nullable=True, ge=0, le=100,
    )  # fmt: skip
    whitespace_score: float = column(
        "Whitespace / (whitespace + ARR) x 100.", unit="score", nullable=True, ge=0, le=100
    )
    lookalike_score: float = column("Lookalike x 100.", unit="score", nullable=True, ge=0, le=100)
    expansion_score: float = column(
        "Weighted mean of the four scores that are present.", unit="score", nullable=True, ge=0, le=100
    )

    class Config:
        unique = ["as_of", "account_id"]
