"""`segmentation status`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.cli.calling import call
from tests.conftest import RAN_DAYS


def test_status_checks_what_people_read(ran_home: Path, tmp_path: Path):
    home = tmp_path / "home"  # a copy: other tests use the other one meanwhile
    shutil.copytree(ran_home, home)
    before = _files(home)
    late = call("status", "--check", "--format", "json", home=home)
    words = json.loads(late.stdout)
    assert late.exit_code == 1
    assert (words["is_fine"], words["keeps_current"], words["last_run"]["status"]) == (False, None, "SUCCESS")
    tables = {table["table"]: table for table in words["tables"]}
    assert (tables["segments"]["state"], tables["segments"]["latest"]) == ("late", str(RAN_DAYS[-1]))
    assert (tables["churn_risk"]["state"], tables["billing_subscriptions"]["state"]) == ("fresh", "fresh")
    refused = tables["billing_invoices"]
    assert refused["rows_read"] > refused["rows_quarantined"] > 0
    patient = tmp_path / "policy.yaml"
    patient.write_text(
        "orchestration: {freshness: {daily_fail_hours: 1000000, weekly_fail_hours: 1000000}}\n", encoding="utf-8"
    )
    fine = call("status", "--check", "--policy", patient, home=home)
    assert fine.exit_code == 0, fine.output
    assert "segments" in fine.stdout
    assert call("status", home=home).exit_code == 0  # only told
    assert _files(home) == before


def test_an_open_home_is_named(ran_home: Path, tmp_path: Path):
    home = tmp_path / "a home"
    shutil.copytree(ran_home, home)
    home.chmod(0o755)
    open_to_all = call("status", home=home).output
    assert f"chmod o-rwx '{home}'" in open_to_all
    home.chmod(0o750)  # a team's own group is its own business
    assert "every user of this machine" not in call("status", home=home).output


def _files(home: Path) -> dict[Path, int]:
    """When each file changed last, but for those that SQLite keeps while somebody reads."""
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".db-wal", ".db-shm")]
    return {path: path.stat().st_mtime_ns for path in files}
