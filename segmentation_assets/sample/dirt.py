"""A few broken rows per extract, as real extracts have: always added to the good ones, never in place of them.

Belongs here: which way each extract gets dirty, and how much. Not here: finding or judging them.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from segmentation_assets.sample.tables import SCHEMAS
from segmentation_assets.sample.timeline import Ints

SHARE = 0.0015
FEWEST_ROWS = 200  # smaller extracts stay clean
ONE_ROW_BELOW = 1_000
UNKNOWN_ACCOUNT = "A-unknown"


@dataclass(frozen=True)
class Flaw:
    """Copy a row and set `column` to `value`; without a column, the copy itself is the flaw (a duplicate key)."""

    column: str | None = None
    value: object = None
    days_before: str | None = None  # instead of a value: this date column less ten days


_ORPHAN = Flaw("account_id", UNKNOWN_ACCOUNT)
_DUPLICATE = Flaw()
FLAWS: dict[str, tuple[Flaw, ...]] = {
    "crm_accounts": (Flaw("business_model", "b2x"), Flaw("employees", -5)),
    "billing_subscriptions": (
        Flaw("seats", -3),
        Flaw("currency", "XXX"),
        _ORPHAN,
        Flaw("end_date", days_before="start_date"),
        _DUPLICATE,
    ),
    "billing_invoices": (
        _DUPLICATE,
        Flaw("currency", "XXX"),
        _ORPHAN,
        Flaw("due_on", days_before="issued_on"),
    ),
    "product_users": (_ORPHAN, Flaw("deactivated_on", days_before="created_on"), _DUPLICATE),
    "support_tickets": (Flaw("priority", "asap"), Flaw("handling_hours", -1.0), _ORPHAN, _DUPLICATE),
    "self_service_sessions": (_DUPLICATE, Flaw("sessions", -1)),
    "marketing_engagement": (_DUPLICATE, Flaw("touches", -2)),
    "interactions": (Flaw("kind", "fax"), _ORPHAN, _DUPLICATE),
    "surveys": (Flaw("kind", "smiley"), _DUPLICATE),
    "technology_installs": (Flaw("relation", "frenemy"), _DUPLICATE),
    "external_signals": (Flaw("weight", -3.0), _DUPLICATE),
    "success_goals": (_DUPLICATE, Flaw("due_on", days_before="set_on")),
    "opportunities": (Flaw("stage", "maybe"), _DUPLICATE),
    "csm_time_entries": (Flaw("hours", -2.0), _DUPLICATE),
    "custom_development": (Flaw("hours", -1.0), _DUPLICATE),
}


def dirty_count(rows: int) -> int:
    """How many broken rows an extract of this size gets: about 0.15 %."""
    if rows < FEWEST_ROWS:
        return 0
    return 1 if rows < ONE_ROW_BELOW else int(SHARE * rows) + 1


def soiled(rng: np.random.Generator, name: str, data: pa.Table) -> tuple[pa.Table, int]:
    """The table with its broken rows after the good ones, and how many."""
    flaws = FLAWS.get(name, ())
    count = dirty_count(len(data)) if flaws else 0
    if count == 0:
        return data, 0
    picked = _pick(rng, name, data, count)
    parts = [data]
    for index, flaw in enumerate(flaws):
        rows = picked[index :: len(flaws)]
        if len(rows):
            parts.append(_flawed(name, data.take(pa.array(rows)), flaw, index))
    return pa.concat_tables(parts).combine_chunks(), count


def _pick(rng: np.random.Generator, name: str, data: pa.Table, count: int) -> Ints:
    """Rows to copy; of subscriptions only ended ones, so that nobody's present ARR hangs on a duplicate."""
    candidates = np.arange(len(data))
    if name == "billing_subscriptions":
        ended = ~data["end_date"].is_null().to_numpy(zero_copy_only=False)
        candidates = candidates[ended] if ended.sum() >= count else candidates
    return rng.choice(candidates, min(count, len(candidates)), replace=False)


def _flawed(name: str, rows: pa.Table, flaw: Flaw, index: int) -> pa.Table:
    if flaw.column is None:
        return rows
    if flaw.days_before is not None:
        values = [day - timedelta(days=10) for day in rows[flaw.days_before].to_pylist()]
    else:
        values = [flaw.value] * len(rows)
    rows = _set(rows, flaw.column, values)
    key = rows.column_names[0]
    if key.endswith("_id") and key != "account_id" and name in SCHEMAS:
        rows = _set(rows, key, [f"{value}-{index}" for value in rows[key].to_pylist()])
    if name == "crm_accounts":
        rows = _set(rows, key, [f"{value}-{index}" for value in rows[key].to_pylist()])
    return rows


def _set(rows: pa.Table, column: str, values: list[object]) -> pa.Table:
    position = rows.column_names.index(column)
    field = rows.schema.field(position)
    return rows.set_column(position, field, pa.array(values, field.type))
