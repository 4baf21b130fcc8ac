"""A published file that is damaged counts as missing: it is named and made again, and no reader meets a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation_assets.cli.main import main
from segmentation_assets.warehouse.planning import DAMAGED, MISSING, Planner
from segmentation_assets.warehouse.results import LedgerDamaged
from segmentation_assets.warehouse.sealing import Seal, seal_of
from segmentation_assets.warehouse.store import Store, footer, holder_of, is_damaged, locked
from segmentation_assets.warehouse.verifying import verify
from tests.harness import waiting
from tests.warehouse import test_ledgers as ledgers
from tests.warehouse.toys import builder, chain, land, policy, read

MONDAY = date(2026, 1, 5)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "first half": lambda data: data[: len(data) // 2],
    "without its last byte": lambda data: data[:-1],
    "zeros, as after a power failure": lambda data: b"\0" * len(data),
    "no Parquet": lambda _: b"hello",
    "a footer length beyond the file": lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1",
    "a footer that is none": lambda data: data[:-108] + b"\x7f" * 100 + data[-8:],
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_table_is_named_and_made_again(tmp_path: Path, kind: str):
    land(tmp_path, [1, 2])
    with builder(tmp_path) as build:
        build.ensure(["labels"], [MONDAY])
    before = {name: read(tmp_path, name) for name in ("scaled", "totals", "labels")}
    store = Store(tmp_path)
    for name in before:
        file = store.file(name, "as_of", MONDAY)
        file.write_bytes(DAMAGE[kind](file.read_bytes()))
        assert is_damaged(file)
        assert footer(file) == {}
    planner = Planner(store, chain(), policy())
    assert {planner.causes(planner.registry[name], MONDAY) for name in before} == {(DAMAGED,)}
    assert {problem.table for problem in verify(store, chain()).problems} == set(before)
    with builder(tmp_path) as build:
        product = {built.table: set(built.rows) for built in build.ensure(["labels"], [MONDAY])}
    # The window of `totals` reads three days of `scaled`; only the damaged one is made again.
    assert product == {"scaled": {MONDAY}, "totals": {MONDAY}, "labels": {MONDAY}}
    for name, frame in before.items():
        pd.testing.assert_frame_equal(read(tmp_path, name), frame)
    assert verify(store, chain()).problems == ()


def test_a_file_that_was_deleted_is_missing_not_damaged(tmp_path: Path):
    land(tmp_path, [1])
    with builder(tmp_path) as build:
        build.ensure(["scaled"], [MONDAY])
    store = Store(tmp_path)
    store.file("scaled", "as_of", MONDAY).unlink()
    planner = Planner(store, chain(), policy())
    assert planner.causes(planner.registry["scaled"], MONDAY) == (MISSING,)
    store.file("numbers").unlink()
    with builder(tmp_path) as build:
        build.ensure(["bulk"], [MONDAY])
    assert [p.table for p in verify(store, chain()).problems] == []  # nothing stands that was made from it


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("sealed")
    land(home, [1, 2, 3])
    with builder(home) as build:
        build.ensure(["scaled"], [MONDAY])
    return Store(home).file("scaled", "as_of", MONDAY)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_breaks_the_seal(sealed: Path, tmp_path: Path, data: st.DataObject):
    whole = sealed.read_bytes()
    assert seal_of(sealed) is Seal.WHOLE
    at = data.draw(st.integers(0, len(whole) - 1))
    other = bytes([(whole[at] + data.draw(st.integers(1, 255))) % 256])
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(whole[:at] + other + whole[at + 1 :])
    state = seal_of(copy)
    # A byte of the name under which the checksum stands, or of the length of the footer, leaves a file that seems to
    # have none: there alone.
    assert state is not Seal.WHOLE
    assert state is not Seal.NONE or at >= whole.rindex(b"seal") - 1


def test_a_whole_file_in_the_wrong_place_is_found(tmp_path: Path):
    land(tmp_path, [1])
    with builder(tmp_path) as build:
        build.ensure(["scaled"], [MONDAY, MONDAY + timedelta(days=1)])
    store = Store(tmp_path)
    monday, tuesday = (store.file("scaled", "as_of", MONDAY + timedelta(days=i)) for i in (0, 1))
    tuesday.write_bytes(monday.read_bytes())
    (monday.parent / "copy.parquet").write_bytes(monday.read_bytes())
    said = {problem.file.name: problem.what for problem in verify(store, chain()).problems}
    assert said == {
        "part-0.parquet": "says that it is of 2026-01-05",
        "copy.parquet": "is one file too many: a day of scaled has part-0.parquet alone, and readers would count its "
        "rows twice",
    }


def test_a_damaged_ledger_is_never_begun_anew_by_itself(tmp_path: Path):
    with ledgers.builder(tmp_path) as build:
        build.ensure(["records"], [MONDAY])
    file = Store(tmp_path).file("records")
    file.write_bytes(file.read_bytes()[:-1])
    damaged = file.read_bytes()
    with ledgers.builder(tmp_path) as build, pytest.raises(LedgerDamaged, match="cannot be made again"):
        build.ensure(["records"], [MONDAY])
    assert file.read_bytes() == damaged


_FULL = """
import resource, sys
from datetime import date
from pathlib import Path
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from tests.warehouse.toys import builder, policy
with builder(Path(sys.argv[1]), policy(window=20)) as build:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        build.ensure(["bulk"], [date(2026, 1, 5)])
    except Exception as error:
        print(type(error).__name__)
"""


def test_a_disk_that_fills_in_the_middle_leaves_what_was_published(tmp_path: Path):
    with builder(tmp_path) as build:
        build.ensure(["bulk"], [MONDAY])
    file = Store(tmp_path).file("bulk", "as_of", MONDAY)
    before = file.read_bytes()
    assert len(before) > 20_000
    ran = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() in {"IOException", "OSError"}, ran.stdout + ran.stderr
    assert file.read_bytes() == before
    assert not list((tmp_path / "staging").iterdir())
    with builder(tmp_path, policy(window=20)) as build:  # and with room again, the run goes on
        assert build.ensure(["bulk"], [MONDAY])[0].rows
    assert verify(Store(tmp_path), chain()).problems == ()


@pytest.mark.parametrize("name", ["with space", "it's", 'a "quoted" one', "größe 空", "a{b}[c]*", "per%20cent;--"])
def test_a_home_may_have_any_name(tmp_path: Path, name: str):
    home = tmp_path / name
    land(home, [1, 2])
    with builder(home) as build:
        build.ensure(["labels"], [MONDAY])
    assert len(read(home, "labels")) == 1
    assert verify(Store(home), chain()).problems == ()


def test_marks_of_killed_runs_are_swept_and_those_of_living_ones_stay(tmp_path: Path):
    store = Store(tmp_path)
    (tmp_path / "running").mkdir()
    (tmp_path / "running" / "killed").write_text("")
    with store.running("alive"):
        store.sweep()
        assert [mark.name for mark in (tmp_path / "running").iterdir()] == ["alive"]
        assert store.is_running("alive")
    assert not list((tmp_path / "running").iterdir())


_CHILD = """
import os, sys, time
from pathlib import Path
from segmentation_assets.warehouse.store import Holder, locked
with locked(Path(sys.argv[1]), Holder.of_this_process("r"), 0) as lock:
    os.set_inheritable(lock.fileno(), True)
    if os.fork():
        print("ready", flush=True)
        os._exit(9)
    time.sleep(3600)
"""


def test_who_really_holds_a_lock_is_named_when_its_taker_is_gone(tmp_path: Path):
    file = tmp_path / "daemon.lock"
    taker = subprocess.Popen([sys.executable, "-c", _CHILD, str(file)], cwd=Path(__file__).parents[2], stdout=-1)
    assert taker.stdout is not None
    assert taker.stdout.readline() == b"ready\n"
    taker.wait()
    holder = holder_of(file)
    assert holder is not None
    assert holder.pid != taker.pid
    os.kill(holder.pid, 9)
    waiting.until(lambda: holder_of(file) is None)
    with locked(file, holder, 0):
        pass


def test_pinned_files_stay_what_they_were_while_others_are_published(tmp_path: Path):
    land(tmp_path, [1])
    store = Store(tmp_path)
    file = store.file("numbers")
    before = file.read_bytes()
    with store.pinned([file]) as [pinned]:
        land(tmp_path, [1, 2, 3])
        assert file.read_bytes() != before
        assert pinned.read_bytes() == before
    assert not pinned.exists()


def test_the_command_names_what_is_damaged_and_changes_nothing(tmp_path: Path):
    land(tmp_path, [1])
    store = Store(tmp_path)
    file = store.published / "fx_rates" / "part-0.parquet"
    file.parent.mkdir()
    file.write_bytes(store.file("numbers").read_bytes())
    requests = ["--home", str(tmp_path), "verify"]
    assert CliRunner().invoke(main, requests).exit_code == 0
    file.write_bytes(file.read_bytes()[:-1])
    result = CliRunner().invoke(main, requests)
    assert result.exit_code == 1
    assert "fx_rates: " in result.output
    assert "lacks its end" in result.output
    assert "1 problems" in result.output
    [problem] = json.loads(CliRunner().invoke(main, [*requests, "--format", "json"]).output)["problems"]
    assert problem["table"] == "fx_rates"
    assert is_damaged(file)
