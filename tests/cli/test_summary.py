"""The screen after a run, of a real home. Not here: how a table is drawn (`test_formats`)."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from segmentation_assets import load
from segmentation_assets.cli.printing.summary import print_summary
from segmentation_assets.reading.figures import counted, in_currency, money
from tests.conftest import RAN_DAYS


def test_it_counts_what_changed_since_the_day_before(ran_home: Path):
    *_, before, day = RAN_DAYS
    console = Console(width=200, record=True, file=io.StringIO())
    print_summary(console, ran_home, day, "USD")
    words = console.export_text()
    both = load("segments", before, ran_home).merge(load("segments", day, ran_home), on="account_id")
    segments = int((both["segment_x"] != both["segment_y"]).sum())
    tiers = int((both["coverage_tier_x"] != both["coverage_tier_y"]).sum())
    assert f"Since {before}: {counted(segments, 'account')} changed segment, {tiers} changed tier" in words
    assert str(ran_home / "reports" / "latest.html") in words


def test_it_ends_the_tiers_with_the_company_and_its_place_among_others(ran_home: Path):
    day = RAN_DAYS[-1]
    console = Console(width=200, record=True, file=io.StringIO())
    print_summary(console, ran_home, day, "USD")
    words = console.export_text()
    company = load("company_kpis", day, ran_home).set_index("window_months").loc[12]
    row = next(line for line in words.splitlines() if line.strip().startswith("all ") and "%" in line)
    with in_currency("USD"):
        then = [str(company.start_accounts), "·", money(company.start_arr)]
    assert row.split()[:5] == ["all", *then, f"{company.nrr:.1%}"]
    position = company.nrr_position.replace("_", " ")
    assert f"NRR of all, {company.nrr:.1%}: {position} (the median of companies is 101% to 104%)" in words
