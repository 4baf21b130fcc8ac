"""Reading what is published, without the chain."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

import segmentation_assets
from segmentation_assets.reading.access import (
    NotPublished,
    WrongFilter,
    fetched,
    find_table,
    last_day_covered,
    load,
    open_table,
    open_tables,
    query,
)


def publish(home: Path, table: str, sql: str, day: str | None = None, column: str = "as_of") -> None:
    folder = home / "published" / table
    folder = folder / f"{column}={day}" if day else folder
    folder.mkdir(parents=True, exist_ok=True)
    duckdb.execute(f"COPY ({sql}) TO '{folder}/part-0.parquet' (FORMAT parquet)")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    publish(tmp_path, "kpis", "SELECT 'h' AS policy_hash, 'b' AS tier, 1::BIGINT AS n, true AS ok", "2026-03-30")
    publish(
        tmp_path,
        "kpis",
        "SELECT * FROM (VALUES ('h', 'b', NULL::BIGINT, NULL::BOOLEAN, 0.1), ('h', 'a', 3, false, 0.2)) "
        "v(policy_hash, tier, n, ok, added_later)",
        "2026-03-31",
    )
    publish(tmp_path, "usage", "SELECT 'u' AS user_id", "2026-03-29", "usage_date")
    publish(
        tmp_path,
        "accounts",
        "SELECT DATE '0001-01-01' AS known_from, DATE '9999-12-31' AS known_to, 'a1' AS account_id, "
        "TIMESTAMP '2026-03-31 10:00:00' AS seen_at",
    )
    return tmp_path


def test_the_latest_day_is_the_default(home: Path):
    frame = load("kpis", home=home)
    assert list(frame.columns) == ["as_of", "tier", "n", "ok", "added_later", "policy_hash"]
    assert frame["tier"].tolist() == ["a", "b"]  # in a stable order
    assert frame["as_of"].unique() == [np.datetime64("2026-03-31")]


@pytest.mark.parametrize("as_of", ["2026-03-30", date(2026, 3, 30)])
def test_a_day_as_text_or_date(home: Path, as_of: str | date):
    assert load("kpis", as_of, home)["n"].tolist() == [1]


def test_all_days_with_columns_that_came_later(home: Path):
    frame = load("kpis", "all", home)
    assert frame["as_of"].dt.strftime("%d").tolist() == ["30", "31", "31"]
    assert frame["added_later"].isna().tolist() == [True, False, False]


def test_types_keep_what_is_unknown(home: Path):
    frame = load("kpis", home=home)
    assert frame["n"].dtype == pd.Int64Dtype()
    assert frame["ok"].dtype == pd.BooleanDtype()
    assert frame["n"].tolist() == [3, pd.NA]


def test_days_far_away_and_moments(home: Path):
    frame = load("accounts", home=home)
    assert list(frame.columns) == ["account_id", "seen_at", "known_from", "known_to"]
    assert str(frame["known_to"].iloc[0].date()) == "9999-12-31"
    assert frame["seen_at"].iloc[0] == pd.Timestamp("2026-03-31 10:00")


def test_the_package_offers_load(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGMENTATION_HOME", str(home))
    assert len(segmentation_assets.load("kpis")) == 2
    with pytest.raises(AttributeError):
        _ = segmentation_assets.lode


@pytest.mark.parametrize(
    ("table", "as_of", "reason"),
    [
        ("kpi", None, "did you mean kpis"),
        ("kpis", "2026-01-01", "has 2 days from 2026-03-30 to 2026-03-31"),
        ("kpis", "March", "is not a date"),
        ("accounts", "2026-03-31", "has no days"),
        ("../published/kpis", None, "no table"),
    ],
)
def test_what_is_not_there(home: Path, table: str, as_of: str | None, reason: str):
    with pytest.raises(NotPublished, match=reason):
        load(table, as_of, home)


def test_an_empty_home_says_what_to_do(tmp_path: Path):
    with pytest.raises(NotPublished, match="segmentation demo"):
        load("kpis", home=tmp_path / "nowhere")


def test_a_connection_reads_its_views_and_nothing_else(home: Path):
    with open_tables({"kpis": "2026-03-30", "accounts": None}, home) as connection:
        assert connection.execute("SELECT count(*) FROM kpis, accounts").fetchall() == [(1,)]
        other = home / "published" / "usage" / "usage_date=2026-03-29" / "part-0.parquet"
        for sql in (
            f"SELECT * FROM read_parquet('{other}')",
            f"COPY kpis TO '{home}/stolen.csv'",
            "SET enable_external_access = true",
            f"ATTACH '{home}/x.db'",
            "SELECT * FROM read_text('/etc/hostname')",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
    assert not (home / "stolen.csv").exists()


def test_a_condition_is_one_select(home: Path):
    with open_table("kpis", home=home) as connection:
        assert fetched(connection, query(connection, "kpis", "n > 2", columns=["tier"])) == (["tier"], [("a",)])
        for where in ("n >", "true; SELECT 1", "nothing = 1", "n > 1) ORDER BY 1 --"):
            with pytest.raises(WrongFilter):
                query(connection, "kpis", where)
        with pytest.raises(WrongFilter, match="has no column x"):
            query(connection, "kpis", columns=["x"])


def test_a_condition_that_fails_on_a_row(home: Path):
    with open_table("kpis", home=home) as connection, pytest.raises(WrongFilter, match="cannot be evaluated"):
        fetched(connection, query(connection, "kpis", "CAST(tier AS INTEGER) = 1"))


def test_a_limit_of_nothing(home: Path):
    with open_table("kpis", home=home) as connection:
        assert fetched(connection, query(connection, "kpis", limit=0))[1] == []


def test_names_that_need_quotes_stay_names(tmp_path: Path):
    publish(tmp_path, "odd", 'SELECT 1 AS "a ""quoted"" name", 2 AS "select"')
    assert load("odd", home=tmp_path)["select"].tolist() == [2]


def test_the_last_day_covered(home: Path, tmp_path_factory: pytest.TempPathFactory):
    empty = tmp_path_factory.mktemp("empty")
    assert last_day_covered(empty) is None
    publish(empty, "product_usage", "SELECT 1 AS x", "2026-03-28", "usage_date")
    publish(empty, "product_usage", "SELECT 1 AS x", "2026-03-27", "usage_date")
    assert last_day_covered(empty) == date(2026, 3, 28)


def test_the_last_drop_where_there_is_no_usage(tmp_path: Path):
    folder = tmp_path / "published" / "crm_accounts"
    folder.mkdir(parents=True)
    facts = '{"drops": {"2026-01-31": "x", "2026-02-28": "y", "": "z"}}'
    duckdb.execute(
        f"COPY (SELECT 1 AS x) TO '{folder}/part-0.parquet' (FORMAT parquet, KV_METADATA {{segmentation: '{facts}'}})"
    )
    assert last_day_covered(tmp_path) == date(2026, 2, 28)


def test_days_are_sorted(home: Path):
    assert find_table("kpis", home).days == [date(2026, 3, 30), date(2026, 3, 31)]
    assert find_table("accounts", home).days == []


def test_a_range_of_days_has_those_that_were_made(home: Path):
    assert set(load("kpis", "2026-03-31..2026-04-30", home)["as_of"].astype(str)) == {"2026-03-31"}


@pytest.mark.parametrize(
    ("as_of", "reason"),
    [
        ("2025-01-01..2025-02-01", "kpis has no day from 2025-01-01 to 2025-02-01; it has 2 days"),
        ("2026-03-31..2026-03-30", "the last day is before the first"),
        ("2026-03-31..soon", "'soon' is not a date"),
    ],
)
def test_ranges_that_are_none(home: Path, as_of, reason: str):
    with pytest.raises(NotPublished, match=reason):
        load("kpis", as_of, home)


def test_columns_and_a_condition(home: Path):
    frame = load("kpis", home=home, columns=["n", "tier"], where="tier = 'a'")
    assert list(frame.columns) == ["n", "tier"]
    assert frame["n"].tolist() == [3]
    with pytest.raises(WrongFilter, match="kpis has no column nope"):
        load("kpis", home=home, columns=["nope"])
    with pytest.raises(WrongFilter):
        load("kpis", home=home, where="tier = 'a'; DROP TABLE kpis")
