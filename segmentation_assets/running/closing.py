"""Books that close: a quarter's reported figures are locked, and a bridge says how today's recomputation differs.

Here: closing a quarter, and the bridge. Not here: reading closings (`reading.books`), any KPI (`kpis`), or how a
bridge is printed (`cli`).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from segmentation_assets.reading.access import NotPublished, find_table, open_tables
from segmentation_assets.reading.books import (
    Closing,
    WrongQuarter,
    closing_file,
    closing_of,
    last_day,
    read_closing,
)
from segmentation_assets.reasons import Refusal
from segmentation_assets.warehouse.store import footer

_FIGURES = {"company_kpis": None, "tier_kpis": "coverage_tier", "segment_kpis": "segment"}
"""The tables whose figures are locked, and the column that names the member."""
_KPIS = (
    "accounts", "arr", "start_accounts", "start_arr", "end_arr", "nrr", "grr", "logo_retention", "expansion_rate",
    "new_arr", "expansion_arr", "contraction_arr", "churned_arr", "reactivated_arr",
)  # fmt: skip
_PARTS = ("code", "policy", "data")


class AlreadyClosed(Refusal):
    """The quarter was closed before; its figures stand."""


@dataclass(frozen=True)
class Cause:
    """One line of the bridge from reported to restated ARR."""

    cause: str
    accounts: int
    arr: float


@dataclass(frozen=True)
class Restated:
    """A figure as reported and as recomputed."""

    table: str
    member: str
    window_months: int
    kpi: str
    reported: float | None
    restated: float | None


@dataclass(frozen=True)
class Bridge:
    """Reported + the causes = restated, to the cent; and every other locked figure that differs."""

    closing: Closing
    reported_arr: float
    causes: tuple[Cause, ...]
    restated_arr: float
    figures: tuple[Restated, ...]


def close(quarter: str, home: Path, now: datetime | None = None) -> Closing:
    """Lock the figures published for the quarter's last day.

    Raises WrongQuarter for a text that is no quarter and for a quarter that is still open, NotPublished where the
    figures have not been made, AlreadyClosed.
    """
    day = last_day(quarter)
    days = find_table("company_kpis", home).days
    newest = days[-1]
    if day > newest:
        raise WrongQuarter(
            f"{quarter} is still open: it ends on {day}, and the newest day of this home is {newest}. Close it after "
            f"segmentation run --as-of {day}"
        )
    if day not in days:
        raise NotPublished(
            f"company_kpis has not been made for {day}, the last day of {quarter}. Make it first: "
            f"segmentation run --as-of {day}"
        )
    target = closing_file(quarter, home)
    if target.exists():
        raise _closed_before(read_closing(target))
    closing = Closing(
        quarter,
        day,
        now or datetime.now(UTC),
        _made_from(home, day),
        tuple(_figures(home, day)),
        _arr_cents(home, day),
    )
    _write_once(closing, target)
    return closing


def bridge(quarter: str, home: Path) -> Bridge:
    """From the reported figures of a closed quarter to those published now, by cause.

    An account with ARR now and none when the quarter was closed came with late data. Every other difference is
    restated data. Where the data are the same, code or policy made the difference; where data and one of these
    changed, the cause names both, because one run cannot tell them apart. Raises WrongQuarter and NotClosed, and
    NotPublished where the figures of the day are gone.
    """
    closing = closing_of(quarter, home)
    now = _arr_cents(home, closing.as_of)
    changed = [part for part in _PARTS if _made_from(home, closing.as_of)[part] != closing.made_from[part]]
    sums: dict[str, list[int]] = defaultdict(list)
    for account in sorted({*now, *closing.arr_cents}):
        difference = now.get(account, 0) - closing.arr_cents.get(account, 0)
        if difference:
            sums[_cause(changed, is_late=account not in closing.arr_cents)].append(difference)
    causes = tuple(Cause(name, len(each), sum(each) / 100) for name, each in sorted(sums.items()))
    restated = tuple(_restated(closing.figures, _figures(home, closing.as_of)))
    return Bridge(closing, closing.arr, causes, sum(now.values()) / 100, restated)


def _cause(changed: Iterable[str], *, is_late: bool) -> str:
    data = "late data" if is_late else "restated data"
    names = [data if part == "data" else part for part in changed]
    return " and ".join(sorted(names, reverse=True)) or data


def _made_from(home: Path, day: date) -> dict[str, str]:
    """The fingerprint of the day's ARR, in its parts."""
    facts = footer(find_table("account_revenue", home).of(day)[0])
    return dict(zip(_PARTS, facts["fingerprints"][str(day)].split("."), strict=True))


def _arr_cents(home: Path, day: date) -> dict[str, int]:
    with open_tables({"account_revenue": day}, home) as connection:
        rows = connection.execute(
            "SELECT account_id, round(arr * 100)::BIGINT FROM account_revenue WHERE as_of = ? AND arr > 0 "
            "ORDER BY account_id",
            [day],
        ).fetchall()
    return dict(rows)


def _figures(home: Path, day: date) -> list[dict[str, Any]]:
    figures = []
    with open_tables(dict.fromkeys(_FIGURES, day), home) as connection:
        for table, column in _FIGURES.items():
            member = f'"{column}"' if column else "'company'"
            sql = f"SELECT {member}, window_months, {', '.join(_KPIS)} FROM {table} WHERE as_of = ? ORDER BY 1, 2"
            for name, months, *values in connection.execute(sql, [day]).fetchall():
                figures.append(
                    {"table": table, "member": name, "window_months": months, **dict(zip(_KPIS, values, strict=True))}
                )
    return figures


def _restated(before: Iterable[Mapping[str, Any]], now: Iterable[Mapping[str, Any]]) -> list[Restated]:
    def by_key(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, int], Mapping[str, Any]]:
        return {(row["table"], row["member"], row["window_months"]): row for row in rows}

    old, new = by_key(before), by_key(now)
    return [
        Restated(*key, kpi, was, is_now)
        for key in sorted({*old, *new})
        for kpi in _KPIS
        if (was := old.get(key, {}).get(kpi)) != (is_now := new.get(key, {}).get(kpi))
    ]


def _write_once(closing: Closing, target: Path) -> None:
    """Write the file whole or not at all, and never over another. Raises AlreadyClosed."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = vars(closing) | {"as_of": str(closing.as_of), "closed_at": closing.closed_at.isoformat()}
    with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=".", delete=False, encoding="utf-8") as opened:
        json.dump(facts, opened, indent=1)
        opened.flush()
        os.fsync(opened.fileno())
    written = Path(opened.name)
    try:
        os.link(written, target)  # fails where the file exists, so two at once cannot both close
    except FileExistsError:
        raise _closed_before(read_closing(target)) from None
    finally:
        written.unlink()


def _closed_before(closing: Closing) -> AlreadyClosed:
    return AlreadyClosed(
        f"{closing.quarter} was closed on {closing.closed_at:%Y-%m-%d %H:%M %Z}, and closed figures stand. To see "
        f"how today's figures differ: segmentation close {closing.quarter} --bridge"
    )
