"""The explorer's page as people use it, against what `load` and `explain` say; text of the data stays text."""

from __future__ import annotations

import csv
import io
import shutil
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from segmentation_assets import load
from segmentation_assets.app import explorer
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.explanations.gathering import explain
from tests.conftest import RAN_DAYS
from tests.harness.waiting import HANGS_AFTER

PAGE = Path(explorer.__file__)
DAY, BEFORE = RAN_DAYS[-1], RAN_DAYS[0]
HOSTILE = '<script>alert(1)</script>**b** [x](javascript:alert(1)) :smile: =HYPERLINK("x")'


@pytest.fixture
def page(ran_home: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    return opened(ran_home, monkeypatch)


def opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("SEGMENTATION_HOME", str(home))
    return _sound(AppTest.from_file(str(PAGE), default_timeout=HANGS_AFTER).run())


def _sound(page: AppTest) -> AppTest:
    assert not page.exception, page.exception
    return page


def metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def tables(page: AppTest) -> list[pd.DataFrame]:
    return [element.value for element in page.dataframe]


def said(page: AppTest) -> str:
    return "".join(element.proto.body for element in page.get("html"))


def test_the_list_is_the_day_by_arr(page: AppTest, ran_home: Path):
    segments = load("segments", as_of=DAY, home=ran_home).sort_values(["arr", "account_id"], ascending=[False, True])
    assert page.selectbox(key="as_of").value == DAY
    assert metrics(page)["Accounts"] == str(len(segments))
    assert metrics(page)["Mean health"] == f"{segments['health_score'].mean():.0f}"
    [listed] = tables(page)
    assert listed["account"].tolist() == segments["account_id"].tolist()
    assert listed["ARR"].tolist() == segments["arr"].round(0).tolist()


def test_filters_and_the_figures_above(page: AppTest, ran_home: Path):
    segments = load("segments", as_of=DAY, home=ran_home)
    chosen = segments["segment"].value_counts().index[0]
    limit = segments["arr"].median()
    _sound(page.multiselect(key="segments").set_value([chosen]).run())
    _sound(page.number_input(key="min_arr").set_value(int(limit)).run())
    wanted = segments[(segments["segment"] == chosen) & (segments["arr"] >= int(limit))]
    assert 0 < len(wanted) < len(segments)
    [listed] = tables(page)
    assert set(listed["account"]) == set(wanted["account_id"])
    assert metrics(page)["Accounts"] == str(len(wanted))
    _sound(page.text_input(key="search").set_value("no such account").run())
    assert not tables(page)
    assert "No account fits all filters" in page.info[0].value


def test_an_account_is_explained_to_the_last_point(page: AppTest, ran_home: Path):
    account = load("segments", as_of=DAY, home=ran_home)["account_id"].min()
    words = explain(account, DAY, home=ran_home, policy=load_policy())
    _sound(page.selectbox(key="account").select(account).run())
    for sentence in (*words.segment_reasons, *words.tier_reasons):
        assert escape(sentence) in said(page)
    score = words.scores[-1]
    _sound(page.selectbox(key="score").select(score.name).run())
    [parts] = [table for table in tables(page) if "points" in table]
    assert parts["points"].sum() == pytest.approx(score.total, abs=1e-9)
    [totals] = [table for table in tables(page) if "total" in table]
    assert totals["total"].tolist() == [round(each.total, 2) for each in words.scores]


def test_another_day(page: AppTest, ran_home: Path):
    _sound(page.selectbox(key="as_of").set_value(BEFORE).run())
    assert metrics(page)["Accounts"] == str(len(load("segments", as_of=BEFORE, home=ran_home)))


def test_two_days(page: AppTest, ran_home: Path):
    _sound(page.radio(key="view").set_value(explorer.COMPARE).run())
    chosen = next(box for box in page.selectbox if box.label == "Before")
    assert chosen.value == RAN_DAYS[1], "the last day asked for"
    _sound(chosen.set_value(BEFORE).run())
    before, after = (load("segments", as_of=day, home=ran_home) for day in (BEFORE, DAY))
    mix = next(table for table in tables(page) if "segment" in table and "accounts before" in table)
    assert mix.set_index("segment").loc["all", "ARR after"] == round(after["arr"].sum())
    for name, rows in before.groupby("segment"):
        assert mix.set_index("segment").loc[name, "accounts before"] == len(rows)
    kpis = next(table for table in tables(page) if "kpi" in table)
    company = load("company_kpis", as_of=DAY, home=ran_home)
    company = company[company["window_months"] == company["window_months"].max()].iloc[0]
    row = kpis[(kpis["of"] == "company") & (kpis["kpi"] == "healthy_share")].iloc[0]
    assert row["after"] == company["healthy_share"]


@pytest.fixture
def hostile_home(ran_home: Path, tmp_path: Path) -> Path:
    """All accounts have a name that means harm."""
    home = tmp_path / "home"
    for table in ("segments", "segment_inputs", "account_profiles", "score_contributions"):
        shutil.copytree(ran_home / "published" / table / f"as_of={DAY}", home / "published" / table / f"as_of={DAY}")
    path = home / "published" / "segments" / f"as_of={DAY}" / "part-0.parquet"
    pd.read_parquet(path).assign(account_name=HOSTILE).to_parquet(path)
    return home


def test_text_of_the_data_is_text(hostile_home: Path, monkeypatch: pytest.MonkeyPatch):
    page = opened(hostile_home, monkeypatch)
    account = page.selectbox(key="account").options[0].partition(" · ")[0]
    _sound(page.selectbox(key="account").select(account).run())
    assert escape(HOSTILE) in said(page)
    marked_up: list[Any] = [*page.markdown, *page.caption, *page.title, *page.header, *page.subheader, *page.info]
    assert not [element for element in marked_up if "alert" in str(element.value)]
    assert "<script" not in said(page)
    assert not page.table, "cells of st.table are markdown"


def test_a_name_is_no_formula_in_the_download(hostile_home: Path):
    result = explorer.accounts_of(hostile_home, DAY).assign(account_name='=HYPERLINK("x")')
    rows = list(csv.DictReader(io.StringIO(explorer.csv_of(result).decode())))
    assert {row["account_name"] for row in rows} == {'\'=HYPERLINK("x")'}
    assert [float(row["arr"]) for row in rows] == result["arr"].tolist()


def test_one_day_cannot_be_compared(hostile_home: Path, monkeypatch: pytest.MonkeyPatch):
    page = opened(hostile_home, monkeypatch)
    _sound(page.radio(key="view").set_value(explorer.COMPARE).run())
    assert "Only one day is published" in page.info[0].value


def test_a_day_without_what_is_optional(hostile_home: Path, monkeypatch: pytest.MonkeyPatch):
    for table in ("account_profiles", "score_contributions"):
        shutil.rmtree(hostile_home / "published" / table)
    page = opened(hostile_home, monkeypatch)
    _sound(page.selectbox(key="account").select(page.selectbox(key="account").options[0].partition(" · ")[0]).run())
    assert any("No parts of scores" in caption.value for caption in page.caption)


def test_a_replaced_file_is_read_again(hostile_home: Path, monkeypatch: pytest.MonkeyPatch):
    page = opened(hostile_home, monkeypatch)
    path = hostile_home / "published" / "segments" / f"as_of={DAY}" / "part-0.parquet"
    pd.read_parquet(path).head(3).to_parquet(path)
    assert metrics(_sound(page.run()))["Accounts"] == "3"


def test_days_are_dates(ran_home: Path):
    assert explorer.default_before(ran_home, [date(2026, 3, 31), date(2026, 3, 30)]) == date(2026, 3, 31)
