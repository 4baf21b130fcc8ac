"""Policy sections on usage windows and lifecycle. Not here: service and costs (`service`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from segmentation_assets.policy.company import Days, Share
from segmentation_assets.policy.section import Section

OneOrMore = Annotated[int, Field(ge=1)]
ACTIVE_DAYS = 28
"""The length of the window `last_28_days`."""
_WEEK = 7
_LONGEST_MONTH = 31
_TWO_MONTHS = 62  # the last full month and the current one; their days fit into the bits of one signed 64-bit number
_LONGEST_WINDOW = 31  # the days of two windows fit into the bits of one signed 64-bit number


class FeedPolicy(Section):
    """When the usage feed of one account is late: it stops after regular use, while the usage of others goes on."""

    silent_days: Days
    """A feed may be late once it has been silent for more days than this. After `max_lag_days` it counts as silence:
    nobody uses the product."""
    regular_days: OneOrMore
    """Use was regular if at least this many days of the four weeks before the silence had usage."""
    least_user_days: OneOrMore
    """Active users, summed over the days of the last week before the silence. Below this, silence can be chance."""


class UsagePolicy(Section):
    """Windows of usage, and when an account is active, a user is a power user, or an account hangs on one user."""

    window_days: Annotated[int, Field(ge=1, le=_LONGEST_WINDOW)]
    """The usage window. Trends compare it with the window of the same length before."""
    week_days: OneOrMore
    """The short window inside it, for weekly active users."""
    max_lag_days: Days
    """Usage that ended more than this many days before as_of is not known. Usage that ended earlier than
    `stability.max_usage_lag_days` before, but not as early as this, is known and late: moves into At-Risk wait."""
    complete_day_share: Share
    """A day is complete if it has at least this share of the users that are usual for its weekday. Windows end on a
    complete day."""
    usual_weeks: OneOrMore
    """The usual number of users is the mean of this many earlier days of the same weekday that had usage."""
    feed: FeedPolicy
    active_account_share: Share
    """An account is active if its active users are at least this share of its licensed seats, in the window below."""
    active_account_window: Literal["last_28_days", "last_full_month"]
    """Both windows are complete on every day. `last_full_month`: the last calendar month that has ended."""
    power_user_days: OneOrMore
    champions: OneOrMore
    single_champion_share: Share
    single_champion_seats: OneOrMore

    @property
    def look_back_days(self) -> int:
        """The number of days, including as_of, that contain all windows at any lag."""
        months = _TWO_MONTHS if self.active_account_window == "last_full_month" else _LONGEST_MONTH
        return max(2 * self.window_days, months, _WEEK * self.usual_weeks) + self.max_lag_days

    @model_validator(mode="after")
    def _inside_the_window(self) -> UsagePolicy:
        for name in ("week_days", "power_user_days"):
            if getattr(self, name) > self.window_days:
                raise ValueError(f"{name} must not be longer than window_days ({self.window_days})")
        return self


class LifecyclePolicy(Section):
    """The stages of an account's life, by days since its first payment and days to its renewal."""

    onboarding_days: Days
    """Onboarding: tenure of fewer days than this."""
    adopting_days: Days
    """Adopting: after onboarding, tenure of fewer days than this."""
    renewing_days: Days
    """Renewing: this many days or fewer before the renewal."""
    churned_kept_days: Days
    """A churned account keeps its profile for this many days."""

    @model_validator(mode="after")
    def _in_order(self) -> LifecyclePolicy:
        if self.onboarding_days > self.adopting_days:
            raise ValueError(
                f"adopting_days ({self.adopting_days}) must not end before onboarding_days ({self.onboarding_days})"
            )
        return self
