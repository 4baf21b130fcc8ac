"""Retention from a plain CSV of subscription periods, through the minimal mapping and the real landing.

The oracle is the definition itself, in plain Python over the text of the file: a closed cohort at two points in time.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts.sources import SourcesError, read_sources
from tests.extracts.home import Home
from tests.kpis.world import POLICY, kpis, one

T0, T1 = date(2024, 12, 31), date(2025, 12, 31)
PLAIN = {
    "crm_accounts": {"path": "plain.csv", "distinct": True, "columns": {"account_id": "customer"}},
    "billing_subscriptions": {
        "path": "plain.csv",
        "columns": {
            "account_id": "customer", "subscription_id": "contract", "start_date": "from", "end_date": "to",
            "mrr": "monthly", "currency": {"constant": "USD"},
        },
    },
}  # fmt: skip
"""What data/examples/minimal maps, for a file with a header of its own."""

Period = tuple[str, date, date | None, float]
"""Customer, first day, day after the last (none: goes on), monthly amount."""


def text(periods: list[Period]) -> str:
    rows = [f"{c},{n},{start},{end or ''},{monthly}" for n, (c, start, end, monthly) in enumerate(periods)]
    return "\n".join(["customer,contract,from,to,monthly", *rows]) + "\n"


def landed(home: Home, content: str, **billing: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows of both extracts, as they are published."""
    home.write("plain.csv", content)
    home.land(crm_accounts=PLAIN["crm_accounts"], billing_subscriptions={**PLAIN["billing_subscriptions"], **billing})
    return published(home)


def published(home: Home) -> dict[str, list[dict[str, Any]]]:
    with home.engine() as engine:
        return {name: engine.backend.to_pyarrow(engine.read(CATALOGUE[name])).to_pylist() for name in PLAIN}


def company(extracts: dict[str, list[dict[str, Any]]], day: date = T1) -> pd.DataFrame:
    return kpis(["company_kpis"], [day], POLICY, **extracts)["company_kpis"]


day = st.dates(date(2023, 1, 1), date(2026, 1, 31))
period = st.tuples(
    st.sampled_from([f"C{i}" for i in range(8)]),
    day,
    st.one_of(st.none(), st.integers(1, 700)),
    st.integers(0, 200_000).map(lambda cents: cents / 100),
).map(lambda p: (p[0], p[1], p[1] + timedelta(days=p[2]) if p[2] else None, p[3]))


@pytest.mark.slow(reason="many random files, each landed and computed")
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(period, min_size=1, max_size=25))
def test_retention_of_any_plain_csv_is_the_closed_cohort(periods: list[Period]):
    """Periods that overlap, touch, leave gaps, cost nothing, start after as_of: NRR, GRR and logos to 1e-9."""
    with TemporaryDirectory() as folder:
        row = one(company(landed(Home(Path(folder)), text(periods))), window_months=12)
    start, end = arr(periods, T0), arr(periods, T1)
    cohort = [c for c, a in start.items() if a > 0]
    if not cohort:
        assert pd.isna(row.nrr)
        assert row.reason in {"no_history", "no_accounts_at_start"}
        return
    base = sum(start[c] for c in cohort)
    assert row.nrr == pytest.approx(sum(end.get(c, 0.0) for c in cohort) / base, rel=1e-9, abs=1e-9)
    assert row.grr == pytest.approx(sum(min(start[c], end.get(c, 0.0)) for c in cohort) / base, rel=1e-9, abs=1e-9)
    assert row.logo_retention == pytest.approx(sum(end.get(c, 0.0) > 0 for c in cohort) / len(cohort), abs=1e-9)


def arr(periods: list[Period], day: date) -> dict[str, float]:
    """ARR by customer at the end of a day."""
    result: dict[str, float] = {}
    for customer, start, end, monthly in periods:
        if start <= day and (end is None or end > day):
            result[customer] = result.get(customer, 0.0) + 12 * monthly
    return result


ODD = """Kunde Nr.;Vertrag;gültig von;bis (exkl.);Betrag;Takt
K-1;1;2024-03-01;2025-06-01;12000;jährlich
K-1;1b;2025-06-01;;15600;jährlich
K-2;2;2024-05-15;2025-12-15;300;vierteljährlich
K-3;3;2024-01-01;2025-02-01;52;wöchentlich
K-3;3b;2025-08-01;;104;wöchentlich
K-4;4;2024-01-01;;90;monatlich
K-4;5;2024-06-01;2025-10-01;60;monatlich
K-4;6;2025-09-01;;45;monatlich
K-5;7;2025-04-01;;500;monatlich
K-6;8;2023-01-01;2024-06-01;70;monatlich
K-6;9;2025-11-01;;80;monatlich
"""
MONTHLY = (
    "CAST(Betrag AS DOUBLE) * CASE Takt WHEN 'jährlich' THEN 1.0 / 12 WHEN 'vierteljährlich' THEN 1.0 / 3 "
    "WHEN 'wöchentlich' THEN 52.0 / 12 ELSE 1 END"
)


def test_05_annual_quarterly_and_weekly_amounts_of_somebody_elses_file(tmp_path: Path):
    """At the two ends, a month: K-1 1000 -> 1300 (touching), K-2 300 / 3 -> 0, K-3 52 x 52 / 12 = 225.33 -> 450.67
    (after a gap), K-4 90 + 60 -> 90 + 45 (overlapping). K-5 is new, K-6 is back: in neither sum.
    1885.67 / 1475.33 net; (1000 + 225.33 + 135) / 1475.33 gross."""
    home = Home(tmp_path)
    home.write("Verträge 2025.csv", ODD)
    path = {"path": "Verträge 2025.csv"}
    home.land(
        crm_accounts={**path, "distinct": True, "columns": {"account_id": "Kunde Nr."}},
        billing_subscriptions={
            **path,
            "columns": {
                "account_id": "Kunde Nr.", "subscription_id": "Vertrag", "start_date": "gültig von",
                "end_date": "bis (exkl.)", "mrr": {"sql": MONTHLY}, "currency": {"constant": "USD"},
            },
        },
    )  # fmt: skip
    row = one(company(published(home)), window_months=12)
    week, start = 52 * 52 / 12, 1000 + 100 + 52 * 52 / 12 + 150
    assert row.nrr == pytest.approx((1300 + 2 * week + 135) / start, rel=1e-9)
    assert row.grr == pytest.approx((1000 + week + 135) / start, rel=1e-9)
    assert (row.logo_retention, row.expansion_rate, row.accounts) == (0.75, 0.5, 5)
    assert (row.contraction_arr, row.churned_arr, row.new_arr, row.reactivated_arr) == (180, 1200, 6000, 960)


CUT = """customer,contract,from,to,monthly
stays,1,2024-01-01,2025-12-31,100
left,2,2024-01-01,2025-09-30,50
grown,3,2024-01-01,2025-06-30,40
grown,4,2025-06-30,2025-12-31,60
"""
"""An extract that ends on 31 December 2025 and closes there what goes on: on that day 190 a month were in force."""


def test_10_ends_on_the_last_day_of_the_extract_are_censored_where_the_source_says_so(tmp_path: Path):
    """Taken as ends, all that was left churned: NRR 0. Censored, 100 and 60 of 190 a month are left: 160 / 190."""
    churned = one(company(landed(Home(tmp_path / "a"), CUT)), window_months=12)
    assert (churned.nrr, churned.churned_accounts) == (0, 3)
    for name, horizon in (("b", "censored"), ("c", "2025-12-31")):
        extracts = landed(Home(tmp_path / name), CUT, ends_at_horizon=horizon)
        row = one(company(extracts), window_months=12)
        assert row.nrr == pytest.approx(160 / 190, abs=1e-12)
        assert row.grr == pytest.approx(140 / 190, abs=1e-12)
        assert (row.churned_accounts, row.accounts) == (1, 2)  # `left` did leave; the end of contract 3 is one too
    elsewhere = landed(Home(tmp_path / "d"), CUT, ends_at_horizon="2025-09-30")
    assert one(company(elsewhere), window_months=12).churned_accounts == 2  # now only `left` is taken to go on


def test_10_each_drop_has_a_last_day_and_a_later_one_tells_the_end(tmp_path: Path):
    """The drop of 31 December closes both at its last day. That of 31 January says that a did end then, and goes on
    with b: in December both were live as far as was known, in January only b is."""
    home, head = Home(tmp_path), "subscription_id,account_id,start_date,end_date,mrr,currency\n"
    home.write("crm_accounts.csv", "account_id\na\nb\n")
    home.write("bills/2025-12-31.csv", head + "1,a,2024-01-01,2025-12-31,10,USD\n2,b,2024-01-01,2025-12-31,30,USD\n")
    home.write("bills/2026-01-31.csv", head + "1,a,2024-01-01,2025-12-31,10,USD\n2,b,2024-01-01,2026-01-31,30,USD\n")
    home.land(billing_subscriptions={"path": "bills/*.csv", "ends_at_horizon": "censored"})
    rows = home.rows("billing_subscriptions", "account_id", "end_date", "known_from", "known_to")
    assert rows == [
        ("a", "2025-12-31", "2026-01-31", "9999-12-31"),
        ("a", None, "0001-01-01", "2026-01-31"),
        ("b", None, "0001-01-01", "9999-12-31"),
    ]


@pytest.mark.parametrize(
    ("extract", "value", "problem"),
    [
        ("billing_subscriptions", "churned", "write censored, or the extract's last day such as 2025-12-31"),
        ("billing_subscriptions", "31.12.2025", "write censored, or the extract's last day such as 2025-12-31"),
        ("crm_accounts", "censored", "crm_accounts has no ends; only billing_subscriptions has"),
    ],
)
def test_a_horizon_that_says_nothing_is_refused_with_its_line(tmp_path: Path, extract: str, value: str, problem: str):
    lines = ["version: 1", "extracts:"]
    for name in PLAIN:
        lines += [
            f"  {name}:",
            "    path: plain.csv",
            *([f"    ends_at_horizon: {value}"] if name == extract else []),
        ]
    file = tmp_path / "sources.yaml"
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(SourcesError) as refused:
        read_sources(file)
    assert f"{file}:{1 + next(n for n, line in enumerate(lines) if 'horizon' in line)}: " in str(refused.value)
    assert problem in str(refused.value)
