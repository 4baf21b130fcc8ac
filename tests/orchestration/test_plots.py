"""Plots in a step's metadata: the image, the sentence in its place, and that none of it costs any data."""

from __future__ import annotations

import base64
from datetime import date
from typing import Any

import altair as alt
import dagster as dg
import pandas as pd
import pytest

from segmentation_assets import load
from segmentation_assets.orchestration import plots
from segmentation_assets.orchestration.instance import open_instance
from segmentation_assets.orchestration.plots import PLOT, Plot
from segmentation_assets.report.plots import NothingToDraw
from segmentation_assets.settings import Settings
from tests.orchestration.conftest import MakeRunner

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
    with open_instance(settings) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("totals"))
    assert event is not None
    assert event.asset_materialization is not None
    return str(event.asset_materialization.metadata[PLOT].value), warnings


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
