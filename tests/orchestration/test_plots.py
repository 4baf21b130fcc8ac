"""Plots in a step's metadata: the image, the sentence in its place, and that none of it costs any data."""

from __future__ import annotations

import base64
from datetime import date
from typing import Any

import altair as alt
import dagster as dg
import ibis
import pandas as pd
import pytest

from segmentation_assets import load
from segmentation_assets.orchestration import plots
from segmentation_assets.orchestration.plots import PLOT, Plot
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.report.plots import NothingToDraw
from segmentation_assets.running.instance import open_instance
from segmentation_assets.settings import Settings
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.registry import Table
from tests.orchestration import fakes
from tests.orchestration.conftest import MakeRunner
from tests.orchestration.fakes import Seeds

DAYS = [date(2026, 3, 30), date(2026, 3, 31)]


def _run(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, runner: MakeRunner, plot: Plot
) -> tuple[str, list[str]]:
    """What stands in the page's plot of `totals`, and the warnings of the run."""
    monkeypatch.setattr(plots, "PLOTS", {"totals": plot})
    warnings: list[str] = []
    outcome = runner().run(["seeds", "seasons", "ranks", "totals"], DAYS, note=warnings.append)
    assert outcome.succeeded
    assert len(load("totals", as_of="all", home=settings.home)) == len(DAYS)
    return _shown(settings), warnings


def _shown(settings: Settings) -> str:
    with open_instance(settings) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("totals"))
    assert event is not None
    assert event.asset_materialization is not None
    return str(event.asset_materialization.metadata[PLOT].value)


def test_the_image_is_of_the_last_day(monkeypatch: pytest.MonkeyPatch, settings: Settings, runner: MakeRunner):
    seen: list[pd.DataFrame] = []

    def draw(rows: pd.DataFrame) -> Any:
        seen.append(rows)
        return alt.Chart(pd.DataFrame({"x": [1]})).mark_point().encode(x="x:Q")

    text, warnings = _run(monkeypatch, settings, runner, Plot(draw))
    assert seen[0]["as_of"].dt.date.tolist() == DAYS[-1:]
    head, _, body = text.removesuffix(")").partition("base64,")
    assert head == f"![totals on {DAYS[-1]}](data:image/svg+xml;"
    assert base64.b64decode(body).startswith(b"<svg")
    assert not warnings


def test_a_series_sees_the_days_before(monkeypatch: pytest.MonkeyPatch, settings: Settings, runner: MakeRunner):
    def draw(rows: pd.DataFrame) -> Any:
        raise NothingToDraw(f"{sorted(rows['as_of'].dt.date.map(str))}.")

    text, _ = _run(monkeypatch, settings, runner, Plot(draw, days=9))
    assert text == "['2026-03-30', '2026-03-31']."


def test_a_plot_that_fails_is_a_warning(monkeypatch: pytest.MonkeyPatch, settings: Settings, runner: MakeRunner):
    def draw(rows: pd.DataFrame) -> Any:
        raise KeyError("no such column")

    text, warnings = _run(monkeypatch, settings, runner, Plot(draw))
    assert "could not be drawn" in text
    assert [w for w in warnings if "plot" in w] == [
        "totals: published, but its plot could not be drawn: KeyError: 'no such column'"
    ]


def test_a_run_that_made_nothing_shows_the_last_plot_without_drawing_it(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, runner: MakeRunner
):
    drawn: list[int] = []

    def draw(rows: pd.DataFrame) -> Any:
        drawn.append(int(rows["seats"].sum()))
        return alt.Chart(rows[["seats"]]).mark_point().encode(x="seats:Q")

    first, _ = _run(monkeypatch, settings, runner, Plot(draw))
    again, _ = _run(monkeypatch, settings, runner, Plot(draw))
    assert first == again
    assert len(drawn) == 1
    settings.home.joinpath("compiled").rename(settings.home / "gone")  # a memory: without it, it is drawn anew
    lost, _ = _run(monkeypatch, settings, runner, Plot(draw))
    assert lost == first
    assert drawn == drawn[:1] * 2


def test_a_plot_is_drawn_anew_where_its_rows_or_its_code_changed(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, runner: MakeRunner
):
    def draw(rows: pd.DataFrame) -> Any:
        raise NothingToDraw(f"{int(rows['seats'].sum())} seats.")

    def draw_otherwise(rows: pd.DataFrame) -> Any:
        raise NothingToDraw(f"Seats: {int(rows['seats'].sum())}.")

    before, _ = _run(monkeypatch, settings, runner, Plot(draw))
    otherwise, _ = _run(monkeypatch, settings, runner, Plot(draw_otherwise))
    assert otherwise == f"Seats: {before.split()[0]}."

    def seeds(spine: Table[Spine], company: CompanyPolicy) -> Table[Seeds]:
        return fakes.seeds(spine, company).mutate(seats=ibis._.seats + 1)

    assert runner(seeds=seeds).run(["seeds", "seasons", "ranks", "totals"], DAYS).succeeded
    after = _shown(settings)
    assert int(after.split()[1].rstrip(".")) > int(before.split()[0])


def test_a_plot_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch, settings: Settings, runner: MakeRunner):
    fails = [True]

    def draw(rows: pd.DataFrame) -> Any:
        if fails.pop() if fails else False:
            raise KeyError("not yet")
        raise NothingToDraw("Nothing.")

    assert "could not be drawn" in _run(monkeypatch, settings, runner, Plot(draw))[0]
    assert _run(monkeypatch, settings, runner, Plot(draw)) == ("Nothing.", [])
