"""Where reports are kept, how they are packed, and what makes a new one needed."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from segmentation_assets.cli.main import main
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.reading.access import NotPublished
from segmentation_assets.reading.explanations.gathering import explain
from segmentation_assets.report.accounts import history_days
from segmentation_assets.report.document import chunks, packed
from segmentation_assets.report.evidence import open_evidence
from segmentation_assets.report.executive import executive_page
from segmentation_assets.report.publishing import current_report, fingerprint, publish_report, reports_folder
from tests.conftest import RAN_DAYS
from tests.report.worlds import DAY, evidence, segment


@pytest.fixture(scope="module")
def home(ran_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copied = tmp_path_factory.mktemp("reports") / "home"
    shutil.copytree(ran_home, copied)
    return copied


@pytest.fixture
def policy() -> Policy:
    return load_policy()


def test_the_run_of_the_chain_wrote_a_report(ran_home: Path):
    table = [path.name for path in reports_folder(ran_home).glob("*.html")]
    assert "latest.html" in table
    assert any(name.startswith(f"{RAN_DAYS[-1]}-") for name in table)
    assert f"as of {RAN_DAYS[-1].day} {RAN_DAYS[-1]:%b %Y}" in (reports_folder(ran_home) / "latest.html").read_text()


def test_latest_is_of_the_newest_day_and_old_ones_go(home: Path, policy: Policy):
    few = policy.model_copy(update={"report": policy.report.model_copy(update={"kept": 3})})
    latest = reports_folder(home) / "latest.html"
    for at, path in enumerate(sorted(reports_folder(home).glob("2*.html"))):
        os.utime(path, (at, at))  # the runs of before are older
    first, second = (publish_report(home, few, RAN_DAYS[-1], run=run) for run in ("first", "second"))
    assert latest.read_bytes() == second.file.read_bytes() != first.file.read_bytes()
    older = publish_report(home, few, RAN_DAYS[0], run="older")
    assert {path.name for path in reports_folder(home).iterdir()} == {
        "latest.html", f"{RAN_DAYS[0]}-older.html", f"{RAN_DAYS[-1]}-first.html", f"{RAN_DAYS[-1]}-second.html",
    }  # fmt: skip
    assert latest.read_bytes() == second.file.read_bytes()
    assert (second.missing, older.missing) == ((), ())


def test_a_report_is_current_until_what_it_is_made_from_changes(home: Path, policy: Policy):
    table = publish_report(home, policy, None)
    assert current_report(home, policy, None) == table.file
    assert current_report(home, policy, RAN_DAYS[1]) is None  # of another day
    changed = home / "published" / "segments" / f"as_of={RAN_DAYS[-1]}" / "part-0.parquet"
    os.utime(changed, ns=(1, 1))
    assert current_report(home, policy, None) is None
    other = policy.model_copy(update={"report": policy.report.model_copy(update={"kept": 9})})
    assert fingerprint(home, other, None) != fingerprint(home, policy, None)


def test_the_command_writes_where_it_is_told(home: Path, tmp_path: Path):
    target = tmp_path / "made" / "report.html"
    result = CliRunner().invoke(
        main, ["--home", str(home), "report", "--as-of", str(RAN_DAYS[0]), "--output", str(target)]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(target)
    text = target.read_text()
    assert "connect-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/", "")
    assert list(target.parent.iterdir()) == [target]  # nothing unfinished beside it


def test_wrong_use_has_a_reason(home: Path, tmp_path: Path):
    for arguments, reason in (
        (["--home", str(home), "report", "--as-of", "2026-01-15"], "segments has not been made for 2026-01-15"),
        (["--home", str(tmp_path), "report"], "nothing is published"),
        (["--home", str(home), "report", "--output", str(home / "published")], "is a directory"),
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code in (1, 2)
        assert reason in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "reports").exists()


def test_what_is_packed_cannot_end_its_element():
    value = {"name": "</script><!-- \u2028", "n": [1.5, None, date(2026, 1, 1)]}
    text = packed(value)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    assert json.loads(gzip.decompress(base64.b64decode(text))) == {**value, "n": [1.5, None, "2026-01-01"]}
    assert packed(value) == text
    with pytest.raises(ValueError, match="JSON compliant"):
        packed(float("nan"))
    with pytest.raises(TypeError, match="no value for a report"):
        packed({"x": object()})


def test_chunks_keep_the_order():
    assert chunks([("a", 1), ("b", 2), ("c", 3)], 2) == [{"a": 1, "b": 2}, {"c": 3}]
    assert chunks([], 2) == [{}]


def test_history_is_spread_evenly_and_ends_with_the_day():
    days = [date(2025, 1, 1), *(date(2026, month, day) for month in (1, 2, 3) for day in (1, 15)), DAY]
    table = evidence(
        {"segments": [segment()], "account_revenue": [{"as_of": day, "account_id": "a"} for day in days]}
    )
    short = table.policy.model_copy(
        update={"report": table.policy.report.model_copy(update={"history_months": 3, "history_points": 4})}
    )
    outcome = history_days(evidence({"segments": [segment()]}, policy=short))
    assert outcome == [DAY]  # no revenue: that day alone
    inputs = evidence(
        {"segments": [segment()], "account_revenue": [{"as_of": d, "account_id": "a"} for d in days]}, policy=short
    )
    # every 30.44 days back from 31 March: 1 March, 29 January, 30 December (nothing after it before 1 January)
    assert history_days(inputs) == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1), DAY]


def test_the_executive_page_says_what_the_tables_say(ran_home: Path, policy: Policy):
    with open_evidence(ran_home, None, policy) as inputs:
        page = executive_page(inputs)
        [row] = inputs.rows("SELECT sum(arr) AS arr, count(*) AS n FROM segments WHERE as_of = ?", inputs.as_of)
        [kpis] = inputs.rows("SELECT * FROM company_kpis WHERE as_of = ? AND window_months = 12", inputs.as_of)
    by_name = {item.name: item for item in page.headlines}
    assert by_name["ARR"].exact == f"{row['arr']:,.0f}"
    assert by_name["Live accounts"].exact == str(row["n"])
    assert by_name["NRR, 12 months"].exact == ("" if kpis["nrr"] is None else f"{kpis['nrr']:.4f}")
    assert sum(item.accounts.number for item in page.mix) == row["n"]
    assert page.gaps == ()


def test_explain_says_what_it_compares_with(ran_home: Path, policy: Policy):
    with open_evidence(ran_home, RAN_DAYS[-1], policy) as inputs:
        account = inputs.rows("SELECT min(account_id) AS id FROM segments WHERE as_of = ?", inputs.as_of)[0]["id"]
    words = explain(account, home=ran_home, policy=policy)
    assert words.compared_with == RAN_DAYS[-2]
    assert words.ways_up
    with pytest.raises(NotPublished):
        explain(account, "2020-01-01", home=ran_home, policy=policy)
