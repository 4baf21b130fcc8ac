"""One run at a time in a home: real processes that wait, give up, are killed, and readers that never notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from segmentation_assets.warehouse.store import Busy, Holder, Store
from tests.harness import waiting
from tests.orchestration.conftest import MakeRunner
from tests.running.test_runs import MARCH_31

ROOT = Path(__file__).parents[2]
_HOLD = """
import sys
from pathlib import Path
from segmentation_assets.warehouse.store import Holder, Store
with Store(Path(sys.argv[1])).alone(Holder.of_this_process("0123456789abcdef")):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that works in the home until its input closes."""
    holding = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(home)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holding.stdout is not None
    try:
        assert holding.stdout.readline() == "held\n"
        yield holding
    finally:
        assert holding.stdin is not None
        holding.stdin.close()
        holding.wait()
        holding.stdout.close()


def test_one_waits_and_says_for_whom(tmp_path: Path):
    words: list[Holder | None] = []
    with held(tmp_path) as other:

        def waits(holder: Holder | None) -> None:
            words.append(holder)
            assert other.stdin is not None
            other.stdin.close()

        with Store(tmp_path).alone(Holder.of_this_process("mine"), waiting.HANGS_AFTER, waits):
            mine = json.loads((tmp_path / ".lock").read_text())
    assert [(h.run_id, h.pid) for h in words if h] == [("0123456789abcdef", other.pid)]
    assert (mine["run_id"], mine["pid"]) == ("mine", os.getpid())
    assert Store(tmp_path).holder() is None


def test_one_gives_up_after_the_stated_time(tmp_path: Path):
    with held(tmp_path) as other:
        with pytest.raises(Busy) as busy, Store(tmp_path).alone(patience=0.5):
            pytest.fail("two at once")
        holder = Store(tmp_path).holder()
        assert holder is not None
        assert (holder.run_id, holder.pid) == ("0123456789abcdef", other.pid)
    assert f"run 01234567 in process {other.pid} (`-c {tmp_path}`, since 20" in str(busy.value)
    assert "gave up after" in str(busy.value)
    assert "--wait SECONDS" in str(busy.value)


def test_a_killed_holder_frees_the_home(tmp_path: Path):
    with held(tmp_path) as other:
        other.kill()
        other.wait()
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == other.pid  # what it left says nothing any more
        assert Store(tmp_path).holder() is None
        with Store(tmp_path).alone(patience=5):
            pass


def test_a_run_that_gives_up_tells_why_and_touches_nothing(runner: MakeRunner, settings):
    notes: list[str] = []
    with held(settings.home) as other:
        outcome = runner(wait_seconds=0.3).run(["seeds"], [MARCH_31], note=notes.append)
    assert not outcome.succeeded
    assert outcome.reason is not None
    assert outcome.reason.startswith(f"another run works in this home: run 01234567 in process {other.pid} (")
    assert [note.partition(" in process")[0] for note in notes] == [
        "waiting for another run in this home: run 01234567"
    ]
    assert not (settings.home / "published").exists()
    assert runner(wait_seconds=0.3).run(["seeds"], [MARCH_31]).succeeded


def command(home: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "segmentation_assets.cli.main", "--home", str(home), "run", *map(str, arguments)]


def kill_the_one_that_works(home: Path, runs: Sequence[subprocess.Popen[str]]) -> int:
    """Kills whichever of the runs has the home, once one has it. Returns its process id."""
    by_pid = {run.pid: run for run in runs}

    def is_killed() -> bool:
        holder = Store(home).holder()
        if holder is None or holder.pid not in by_pid:
            return False
        killed.append(holder.pid)
        by_pid[holder.pid].kill()
        return True

    killed: list[int] = []
    waiting.until(is_killed, *runs)
    return killed[0]


def test_two_commands_at_once_and_a_reader(tmp_path: Path, ran_home: Path):
    """The same days made twice beside each other and a third one killed, while somebody reads over and over."""
    home = tmp_path / "home"
    subprocess.run(["cp", "-r", str(ran_home), str(home)], check=True)
    sources = ("--sources", home / "sample/sources.yaml", "--select", "account_revenue")
    reader = subprocess.Popen(
        [sys.executable, "-m", "tests.orchestration.reading", str(home / "published/account_revenue")],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    policies = []
    for number in (1, 2, 3):  # each makes all days again
        policies.append(tmp_path / f"{number}.yaml")
        policies[-1].write_text(f"company: {{renewal_grace_days: {number}}}\n")
    runs = [
        subprocess.Popen(
            command(home, *sources, "--from", "2026-03-28", "--to", "2026-04-01", "--policy", policy),
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for policy in policies
    ]  # fmt: skip
    with ThreadPoolExecutor(len(runs)) as pool:  # or a pipe that nobody reads would fill, and its run stand still
        outputs = {run.pid: pool.submit(run.communicate) for run in runs}
        killed = kill_the_one_that_works(home, runs)
        ended = {run.pid: (outputs[run.pid].result()[0], run.returncode) for run in runs}
    reads, errors = reader.communicate()
    assert {code for pid, (_, code) in ended.items() if pid != killed} == {0}, ended
    assert reader.returncode == 0, errors
    assert int(reads) > 3
    assert any("waiting for another run in this home: run" in text for text, _ in ended.values()), ended
