"""What the detective counts as suspicious in an extract. Not here: what it does with it (`extracts.detective`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from segmentation_assets.policy.company import Share
from segmentation_assets.policy.section import Section

Count = Annotated[int, Field(ge=1)]
Words = tuple[Annotated[str, Field(min_length=1)], ...]


class DetectivePolicy(Section):
    """From where on valid data is suspected to mean something else. A suspicion is a warning; it changes nothing."""

    inclusive_rows: Count
    """Successors of an account that start one day after an end, at least so many: its ends may be last days."""
    inclusive_share: Share
    """... and at least this share of the successors that start on the end or one day after it."""
    gap_share: Share
    """From this share of successors on, gaps of one day are worth a word where they are no majority."""
    open_rows_ids: Count
    """Subscription ids with several open rows, at least so many."""
    status_columns: Words
    """Source columns whose name ends in one of these say in which state a subscription is."""
    trial_words: Words
    """States in which nothing is paid yet."""
    ended_words: Words
    """States in which nothing is paid any more. A row with an end is none of these: it is history."""
    id_share: Share
    """From this share of an extract's rows on, ids that differ by spelling alone are worth a word."""
    export_limits: tuple[Count, ...]
    """Row counts at which tools cut an export."""
    live_rows: Count
    """An export without a single end is suspected from so many subscriptions on ..."""
    live_days: Count
    """... whose starts lie so many days apart at least."""
    state_share: Share
    """Dated drops that keep at least this share of the rows of the drop before are whole states, not changes."""
    wrong_user_share: Share
    """From this share of the ids of users in usage on, ids of another kind are a suspicion."""
