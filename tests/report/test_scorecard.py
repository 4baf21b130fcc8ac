"""The scorecard on the page of tier KPIs: each KPI of the company and of segments, its n, and how it is judged."""

from __future__ import annotations

from pathlib import Path

from segmentation_assets.policy.kpis import SCORED_KPIS
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.reading.figures import NONE, in_currency
from segmentation_assets.report.evidence import open_evidence
from segmentation_assets.report.tiers import SCORED, scorecard, tiers_page
from tests.conftest import YEAR_DAY
from tests.report.worlds import evidence, segment


def score(kpi: str, value: float | None, **more: object) -> dict[str, object]:
    return {
        "window_months": 12, "grouping": "company", "member": "company", "kpi": kpi, "value": value,
        "target_low": None, "target_high": None, "status": "no_target", "benchmark_position": None,
        "is_low_n": False, **more,
    }  # fmt: skip


def test_every_scored_kpi_has_a_name():
    assert tuple(SCORED) == SCORED_KPIS


def test_the_scorecard_of_a_run_links_the_accounts_of_each_n(year_home: Path):
    policy: Policy = load_policy()
    with open_evidence(year_home, YEAR_DAY, policy) as inputs, in_currency("USD"):
        card = tiers_page(inputs).scorecard
        rows = {
            (r["member"], r["window_months"], r["kpi"]): r["value"] for r in inputs.of_day("kpi_scorecard")
        }  # fmt: skip
        starts = inputs.of_day("segment_kpis", where="window_months = 12")
        assert not inputs.faults
    assert card is not None
    titles = [title for title, _ in card.columns]
    assert titles[:3] == ["Company, 12 months", "Company, 3 months", "Company, 1 month"]
    by_name = {row.name: row for row in card.rows}
    at_the_start = by_name["n at the start"]
    for row in starts:
        if row["segment"] in titles:
            cell = at_the_start.cells[titles.index(row["segment"])]
            assert cell.accounts is not None
            assert cell.accounts.number == row["start_accounts"]
    growth = by_name["GRR"].cells[titles.index("Growth")]
    assert growth.text == f"{rows['Growth', 12, 'grr']:.1%}"
    assert by_name["Logo churn"].cells[titles.index("Growth")].text == NONE, "asked of the company alone"


def test_a_kpi_says_its_target_where_it_stands_and_whether_it_is_of_few():
    tables = {
        "segments": [segment()],
        "kpi_scorecard": [
            score("nrr", 1.08, benchmark_position="above"),
            score("grr", 0.91, target_low=0.9, status="met"),
            score("cac_payback_months", 17.77, target_high=12.0, status="missed"),
            score("renewal_grr", 0.5, is_low_n=True, status="too_few", target_low=0.9, benchmark_position="below"),
            score("quick_ratio", None),
        ],
    }
    card = scorecard(evidence(tables), 12)
    assert card is not None
    cells = {row.name: row.cells[0] for row in card.rows}
    assert (cells["NRR"].text, cells["NRR"].note) == ("108.0%", "above other companies")
    assert (cells["GRR"].target, cells["GRR"].status) == ("target 90.0% or more", "✓ met")
    assert (cells["CAC payback"].text, cells["CAC payback"].target) == ("18 months", "target 12 months or less")
    assert cells["CAC payback"].status == "✗ missed"
    assert (cells["GRR of renewals"].status, cells["GRR of renewals"].note) == ("", "few accounts: not judged")
    assert cells["Quick ratio"].text == NONE
