"""`make soak`: kills runs and reports at all their moments, and looks whether anything was lost.

Each kill: a home as it stood yesterday is copied, a process begins what is due (a run of the whole chain with its
landing, or the report), SIGKILL hits it, the same command is run to its end, and every table and ledger must be bit
for bit what the same command made of the same home with nobody killed. The report must be there and whole.
Moments are spread evenly over the CPU time that the undisturbed command took, so they do not depend on how busy the
machine is. Daemons and their sensors are killed by `test_daemon_killed`.

Not here: a daemon's own test, or any figure of speed. The figures go to `benchmarks/RELIABILITY.md`.
"""

from __future__ import annotations

import argparse
import itertools
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from platform import machine, python_version

import psutil

from segmentation_assets import definitions as _loaded  # noqa: F401 - so that children need not load it again
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.cli.main import main as segmentation
from segmentation_assets.reading.access import find_table, load
from segmentation_assets.warehouse.store import Store

RESULTS = Path(__file__).parents[2] / "benchmarks" / "RELIABILITY.md"
LAST = date(2026, 3, 29)
"""What the home has when it all begins; due are the days after it: a Monday, a quarter's last, the next's first."""
DUE = tuple(LAST + timedelta(days=n) for n in (1, 2, 3))
WRITTEN_BY_RUNS = ("run_id", "posted_at", "detected_at")
"""What differs between two runs that do the same."""
WORKERS = 2
"""Homes that are worked on at the same time."""
_FAILED = 70
"""Exit code of a child whose work ended with an exception."""


@dataclass(frozen=True)
class Work:
    """A command that a home is due, by the words of the command line behind `--home HOME`."""

    name: str
    words: tuple[str, ...]


@dataclass
class Tally:
    """What came of the kills, by work."""

    killed: Counter[str] = field(default_factory=Counter)
    ended_first: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        self.killed += other.killed
        self.ended_first += other.ended_first
        self.lost += other.lost
        return self


def works() -> list[Work]:
    """Runs of each day that is due, and the report of the newest."""
    runs = [Work(f"run {day}", ("run", "--as-of", str(day))) for day in DUE]
    return [*runs, Work("report", ("run", "--as-of", str(DUE[-1]), "--select", "report"))]


# -- processes


def forked(work: Callable[[], object], log: Path) -> int:
    """A child that does this and ends; its process id. Forked from a parent that never opened a database."""
    child = os.fork()
    if child:
        return child
    code = _FAILED
    try:
        with log.open("a") as out, redirect_stdout(out), redirect_stderr(out):
            try:
                work()
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else _FAILED
            except BaseException:  # a child must never go on as its parent
                traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> tuple[int, float]:
    """Exit code (negative: the signal) and CPU seconds of a child, once it has ended."""
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def command(home: Path, words: Sequence[str]) -> Callable[[], object]:
    """The command of the product, in this process."""
    return lambda: segmentation(["--home", str(home), *words])


def to_its_end(home: Path, work: Work, log: Path) -> float:
    """CPU seconds that it took. Raises RuntimeError where it fails."""
    code, used = ended(forked(command(home, work.words), log))
    if code:
        raise RuntimeError(f"{work.name} failed with {code} in {home}\n{log.read_text()[-3000:]}")
    return used


def killed_at(home: Path, work: Work, seconds: float, log: Path) -> bool:
    """Kill it once it has used so many CPU seconds; whether it had not ended before."""
    child = forked(command(home, work.words), log)
    process = psutil.Process(child)
    while True:
        try:
            times = process.cpu_times()
            if process.status() == psutil.STATUS_ZOMBIE:
                break
        except psutil.NoSuchProcess:
            break
        if times.user + times.system >= seconds:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.002)
    return ended(child)[0] == -signal.SIGKILL


# -- homes


@contextmanager
def copied(template: Path, folder: Path) -> Iterator[Path]:
    """A home of its own."""
    home = folder / "home"
    shutil.copytree(template, home, symlinks=True)
    try:
        yield home
    finally:
        shutil.rmtree(folder)


def differences(home: Path, calm: Path) -> list[str]:
    """Tables that are not bit for bit those of the calm home."""
    ours, theirs = set(Store(home).tables()), set(Store(calm).tables())
    result = [f"{name}: only in one of the homes" for name in sorted(ours ^ theirs)]
    both = (name for name in sorted(ours & theirs) if name in CATALOGUE)
    result += [f"{name}: other rows" for name in both if not _same(name, home, calm)]
    pages, calm_pages = (sorted(str(p.relative_to(each)) for p in each.rglob("*.html")) for each in (home, calm))
    if pages != calm_pages:
        result.append(f"reports {pages} instead of {calm_pages}")
    result += [f"{page}: cut off" for page in pages if not (home / page).read_text().rstrip().endswith("</html>")]
    left = [str(path.relative_to(home)) for path in (home / "staging").rglob("*") if path.is_file()]
    return result + [f"left behind: {name}" for name in left]


def _same(name: str, home: Path, calm: Path) -> bool:
    one, other = (find_table(name, each) for each in (home, calm))
    if tuple(one.days or ()) != tuple(other.days or ()):
        return False
    frames = []
    for each in (home, calm):
        frame = load(name, "all" if one.partition else None, each)
        frame = frame.drop(columns=[column for column in WRITTEN_BY_RUNS if column in frame])
        frames.append(frame.astype(object).sort_values(list(frame.columns), key=lambda c: c.map(repr)))
    return frames[0].map(repr).to_numpy().tolist() == frames[1].map(repr).to_numpy().tolist()


# -- the soak


def soak(kills: int, minutes: float, seed: int, folder: Path) -> Tally:
    """Kill until there were so many, or the time is over."""
    log, tally = folder / "log", Tally()
    template = folder / "template"
    sample = ("--accounts", "6", "--days", "60", "--users-per-account", "2", "--end", str(DUE[-1]))
    code, _ = ended(forked(lambda: segmentation(["generate", str(template / "sample"), *sample]), log))
    assert code == 0, log.read_text()
    to_its_end(template, Work("first run", ("run", "--as-of", str(LAST))), log)
    calm: dict[Work, tuple[Path, float]] = {}
    for number, work in enumerate(works()):
        home = folder / f"calm-{number}"
        shutil.copytree(template, home, symlinks=True)
        calm[work] = (home, to_its_end(home, work, log))
    until = time.monotonic() + 60 * minutes

    def one_after_the_other(worker: int) -> None:
        moments, own = random.Random(seed + worker), Tally()
        due = itertools.cycle(works())
        while time.monotonic() < until and own.killed.total() < kills / WORKERS:
            work = next(due)
            home, used = calm[work]
            _once(work, template, home, used * moments.random(), folder / f"kill-{worker}", own)
            (folder / f"tally-{worker}").write_bytes(pickle.dumps(own))

    workers = [forked(lambda n=n: one_after_the_other(n), folder / f"log-{n}") for n in range(WORKERS)]
    for number, worker in enumerate(workers):
        code, _ = ended(worker)
        tally += pickle.loads((folder / f"tally-{number}").read_bytes())  # noqa: S301 - written above
        if code:
            tally.lost.append(f"worker {number} ended with {code}: {(folder / f'log-{number}').read_text()[-2000:]}")
    return tally


def _once(work: Work, template: Path, calm: Path, seconds: float, folder: Path, tally: Tally) -> None:
    log, said = folder.with_suffix(".log"), folder.with_suffix(".differences")
    log.unlink(missing_ok=True)
    with copied(template, folder) as home:
        hit = killed_at(home, work, seconds, log)
        (tally.killed if hit else tally.ended_first)[work.name] += 1
        losses = []
        try:
            to_its_end(home, work, log)
            code, _ = ended(forked(lambda: said.write_text("\n".join(differences(home, calm))), log))
            losses = said.read_text().splitlines() if not code else [f"not compared: {log.read_text()[-2000:]}"]
        except RuntimeError as error:
            losses = [str(error)]
        tally.lost += [f"{work.name}, killed after {seconds:.3f} s of CPU: {loss}" for loss in losses]


def written(tally: Tally, arguments: argparse.Namespace, minutes: float) -> str:
    """The section of the results file."""
    rows = [
        f"| {name} | {tally.killed[name]} | {tally.ended_first[name]} | "
        f"{sum(loss.startswith(name) for loss in tally.lost)} |"
        for name in [work.name for work in works()]
    ]
    return "\n".join(
        [
            "## Kills: `make soak`",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({machine()}), Python {python_version()}, seed "
            f"{arguments.seed}, {minutes:.0f} minutes: **{tally.killed.total()} processes killed with SIGKILL, "
            f"{len(tally.lost)} things lost.**",
            "",
            "Each was killed at a random moment of its CPU time, then run to its end; every table and ledger was "
            "compared bit for bit with those of a run that nobody killed.",
            "",
            "| What was at work | killed | ended before the kill | lost |",
            "|---|---:|---:|---:|",
            *rows,
            "",
        ]
    )


def keep(section: str) -> None:
    """Put the section in the place of the last one."""
    title = section.splitlines()[0]
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# What was tried, and what broke\n"
    parts = before.split("\n## ")
    kept = [part for part in parts[1:] if f"## {part.splitlines()[0]}" != title]
    sections = [parts[0].rstrip() + "\n", section, *(f"## {part}" for part in kept)]
    RESULTS.write_text("\n".join(sections), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill runs and reports at all their moments.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=30.0, help="No kill begins after so many.")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        tally = soak(arguments.kills, arguments.minutes, arguments.seed, Path(folder))
    section = written(tally, arguments, (time.monotonic() - begun) / 60)
    keep(section)
    sys.stdout.write("\n".join([section, *tally.lost, ""]))
    return 1 if tally.lost else 0


if __name__ == "__main__":
    sys.exit(main())
