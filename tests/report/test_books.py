"""Closed quarters in the report: reported figures stand, and what differs now is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from segmentation_assets.reading.books import Closing
from segmentation_assets.report.books import closed_quarters
from segmentation_assets.report.evidence import Evidence
from tests.report.worlds import DAY, evidence

END = date(2025, 12, 31)
MONTHS = 12


def kpis(**values: Any) -> dict[str, Any]:
    return {"as_of": END, "window_months": MONTHS, "arr": 1_000_000.0, "nrr": 1.05, "grr": 0.9,
            "logo_retention": 0.8} | values  # fmt: skip


def closing(quarter: str = "2025-Q4", as_of: date = END) -> Closing:
    figures = ({"table": "tier_kpis", "window_months": MONTHS, "nrr": 2.0}, {"table": "company_kpis", **kpis()})
    return Closing(quarter, as_of, datetime(2026, 1, 5, tzinfo=UTC), {}, figures, {"a": 100_000_000})


def world(*closings: Closing, **tables: Any) -> Evidence:
    return replace(evidence(tables), closings=closings)


def test_figures_that_stand_as_reported_are_the_same():
    [quarter] = closed_quarters(world(closing(), company_kpis=[kpis()]), MONTHS)
    assert (quarter.quarter, quarter.closed_on, quarter.note) == ("2025-Q4", "5 Jan 2026", "the same")
    assert [(each.name, each.reported, each.now) for each in quarter.figures] == [
        ("ARR", "1.00M", ""), ("NRR", "105.0%", ""), ("GRR", "90.0%", ""), ("Logo retention", "80.0%", ""),
    ]  # fmt: skip


def test_a_figure_that_differs_now_stands_beside_the_reported_one():
    rows = [kpis(nrr=1.031), kpis(window_months=3, nrr=9.0), kpis(as_of=DAY, nrr=8.0)]
    [quarter] = closed_quarters(world(closing(), company_kpis=rows), MONTHS)
    assert [(each.reported, each.now) for each in quarter.figures if each.now] == [("105.0%", "103.1%")]
    assert quarter.note == "segmentation close 2025-Q4 --bridge"


def test_a_day_that_is_gone_is_not_known():
    [quarter] = closed_quarters(world(closing(), company_kpis=[kpis(as_of=DAY)]), MONTHS)
    assert quarter.note == "not known: 31 Dec 2025 is not published any more"
    assert [each.now for each in quarter.figures] == [""] * 4
    [quarter] = closed_quarters(world(closing()), MONTHS)
    assert quarter.note.startswith("not known")


def test_the_newest_stands_first_and_later_ones_do_not_yet():
    closed = [closing("2025-Q3", date(2025, 9, 30)), closing(), closing("2026-Q2", date(2026, 6, 30))]
    assert [each.quarter for each in closed_quarters(world(*closed), MONTHS)] == ["2025-Q4", "2025-Q3"]
