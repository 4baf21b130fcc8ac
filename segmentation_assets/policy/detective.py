"""What the detective counts as suspicious in an extract. Not here: the detective itself (`extracts.detective`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from segmentation_assets.policy.company import Share
from segmentation_assets.policy.section import Section

Count = Annotated[int, Field(ge=1)]
Words = tuple[Annotated[str, Field(min_length=1)], ...]


class DetectivePolicy(Section):
    """When valid data may mean something else. A suspicion is a warning; it changes no data."""

    inclusive_rows: Count
    """If at least this many renewals start one day after the end before them, ends may be last days ..."""
    inclusive_share: Share
    """... provided they are more than this share of the renewals that start on the end or one day after it."""
    gap_share: Share
    """With fewer of them than that, but at least this share, gaps of one day are reported."""
    open_rows_ids: Count
    """From this many subscription ids with several open rows on, the rows may be items of one subscription."""
    status_columns: Words
    """A source column whose name ends in one of these holds the state of a subscription."""
    trial_words: Words
    """States before the first payment."""
    ended_words: Words
    """States after the last payment. Only rows without an end are suspicious."""
    id_share: Share
    """From this share of an extract's rows on, ids that differ from an account's only in spelling are reported."""
    export_limits: tuple[Count, ...]
    """Row counts at which tools cut an export."""
    live_rows: Count
    """From this many subscriptions on, an export without a single end is suspicious ..."""
    live_days: Count
    """... if the starts are at least this many days apart."""
    state_share: Share
    """Dated drops that repeat at least this share of the rows of the drop before are whole states, not changes."""
    oldest_year: Annotated[int, Field(ge=1)]
    """Days before this year stand for no day."""
    farthest_years: Annotated[int, Field(ge=1)]
    """Days more than this many years after today stand for no day."""
    stale_days: Annotated[int, Field(ge=1)]
    """An extract whose newest row is more than this many days older than another's may be an old export."""
    sized_accounts: Count
    """Invoices tell the size of prices from this many accounts on."""
    size_factor: Annotated[float, Field(gt=1)]
    """Invoices are of another size if they are that size times or divided by this factor."""
    gap_days_share: Share
    """From this share of weekdays without any usage on, days may be lost."""
    night_share: Share
    """From this share of tickets opened at night on, times may be of another zone."""
    wrong_user_share: Share
    """From this share of the user ids in usage on, ids of another kind are reported."""
