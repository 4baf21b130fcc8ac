"""Policy sections on usage windows and lifecycle. Not here: service and costs (`service`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from segmentation_assets.policy.company import Days, Share
from segmentation_assets.policy.section import Section

OneOrMore = Annotated[int, Field(ge=1)]
ACTIVE_DAYS = 28
"""Days of the window `last_28_days`."""
_WEEK = 7
_LONGEST_MONTH = 31
_TWO_MONTHS = 62  # a last full month and the running one beside it; as bits they are one signed 64-bit number
_LONGEST_WINDOW = 31  # a user's active days of two windows are the bits of one signed 64-bit number


class UsagePolicy(Section):
    """Windows of usage, and what counts as active, powerful or leaning on one person."""

    window_days: Annotated[int, Field(ge=1, le=_LONGEST_WINDOW)]
    """The usage window; trends compare it with the window of the same length before."""
    week_days: OneOrMore
    """The short window inside it: weekly active users."""
    max_lag_days: Days
    """Usage older than this at as_of counts as no usage known, and is not looked for. Not the few days after which
    moves into At-Risk wait (`stability.max_usage_lag_days`): in between it is known, and late."""
    complete_day_share: Share
    """A day is complete from this share of the users who are usual for its weekday; windows end at a complete day."""
    usual_weeks: OneOrMore
    """Usual is the mean of so many earlier days of the same weekday, the last ones that had usage."""
    active_account_share: Share
    """Users active in the window below per licensed seat, from which on an account is active."""
    active_account_window: Literal["last_28_days", "last_full_month"]
    """Both end at or before the last usage day, and neither starts anew on the 1st: `last_full_month` is the calendar
    month that ended last."""
    power_user_days: OneOrMore
    champions: OneOrMore
    single_champion_share: Share
    single_champion_seats: OneOrMore

    @property
    def look_back_days(self) -> int:
        """How many days, as_of included, hold all windows whatever the lag."""
        months = _TWO_MONTHS if self.active_account_window == "last_full_month" else _LONGEST_MONTH
        return max(2 * self.window_days, months, _WEEK * self.usual_weeks) + self.max_lag_days

    @model_validator(mode="after")
    def _inside_the_window(self) -> UsagePolicy:
        for name in ("week_days", "power_user_days"):
            if getattr(self, name) > self.window_days:
                raise ValueError(f"{name} must not be longer than window_days ({self.window_days})")
        return self


class LifecyclePolicy(Section):
    """Where an account stands in its life with us, by days since it first paid and days to its renewal."""

    onboarding_days: Days
    """Onboarding while tenure is shorter than this."""
    adopting_days: Days
    """Adopting from there while tenure is shorter than this."""
    renewing_days: Days
    """Renewing from so many days before the renewal."""
    churned_kept_days: Days
    """A churned account keeps its profile for so many days."""

    @model_validator(mode="after")
    def _in_order(self) -> LifecyclePolicy:
        if self.onboarding_days > self.adopting_days:
            raise ValueError(
                f"adopting_days ({self.adopting_days}) must not end before onboarding_days ({self.onboarding_days})"
            )
        return self
