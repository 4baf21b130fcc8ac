"""Closed quarters: what was reported stands, and a bridge says how today's recomputation differs, to the cent."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.cli.main import main
from segmentation_assets.reading.access import NotPublished
from segmentation_assets.reading.books import NotClosed, WrongQuarter, closings, last_day
from segmentation_assets.running.closing import AlreadyClosed, bridge, close

END = date(2026, 9, 30)
NEWEST = date(2026, 11, 27)
NOW = datetime(2026, 10, 5, 9, tzinfo=UTC)
KPIS = (
    "accounts", "arr", "start_accounts", "start_arr", "end_arr", "nrr", "grr", "logo_retention", "expansion_rate",
    "new_arr", "expansion_arr", "contraction_arr", "churned_arr", "reactivated_arr",
)  # fmt: skip


def publish(home: Path, arr: dict[str, float], made_from: str = "code.policy.data", nrr: float = 1.05) -> None:
    """The tables that a closing reads, for END; and that the home has been run up to NEWEST."""
    revenue = " UNION ALL ".join(f"SELECT '{a}' AS account_id, {v}::DOUBLE AS arr" for a, v in arr.items())
    figures = ", ".join(f"{nrr if kpi == 'nrr' else 1}::DOUBLE AS {kpi}" for kpi in KPIS)
    tables = {
        "account_revenue": revenue or "SELECT '' AS account_id, 0::DOUBLE AS arr",
        "company_kpis": f"SELECT 12 AS window_months, {figures}",
        "tier_kpis": f"SELECT 'Core' AS coverage_tier, 12 AS window_months, {figures}",
        "segment_kpis": f"SELECT 'Growth' AS segment, 12 AS window_months, {figures}",
    }
    with duckdb.connect() as connection:
        for table, sql in tables.items():
            _write(connection, home, table, END, sql, made_from)
        _write(connection, home, "company_kpis", NEWEST, tables["company_kpis"], made_from)


def _write(
    connection: duckdb.DuckDBPyConnection, home: Path, table: str, day: date, sql: str, made_from: str
) -> None:
    folder = home / "published" / table / f"as_of={day}"
    folder.mkdir(parents=True, exist_ok=True)
    facts = json.dumps({"fingerprints": {str(day): made_from}})
    connection.execute(
        f"COPY ({sql}) TO '{folder}/part-0.parquet' (FORMAT parquet, KV_METADATA {{segmentation: '{facts}'}})"
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    publish(tmp_path, {"a": 100.10, "b": 200.20, "gone": 0.0})
    return tmp_path


def test_quarters_end_on_their_last_day():
    assert [last_day(f"2024-Q{n}") for n in (1, 2, 3, 4)] == [
        date(2024, 3, 31), date(2024, 6, 30), date(2024, 9, 30), date(2024, 12, 31),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["2026-Q5", "2026Q3", "Q3", "2026-q3", "", "2026-Q3 "])
def test_what_is_no_quarter_is_refused(home: Path, text: str):
    with pytest.raises(WrongQuarter, match="is not a quarter such as 2026-Q3"):
        close(text, home)


def test_a_closed_quarter_keeps_what_was_published(home: Path):
    closed = close("2026-Q3", home, NOW)
    assert (closed.as_of, closed.arr, closed.arr_cents) == (END, 300.30, {"a": 10010, "b": 20020})
    assert {(row["table"], row["member"]) for row in closed.figures} == {
        ("company_kpis", "company"), ("tier_kpis", "Core"), ("segment_kpis", "Growth"),
    }  # fmt: skip
    assert closings(home) == [closed]


def test_closing_an_open_quarter_or_twice_is_refused_with_advice(home: Path):
    with pytest.raises(
        WrongQuarter, match=r"2026-Q4 is still open: it ends on 2026-12-31, and the newest day .* --as-of"
    ):
        close("2026-Q4", home)
    close("2026-Q3", home, NOW)
    before = (home / "closings" / "2026-Q3.json").read_bytes()
    with pytest.raises(AlreadyClosed, match=r"closed on 2026-10-05 09:00 UTC.*closed figures stand.*--bridge"):
        close("2026-Q3", home)
    assert (home / "closings" / "2026-Q3.json").read_bytes() == before
    assert [file.name for file in (home / "closings").iterdir()] == ["2026-Q3.json"]


def test_a_quarter_whose_last_day_was_never_run_is_refused(home: Path):
    with pytest.raises(NotPublished, match=r"the last day of 2026-Q2.*segmentation run --as-of 2026-06-30"):
        close("2026-Q2", home)
    assert closings(home) == []


def test_a_bridge_of_an_open_quarter_says_how_to_close_it(home: Path):
    with pytest.raises(
        NotClosed, match=r"2026-Q3 is not closed .closed: none.\. Close it with: segmentation close 2026-Q3"
    ):
        bridge("2026-Q3", home)


def test_without_a_change_reported_is_restated(home: Path):
    close("2026-Q3", home, NOW)
    frame = bridge("2026-Q3", home)
    assert (frame.reported_arr, frame.causes, frame.restated_arr, frame.figures) == (300.30, (), 300.30, ())


def test_late_and_restated_data_are_told_apart(home: Path):
    close("2026-Q3", home, NOW)
    publish(home, {"a": 90.05, "late": 50.0, "gone": 7.0}, "code.policy.other", nrr=1.02)
    frame = bridge("2026-Q3", home)
    # late and gone had no ARR when it was closed: 57.00; a has 10.05 less, b 200.20 less.
    assert [(one.cause, one.accounts, one.arr) for one in frame.causes] == [
        ("late data", 2, 57.0),
        ("restated data", 2, -210.25),
    ]
    assert frame.restated_arr == 147.05
    assert {(f.table, f.kpi, f.reported, f.restated) for f in frame.figures} == {
        (table, "nrr", 1.05, 1.02) for table in ("company_kpis", "tier_kpis", "segment_kpis")
    }
    assert closings(home)[0].arr == 300.30  # what was reported stands


@pytest.mark.parametrize(
    ("made_from", "cause"),
    [
        ("code.other.data", "policy"),
        ("other.policy.data", "code"),
        ("other.other.data", "policy and code"),
        ("code.other.other", "restated data and policy"),
    ],
)
def test_policy_and_code_are_named_and_never_guessed_apart_from_data(home: Path, made_from: str, cause: str):
    close("2026-Q3", home, NOW)
    publish(home, {"a": 100.10, "b": 210.20}, made_from)
    assert [(one.cause, one.arr) for one in bridge("2026-Q3", home).causes] == [(cause, 10.0)]


amounts = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**9).map(lambda n: n / 100), max_size=8)


@settings(max_examples=20, deadline=None)
@given(before=amounts, after=amounts)
def test_the_bridge_sums_to_the_cent(tmp_path_factory: pytest.TempPathFactory, before, after):
    home = tmp_path_factory.mktemp("bridge")
    publish(home, before)
    close("2026-Q3", home, NOW)
    publish(home, after, "code.policy.other")
    frame = bridge("2026-Q3", home)
    cents = [round(each * 100) for each in (frame.reported_arr, *(one.arr for one in frame.causes))]
    assert sum(cents) == round(frame.restated_arr * 100) == sum(round(v * 100) for v in after.values())


def test_a_damaged_closing_is_named(home: Path):
    close("2026-Q3", home, NOW)
    (home / "closings" / "2026-Q3.json").write_text("{}")
    result = CliRunner().invoke(main, ["--home", str(home), "close"])
    assert result.exit_code == 1
    assert "2026-Q3.json is no closing any more" in result.output


def test_the_command_closes_lists_and_compares(home: Path):
    def said(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["--home", str(home), "close", *arguments])
        return f"{result.exit_code} {result.output}"

    assert said() == "0 No quarter is closed.\n"
    assert said("2026-Q3").startswith("0 2026-Q3 is closed: ARR 300.30 of 2 accounts on 2026-09-30, 3 rows of KPIs")
    assert said("2026-Q3").startswith("1 failed: 2026-Q3 was closed on ")
    assert said("2026-Q4").startswith("2 ")
    assert "ARR 300.30" in said()
    publish(home, {"a": 100.10, "b": 250.20}, "code.policy.other")
    text = said("2026-Q3", "--bridge")
    assert "restated data" in text
    assert "+50.00" in text
    assert "350.30" in text
