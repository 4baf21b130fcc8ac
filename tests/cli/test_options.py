"""Options that commands share."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from segmentation_assets.cli.options import DAY, policy_option
from segmentation_assets.settings import find_settings


def test_words_for_days():
    with pytest.raises(click.BadParameter):
        DAY.convert("tomorrow", None, None)


def test_today_is_the_companys_wherever_the_machine_is(tmp_path: Path):
    """Fourteen hours before UTC and eleven behind: whatever the machine's clock says, these are different days."""

    @click.command()
    @click.option("--as-of", type=DAY, default="today")
    @policy_option
    def probe(as_of: date, policy: Path) -> None:
        click.echo(f"{as_of} {DAY.convert('yesterday', None, click.get_current_context())}")

    def words(*arguments: str) -> list[date]:
        result = CliRunner().invoke(probe, arguments, obj=tmp_path / "home")
        assert result.exit_code == 0, result.output
        return [date.fromisoformat(day) for day in result.output.split()]

    zones = {"east": "Pacific/Kiritimati", "west": "Pacific/Pago_Pago"}
    for name, zone in zones.items():
        (tmp_path / f"{name}.yaml").write_text(f"company: {{timezone: {zone}}}\n")
    east = words("--as-of", "today", "--policy", f"{tmp_path}/east.yaml")  # the option after the word that needs it
    west = words("--policy", f"{tmp_path}/west.yaml")
    assert east[0] - east[1] == west[0] - west[1] == timedelta(days=1)
    assert east[0] - west[0] in (timedelta(days=1), timedelta(days=2))
    find_settings(tmp_path / "home", policy=tmp_path / "east.yaml").remember()
    assert words() == east  # what the home used last
