"""An identity that does not hold fails a whole run: the real command, the real chain, one table that lies a little.

Here: that the run fails, says what does not add up and where, and leaves what stands published. Not here: which rows
each identity refuses (`test_retention`, `test_migration`).
"""

from __future__ import annotations

import hashlib
import inspect
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pytest
from click.testing import CliRunner, Result

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.cli.main import main
from tests.conftest import RAN_DAYS

pytestmark = pytest.mark.usefixtures("texts_of_its_own")
DAY = RAN_DAYS[1]
Lie = Callable[[ir.Table], ir.Table]


@pytest.fixture
def home(ran_home: Path, tmp_path: Path) -> Path:
    """A copy for each test: lies have one source, and a home keeps the queries that it made of one."""
    return Path(shutil.copytree(ran_home, tmp_path / "home"))


def lying(name: str, lie: Lie, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a function in the place of a table's that does the same, and then changes the rows."""
    spec = CATALOGUE[name]
    assert spec.function is not None
    honest = spec.function

    def function(**inputs: object) -> ir.Table:
        return lie(honest(**inputs))

    function.__signature__ = inspect.signature(honest)  # type: ignore[attr-defined]
    monkeypatch.setitem(CATALOGUE._tables, name, replace(spec, function=function))


def run(home: Path, *selection: str) -> Result:
    return CliRunner().invoke(
        main, ["--home", str(home), "run", "--as-of", str(DAY), "--select", " or ".join(selection)]
    )


def published(home: Path) -> dict[str, str]:
    """Every published file of the home, by a hash of its bytes."""
    files = sorted((home / "published").rglob("*.parquet"))
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def more(column: str, amount: float, **where: object) -> Lie:
    """`amount` more in a column of the rows with these values."""

    def lie(rows: ir.Table) -> ir.Table:
        is_row = ibis.and_(*(rows[name] == value for name, value in where.items()))
        return rows.mutate(**{column: ibis.ifelse(is_row, rows[column] + amount, rows[column])})

    return lie


def without(**where: object) -> Lie:
    """Rows with these values are forgotten."""
    return lambda rows: rows.filter(~ibis.and_(*(rows[name] == value for name, value in where.items())))


def first(column: str, amount: float) -> Lie:
    """`amount` more in a column of the row whose account id is the smallest, in the longest period."""

    def lie(rows: ir.Table) -> ir.Table:
        order = [rows.account_id, *([rows.window_months.desc()] if "window_months" in rows.columns else [])]
        is_first = ibis.row_number().over(ibis.window(group_by=rows.as_of, order_by=order)) == 0
        return rows.mutate(**{column: ibis.ifelse(is_first, rows[column] + amount, rows[column])})

    return lie


def failed(result: Result) -> dict[str, str]:
    """Reasons by table, as the command prints them."""
    lines = result.stderr.partition("\nfailed: ")[2].splitlines()
    return dict(line.split(": ", 1) for line in lines if "breaks its contract" in line)


def test_an_account_that_does_not_close_fails_the_run_and_all_that_reads_it(home: Path, monkeypatch):
    """A cent of one account's exchange rates too much; and more retained of another one than it ends at."""
    before = published(home)
    lying("revenue_movements", first("fx_mrr", 0.01), monkeypatch)
    lying("account_periods", first("retained_arr", 1e9), monkeypatch)
    result = run(home, "key:account_periods+", "revenue_movements")
    assert result.exit_code == 1
    reasons = failed(result)
    assert reasons["revenue_movements"].startswith(
        "revenue_movements breaks its contract, so nothing was published: bridge_closes: 1 of "
    )
    row = dict(pair.split(" ") for pair in reasons["revenue_movements"].partition("e.g. ")[2].split(", "))
    assert row["as_of"] == str(DAY)
    assert row["account_id"].startswith("A")
    terms = ("new_mrr", "reactivated_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr", "fx_mrr")
    signs = (1, 1, 1, -1, -1, 1)
    bridge = float(row["start_mrr"]) + sum(sign * float(row[name]) for sign, name in zip(signs, terms, strict=True))
    assert bridge - float(row["end_mrr"]) == pytest.approx(0.01, abs=1e-6)
    assert "gross_is_at_most_net: 1 of " in reasons["account_periods"]
    assert set(reasons) == {"revenue_movements", "account_periods"}
    skipped = result.stderr.partition("not run, as they read it: ")[2]
    assert {"tier_kpis", "company_kpis", "tier_migration", "report"} <= set(skipped.split("\n")[0].split(", "))
    assert published(home) == before


def test_a_tier_that_does_not_close_fails_the_run(home: Path, monkeypatch):
    """A cent too much churned in Core; an NRR that is not what its amounts say."""
    before = published(home)
    lying("tier_kpis", more("churned_arr", 0.01, coverage_tier="Core", window_months=3), monkeypatch)
    result = run(home, "key:tier_kpis+")
    assert result.exit_code == 1
    reason = failed(result)["tier_kpis"]
    assert "bridge_closes: 1 of 15 rows" in reason
    assert f"e.g. as_of {DAY}, coverage_tier Core, window_months 3, " in reason
    assert "not run, as they read it: company_kpis, tier_migration" in result.stderr
    assert published(home) == before


def test_a_company_or_a_matrix_that_does_not_add_up_fails_the_run(home: Path, monkeypatch):
    """The company's own bridge is a cent off, so it is not the sum of its tiers either; a row of the matrix has an
    account too many."""
    before = published(home)
    lying("company_kpis", more("fx_arr", 0.01, window_months=1), monkeypatch)
    lying("tier_migration", more("row_accounts", 1, from_tier="Core", to_tier="Growth"), monkeypatch)
    result = run(home, "company_kpis", "tier_migration")
    assert result.exit_code == 1
    reasons = failed(result)
    for identity in ("bridge_closes", "tiers_sum_to_company"):
        assert f"{identity}: 1 of 3 rows" in reasons["company_kpis"]
    assert f"e.g. as_of {DAY}, window_months 1, " in reasons["company_kpis"]
    assert "rows_add_up: 1 of 35 rows" in reasons["tier_migration"]
    assert f"e.g. as_of {DAY}, from_tier Core, to_tier Growth, " in reasons["tier_migration"]
    assert published(home) == before


def test_tiers_that_do_not_add_up_to_the_company_stop_it(home: Path, monkeypatch):
    """A tier is forgotten: each row of tier_kpis is right in itself, and company_kpis refuses their sum."""
    before = published(home)
    lying("tier_kpis", without(coverage_tier="Core"), monkeypatch)
    result = run(home, "tier_kpis", "company_kpis", "report")
    assert result.exit_code == 1
    reason = failed(result)["company_kpis"]
    assert "tiers_sum_to_company: 3 of 3 rows" in reason
    assert "tier_retention_is_company_retention: " in reason
    after = published(home)
    assert {name for name, content in after.items() if before[name] != content} == {
        f"published/tier_kpis/as_of={DAY}/part-0.parquet"
    }
