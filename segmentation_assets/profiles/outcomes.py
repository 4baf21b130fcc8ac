"""Whether an account reaches its success goals.

Here: `account_outcomes`, from success goals. Not here: outcome health (`scores`).
"""

from __future__ import annotations

import ibis

from segmentation_assets.extracts.contracts import SuccessGoals
from segmentation_assets.profiles.facts import accounts_of, facts, first_fact, with_figures, zero_if_present
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table


class AccountOutcomes(Snapshot):
    """Success goals set, due and met. Key: as_of, account_id; one row per known account.

    Null = no goals at all are on record by as_of (unknown); 0 = this account is known to have none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    goals_set: Integer = column("Goals set by as_of.", nullable=True, ge=0)
    goals_due: Integer = column("Goals whose due date is on or before as_of.", nullable=True, ge=0)
    goals_met: Integer = column("Goals met by as_of, whether due or not.", nullable=True, ge=0)
    goals_met_late: Integer = column("Goals met by as_of, after their due date.", nullable=True, ge=0)
    goals_met_share: float = column(
        "Goals met by as_of ÷ goals that are due or met by as_of; null: there are none.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles")
def account_outcomes(
    spine: Table[Spine], account_hierarchy: Table[AccountHierarchy], success_goals: Table[SuccessGoals]
) -> Table[AccountOutcomes]:
    """Does an account reach its goals, and in time?

    One row per as_of and known account. A goal counts from the day it was set, or, if that is not known, from the day
    it was due or met. A goal met ahead of time counts in both parts of the share, so the share is at most 1. A goal
    met after as_of does not count as met.
    """
    merged = survivors(account_hierarchy)
    goals = success_goals.mutate(
        known_as_goal_on=ibis.coalesce(
            success_goals.set_on, ibis.least(success_goals.due_on, success_goals.met_on), success_goals.due_on,
            success_goals.met_on,
        )
    )  # fmt: skip
    rows = facts(goals, "known_as_goal_on", merged, spine)
    is_due = (rows.due_on <= rows.as_of).fill_null(False)
    is_met = (rows.met_on <= rows.as_of).fill_null(False)
    counts = rows.group_by("as_of", "account_id").aggregate(
        goals_set=rows.count(),
        goals_due=rows.count(where=is_due),
        goals_met=rows.count(where=is_met),
        goals_met_late=rows.count(where=is_met & (rows.met_on > rows.due_on)),
        goals_met_share=is_met.ifelse(1.0, 0.0).mean(where=is_due | is_met),
    )
    return zero_if_present(
        with_figures(accounts_of(merged), counts),
        first_fact(goals, "known_as_goal_on"),
        ("goals_set", "goals_due", "goals_met", "goals_met_late"),
    )
