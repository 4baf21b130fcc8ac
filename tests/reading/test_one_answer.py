"""How many people? Every place that answers gives the number of `capacity_plan`."""

from __future__ import annotations

import io
import json
import re
from datetime import date
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
from rich.console import Console

from segmentation_assets import load
from segmentation_assets.app import comparison
from segmentation_assets.cli.printing.summary import print_summary
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.reading.figures import in_currency
from segmentation_assets.reading.plans import in_hundredths
from segmentation_assets.report.capacity import capacity_page
from segmentation_assets.report.decisions import staff
from segmentation_assets.report.evidence import open_evidence
from tests.cli.calling import call
from tests.conftest import RAN_DAYS, YEAR_DAY

NEEDED = re.compile(r"([\d.]+) (?:people|person) needed, ([\d.]+) available(?:: ([\d.]+) (too few|to spare))?")
HIRED = re.compile(r"[Hh]ire ([\d.]+) (?:people|person)")


@pytest.fixture(params=[("ran_home", RAN_DAYS[-1]), ("year_home", YEAR_DAY)], ids=["ran_home", "year_home"])
def home_and_day(request: pytest.FixtureRequest) -> tuple[Path, date]:
    name, day = request.param
    return request.getfixturevalue(name), day


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy()


def test_every_published_answer_is_one_number(home_and_day: tuple[Path, date], policy: Policy):
    home, day = home_and_day
    plan = load("capacity_plan", day, home)
    needed, available = plan["required_fte"].sum(), plan["available_fte"].sum()
    lacking = needed - available
    to_hire = lacking if lacking >= policy.staffing.least_gap_fte else 0.0
    # The table itself, and the tables that quote it
    assert plan["hired_fte"].sum() == pytest.approx(to_hire, abs=1e-8)
    for table in ("csm_assignment_runs", "goal_gap"):
        (row,) = load(table, day, home).to_dict("records")
        assert (row["required_fte"], row["available_fte"]) == pytest.approx((needed, available)), table
        assert row["short_fte"] == pytest.approx(max(lacking, 0.0), abs=1e-8), table
    # Every sentence: the terminal after a run, the capacity page, the decision
    sentences = [*_summary(home, day), *_report(home, day, policy)]
    answers = [match.groups() for text in sentences for match in NEEDED.finditer(text)]
    side = "too few" if lacking > 0 else "to spare"
    assert len(answers) >= 3
    missing = f"{abs(round(needed, 2) - round(available, 2)):.2f}"  # who subtracts what is said gets what is said
    assert set(answers) == {(f"{needed:.2f}", f"{available:.2f}", missing, side)}
    hired = {match[1] for text in sentences for match in HIRED.finditer(text)}
    assert hired <= {missing if to_hire else "0.00"}, "the people to hire are the people who are too few"
    # What people export and look at
    shown = json.loads(call("show", "capacity_plan", "--as-of", day, "--format", "json", home=home).stdout)
    assert sum(row["required_fte"] for row in shown) == pytest.approx(needed)
    assert not [name for name in vars(comparison) if "fte" in name.lower()], "the explorer gives no answer of its own"


def _summary(home: Path, day: date) -> list[str]:
    console = Console(width=250, record=True, file=io.StringIO())
    print_summary(console, home, day, "USD")
    return console.export_text().splitlines()


def _report(home: Path, day: date, policy: Policy) -> list[str]:
    with open_evidence(home, day, policy) as evidence, in_currency("USD"):
        page, decision = capacity_page(evidence), staff(evidence)
    lines = [page.people, *page.rebalancing, *page.assignment, *page.goal]
    return lines + ([decision.title, *decision.arithmetic] if decision else [])


def test_parts_too_small_to_move_are_named_beside_the_people_to_hire(home_and_day: tuple[Path, date], policy: Policy):
    """People hired, and what stays in each tier, add up to what the sentence on the company says."""
    home, day = home_and_day
    rows = cast("list[dict[str, Any]]", load("capacity_plan", day, home).to_dict("records"))
    plan = pd.DataFrame(in_hundredths(rows))
    stays = plan["gap_fte"] + plan["rebalanced_in_fte"] - plan["rebalanced_out_fte"] + plan["hired_fte"]
    lacking = plan["required_fte"].sum() - plan["available_fte"].sum()
    if plan["hired_fte"].sum() > 0:
        assert stays.sum() == pytest.approx(0.0, abs=1e-8), "what some tiers lack, others have to spare"
    else:
        assert stays.sum() == pytest.approx(-lacking, abs=1e-8)
    with open_evidence(home, day, policy) as evidence, in_currency("USD"):
        actions = {tier.tier: tier.advice for tier in capacity_page(evidence).tiers}
    for tier, part in zip(plan["coverage_tier"], stays, strict=True):
        if round(part, 2) < 0:
            assert f"{abs(part):.2f} too few, too small a part" in actions[tier]
