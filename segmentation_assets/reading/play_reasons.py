"""Why a play is due, as a sentence with figures of the account.

Here: the words for each figure that the catalogue may name as a reason. Not here: the figures themselves
(`plays_due`), or which of them a play names (policy `plays.catalogue`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from segmentation_assets.reading.figures import counted, day, number, share, words

Row = Mapping[str, Any]
NO_FIGURE = "no figure is known"
OLDER = "made by an earlier release, before plays had figures: the next run adds them"


def reason_of(row: Row) -> str:
    """Why the play of a row of `plays_due` is due: the figures that the play names, of those that are known."""
    if "reasons" not in row:
        return OLDER
    texts = (_TEXTS[name](row) for name in row["reasons"].split(", "))
    return "; ".join(text for text in texts if text) or NO_FIGURE


def _renewal(row: Row) -> str | None:
    if row["renewal_on"] is None:
        return None
    return f"renews in {counted(row['days_to_renewal'], 'day')}, on {day(row['renewal_on'])}"


def _usage(row: Row) -> str | None:
    """The trend of users; of events where usage names no users."""
    is_of_users = row["users_trend"] is not None
    trend = row["users_trend"] if is_of_users else row["events_trend"]
    if trend is None:
        return None
    whose, size = "active users" if is_of_users else "events", share(abs(trend), 0)
    change = "unchanged" if size == share(0.0, 0) else f"{'down' if trend < 0 else 'up'} {size}"
    return f"{whose} {change} against the four weeks before"


def _health(row: Row) -> str | None:
    if row["weakest_health"] is None:
        return None
    return f"weakest is {row['weakest_dimension']} health {number(row['weakest_health'])}"


def _overdue(row: Row) -> str | None:
    return f"an invoice is {counted(row['overdue_days'], 'day')} overdue" if row["overdue_days"] else None


def _last_done(row: Row) -> str:
    return "none is recorded" if row["last_done_on"] is None else f"last one on {day(row['last_done_on'])}"


def _with(column: str, shown: Callable[[Any], str], text: str) -> Callable[[Row], str | None]:
    """`text` with the column's value in place of {}; None where that is not known."""

    def write(row: Row) -> str | None:
        return None if row[column] is None else text.format(shown(row[column]))

    return write


def _whole_share(value: float) -> str:
    return share(value, 0)


_TEXTS: Mapping[str, Callable[[Row], str | None]] = {
    "renewal": _renewal,
    "churn_risk": _with("churn_risk", _whole_share, "churn risk {}"),
    "usage": _usage,
    "seats": _with("mau_seat_share", _whole_share, "{} of the seats in use"),
    "health": _health,
    "overdue": _overdue,
    "risk_since": _with("segment_since", day, "in At-Risk since {}"),
    "leaving": _with("leaving_on", day, "leaves on {}"),
    "paused": _with("paused_on", day, "paused since {}"),
    "tenure": _with("tenure_days", number, "day {} since the first payment"),
    "signal": _with("micro_segment_reason", words, "{}"),
    "expansion": _with("expansion_score", number, "expansion score {}"),
    "last_done": _last_done,
}
