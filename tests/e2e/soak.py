"""`make soak`: kills whatever the product does at all its moments, and looks whether anything was lost.

Each kill: a home is copied, a process begins what is due, SIGKILL hits it, the same command is run to its end, and
the home must be bit for bit what the same command made of the same home with nobody killed. Moments are spread evenly
over the CPU time that the undisturbed command took, so they do not depend on how busy the machine is.

A soak that is stopped goes on where it stood: what it tried stands in its folder, and in the results file after each
kill. Not here: the kills of the suite (`test_daemon_killed`), or any figure of speed. The figures go to
`benchmarks/RELIABILITY.md`.
"""

from __future__ import annotations

import argparse
import fcntl
import itertools
import json
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from platform import machine, python_version

import psutil

from benchmarks.reliability import keep
from segmentation_assets import definitions as _loaded  # noqa: F401 - so that children need not load it again
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.cli.main import main as segmentation
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.access import find_table, load
from segmentation_assets.running import screens
from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.storage.run_records import RunRecords
from segmentation_assets.settings import Settings
from segmentation_assets.sync.hubspot import TOKEN as TOKEN_NAME
from segmentation_assets.warehouse.store import Store
from tests.orchestration.billing import Company, opened
from tests.sync.homes import FIELDS, account, define_properties, write_home
from tests.sync.hubspot_fake import TOKEN, HubSpotFake, served

FOLDER = Path(__file__).parents[2] / ".soak"
LAST = date(2026, 3, 29)
"""What the homes have when it all begins; due are the days after it: a Monday, a quarter's last, the next's first."""
DUE = tuple(LAST + timedelta(days=n) for n in (1, 2, 3))
BILLING = "+billing_threshold_crossings"
"""The tables of a cheap run: landing, revenue, a ledger and what is read from it."""
WRITTEN_BY_RUNS = ("run_id", "posted_at", "detected_at")
"""What differs between two runs that do the same."""
_FAILED = 70
"""Exit code of a child whose work ended with an exception."""
_HANGS_AFTER = 600.0
_DAEMON_POLICY = """\
tier: {growth_min_arr: 25000}
orchestration:
  sensors: {billing_seconds: 1, arrival_seconds: 3600, retry_seconds: 1, retry_most_seconds: 2, lost_seconds: 5,
            starting_seconds: 120}
"""
_BILLED = {"a2": 11_000.0, "a3": 26_000.0, "a5": 12_000.0}
_CROSSINGS = 3
_RECORDS = 12


@dataclass(frozen=True)
class Kill:
    """What came of one kill. `was_hit`: the work had not ended before."""

    work: str
    was_hit: bool
    at: float
    losses: list[str]


class Work:
    """Something that a home is due. `template` is the folder that is copied for each kill."""

    name = ""
    template = ""

    def begin(self, home: Path) -> None:
        """Do it, in this process, until it ends."""
        raise NotImplementedError

    def is_done(self, home: Path) -> bool:
        """Whether a process that never ends by itself has done what was due."""
        return False

    @contextmanager
    def around(self) -> Iterator[None]:
        """What must be there outside the home, from before the kill until after the comparison."""
        yield

    def differences(self, home: Path, calm: Path) -> list[str]:
        """What is not as in the calm home."""
        return differences(home, calm)

    def settle(self, home: Path) -> None:
        """After the work has ended by itself, before homes are compared."""


class Command(Work):
    """A command of the product that ends by itself."""

    def __init__(self, name: str, template: str, *words: str) -> None:
        self.name, self.template, self.words = name, template, words

    def begin(self, home: Path) -> None:
        segmentation(["--home", str(home), *self.words])


class Sync(Work):
    """A sync with a HubSpot that keeps what it was sent."""

    name, template = "sync", "crm"

    def __init__(self) -> None:
        self.fake = HubSpotFake()

    @contextmanager
    def around(self) -> Iterator[None]:
        with served(HubSpotFake()) as self.fake:
            define_properties(self.fake)
            for number in range(_RECORDS):
                self.fake.add(str(number))
            yield

    def begin(self, home: Path) -> None:
        others = sorted(set(load_policy().crm.fields) - set(FIELDS))
        absent = "".join(f"    {name}: {{column: not_published.{name}}}\n" for name in others)
        policy = home / "policy.yaml"
        policy.write_text(f"crm:\n  fields:\n{absent}  hubspot: {{address: '{self.fake.address}'}}\n")
        os.environ[TOKEN_NAME] = TOKEN
        segmentation(["--home", str(home), "sync", "hubspot", "--apply", "--policy", str(policy)])

    def settle(self, home: Path) -> None:
        values = {each: company.values for each, company in self.fake.companies.items()}
        (home / "crm.json").write_text(json.dumps(values, sort_keys=True))

    def differences(self, home: Path, calm: Path) -> list[str]:
        result = []
        if (home / "crm.json").read_text() != (calm / "crm.json").read_text():
            result.append("the CRM has other values")
        sent = [_acknowledged(each) for each in (home, calm)]
        return result + [f"log: {each}" for each in sorted(sent[0] ^ sent[1])]


def _acknowledged(home: Path) -> set[tuple[str, ...]]:
    frame = load("crm_sync_log", home=home)
    frame = frame[frame["outcome"].isin(["acknowledged", "confirmed"])]
    return set(frame[["account_id", "field", "value"]].astype(str).itertuples(index=False, name=None))


class Watch(Work):
    """The daemon with its code server and its sensors, due to book what was billed.

    `is_alone`: only the process that people start is killed; the others must end by themselves.
    """

    template = "watched"

    def __init__(self, name: str, *, is_alone: bool) -> None:
        self.name, self.is_alone = name, is_alone

    def begin(self, home: Path) -> None:
        os.setpgrp()
        screens._MODULE = "tests.orchestration.location"
        screens.serve(_settings(home), None)

    def is_done(self, home: Path) -> bool:
        records = RunRecords(home / "dagster")
        with suppress(Exception):  # nothing is published yet, or a run writes just now
            booked = load("billing_threshold_crossings", home=home)
            return len(booked) >= _CROSSINGS and not any(run.is_unfinished for run in records.runs())
        return False


def _settings(home: Path) -> Settings:
    return Settings(home, home / "sources.yaml", home / "policy.yaml")


def works() -> list[Work]:
    """One round: cheap work comes often, dear work once."""
    runs = [Command("run", "small", "run", "--as-of", str(day), "--select", BILLING) for day in DUE]
    report = Command("report", "whole", "run", "--as-of", str(LAST), "--select", "report")
    whole = Command("run of the whole chain", "whole", "run", "--as-of", str(DUE[0]))
    watch, sensors = Watch("watch", is_alone=True), Watch("sensors", is_alone=False)
    cheap: list[Work] = [runs[0], Sync(), runs[1], Sync(), runs[2], Sync()]
    return [*cheap, report, *cheap, watch, *cheap, sensors, *cheap, whole]


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
                code = ended.code if isinstance(ended.code, int) else _FAILED if ended.code else 0
            except BaseException:  # a child must never go on as its parent
                traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> tuple[int, float]:
    """Exit code (negative: the signal) and CPU seconds of a child, once it has ended."""
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def in_child(work: Callable[[], object], log: Path) -> float:
    """Do it in a child to its end; CPU seconds. Raises RuntimeError if it fails."""
    code, used = ended(forked(work, log))
    if code:
        raise RuntimeError(f"failed with {code}\n{log.read_text()[-3000:]}")
    return used


def to_its_end(home: Path, work: Work, log: Path) -> float:
    """CPU seconds until the work was done. Raises RuntimeError if it fails."""
    if not isinstance(work, Watch):
        used = in_child(partial(work.begin, home), log)
        work.settle(home)
        return used
    child, hangs_at = forked(partial(work.begin, home), log), time.monotonic() + _HANGS_AFTER
    while not work.is_done(home):
        if time.monotonic() > hangs_at or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            _kill_tree(child)
            raise RuntimeError(f"{work.name} has not done what was due\n{log.read_text()[-3000:]}")
        time.sleep(0.2)
    used = _used_by_tree(child)
    os.kill(child, signal.SIGTERM)
    ended(child)
    return used


def killed_at(home: Path, work: Work, seconds: float, log: Path) -> bool:
    """Kill it once it has used so many CPU seconds; whether it had not ended, or done what was due, before."""
    child = forked(partial(work.begin, home), log)
    is_tree = isinstance(work, Watch)
    while _is_alive(child) and (_used_by_tree(child) if is_tree else _used(child)) < seconds:
        time.sleep(0.05 if is_tree else 0.002)
    was_due = not work.is_done(home)
    doomed = psutil.Process(child).children(recursive=True) if is_tree else []
    if isinstance(work, Watch) and not work.is_alone:
        for each in doomed:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    os.kill(child, signal.SIGKILL)
    was_hit = ended(child)[0] == -signal.SIGKILL
    _, alive = psutil.wait_procs(doomed, timeout=_HANGS_AFTER)
    if alive:
        raise RuntimeError(f"{work.name} was killed, and {alive} still live")
    return was_hit and was_due


def _is_alive(child: int) -> bool:
    return psutil.Process(child).status() != psutil.STATUS_ZOMBIE


def _used(child: int) -> float:
    times = psutil.Process(child).cpu_times()
    return times.user + times.system


def _used_by_tree(child: int) -> float:
    used = 0.0
    for each in [psutil.Process(child), *psutil.Process(child).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


def _kill_tree(child: int) -> None:
    for each in [*psutil.Process(child).children(recursive=True), psutil.Process(child)]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    ended(child)


# -- homes


@contextmanager
def copied(template: Path, home: Path) -> Iterator[None]:
    """A home of its own. Published files are linked: no run writes into one, it moves a new one over it."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(template, home, symlinks=True, copy_function=_linked_or_copied)
    try:
        yield
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _linked_or_copied(source: str, target: str) -> object:
    if source.endswith(".parquet") and ("/published/" in source or "/packed/" in source):
        return os.link(source, target)
    return shutil.copy2(source, target)


_RUN = re.compile(r"-[0-9a-f]{8}(?=\.html$)")


def differences(home: Path, calm: Path) -> list[str]:
    """Tables that are not bit for bit those of the calm home, reports that are not whole, files left behind."""
    ours, theirs = set(Store(home).tables()), set(Store(calm).tables())
    result = [f"{name}: only in one of the homes" for name in sorted(ours ^ theirs)]
    both = (name for name in sorted(ours & theirs) if name in CATALOGUE)
    result += [f"{name}: other rows" for name in both if not _same(name, home, calm)]
    pages, calm_pages = (sorted(str(p.relative_to(each)) for p in each.rglob("*.html")) for each in (home, calm))
    # A report's name ends with its run, which differs from run to run.
    if [_RUN.sub("", page) for page in pages] != [_RUN.sub("", page) for page in calm_pages]:
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


def _make_small(home: Path) -> None:
    _generate(home, 60)
    segmentation(["--home", str(home), "run", "--as-of", str(LAST), "--select", BILLING])


def _make_whole(home: Path) -> None:
    _generate(home, 60)
    segmentation(["--home", str(home), "run", "--as-of", str(LAST), "--select", "not key:report"])


def _generate(home: Path, days: int) -> None:
    words = f"--accounts 6 --days {days} --users-per-account 2 --end {DUE[-1]}"
    segmentation(["generate", str(home / "sample"), *words.split()], standalone_mode=False)


def _make_crm(home: Path) -> None:
    write_home(home, [account(f"a{n}", arr=1000.0 * n) for n in range(_RECORDS)])


def _make_watched(home: Path) -> None:
    bare = home.parent / "bare"
    shutil.rmtree(home.parent / "start", ignore_errors=True)
    with open_instance(Settings(bare, None, None)) as instance:
        instance.get_runs(limit=1)
    template = opened(home.parent / "start", bare / "dagster")
    company = Company(home, template)
    _settings(home).policy.write_text(_DAEMON_POLICY)  # type: ignore[union-attr]
    company.bill(**_BILLED)
    assert company.land()
    company.close()


TEMPLATES: dict[str, Callable[[Path], None]] = {
    "small": _make_small, "crm": _make_crm, "watched": _make_watched, "whole": _make_whole,
}  # fmt: skip


# -- the soak


class Soak:
    """One soak in its folder: templates, calm homes, and what was tried so far."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.log, self.tried = folder / "log", folder / "tried.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def kills(self) -> list[Kill]:
        """What was tried so far."""
        if not self.tried.exists():
            return []
        return [Kill(**json.loads(line)) for line in self.tried.read_text().splitlines()]

    def template(self, name: str) -> Path:
        """A home that works are due in, made once."""
        home = self.folder / "templates" / name  # made where it stays: a home knows where its sources are
        is_whole = home.with_suffix(".whole")
        if not is_whole.exists():
            shutil.rmtree(home, ignore_errors=True)
            home.parent.mkdir(exist_ok=True)
            in_child(partial(TEMPLATES[name], home), self.log)
            is_whole.touch()
        return home

    def calm(self, work: Work, key: str) -> tuple[Path, float]:
        """What the work makes if nobody is killed, and its CPU seconds; made once."""
        home, used = self.folder / "calm" / key, self.folder / "calm" / f"{key}.seconds"
        with (self.folder / "making.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not used.exists():
                shutil.rmtree(home, ignore_errors=True)
                shutil.copytree(self.template(work.template), home, symlinks=True)
                with work.around():
                    seconds = to_its_end(home, work, self.log)
                used.write_text(str(seconds))
        return home, float(used.read_text())

    def kill(self, work: Work, key: str, share: float, number: int) -> Kill:
        """Kill a work at a share of its CPU time, and look what came of it."""
        calm, used = self.calm(work, key)
        home, log = self.folder / f"home-{number}", self.folder / f"log-{number}"
        log.unlink(missing_ok=True)
        seen, losses, was_hit = self.folder / f"differences-{number}", list[str](), False
        with ExitStack() as stack:
            stack.enter_context(work.around())
            stack.enter_context(copied(self.template(work.template), home))
            try:
                was_hit = killed_at(home, work, used * share, log)
                to_its_end(home, work, log)
                in_child(lambda: seen.write_text("\n".join(work.differences(home, calm))), log)
                losses = seen.read_text().splitlines()
            except RuntimeError as error:
                losses = [str(error)]
        return Kill(work.name, was_hit, used * share, losses)

    def go_on(self, kills: int, until: float, worker: int, workers: int, after: Callable[[], None]) -> None:
        """Kill until there were so many, or the time is over. `after` is called after each."""
        done = len(self.kills())
        round_of = [(work, f"{work.name}-{number}") for number, work in enumerate(works())]
        moments = random.Random(f"{self.seed}-{worker}-{done}")
        for work, key in itertools.islice(itertools.cycle(round_of), done + worker, None, workers):
            if time.monotonic() > until or sum(each.was_hit for each in self.kills()) >= kills:
                return
            result = self.kill(work, _key(work, key), moments.random(), worker)
            with self.tried.open("a") as out:
                fcntl.flock(out, fcntl.LOCK_EX)
                out.write(json.dumps(asdict(result)) + "\n")
            after()


def _key(work: Work, key: str) -> str:
    """Works that do the same share a calm home."""
    words = "-".join(work.words) if isinstance(work, Command) else work.template
    return "".join(c if c.isalnum() or c == "-" else "_" for c in words) or key


def written(tried: Sequence[Kill], seed: int) -> str:
    """The section of the results file."""
    names = list(dict.fromkeys(work.name for work in works()))
    rows = []
    for name in names:
        own = [each for each in tried if each.work == name]
        hit = sum(each.was_hit for each in own)
        rows.append(f"| {name} | {hit} | {len(own) - hit} | {sum(len(each.losses) for each in own)} |")
    hits, lost = sum(each.was_hit for each in tried), sum(len(each.losses) for each in tried)
    return "\n".join(
        [
            "## Kills: `make soak`",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({machine()}), Python {python_version()}, seed "
            f"{seed}: **{hits} processes killed with SIGKILL, {lost} things lost.**",
            "",
            "Each was killed at a random moment of its CPU time, then run to its end. Every table, ledger and alert "
            "was compared bit for bit with those of a run that nobody killed; after a sync, the values in the CRM.",
            "",
            "| What was at work | killed | ended before the kill | lost |",
            "|---|---:|---:|---:|",
            *rows,
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill whatever the product does, at all its moments.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=30.0, help="No kill begins after so many.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="Homes that are worked on at the same time.")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="Holds what was tried; delete it to begin anew.")
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    soak = Soak(arguments.folder, arguments.seed)

    def tell() -> None:
        keep(written(soak.kills(), arguments.seed))

    def worker(number: int) -> None:
        soak.go_on(arguments.kills, until, number, arguments.workers, tell)

    children = [forked(partial(worker, n), arguments.folder / f"worker-{n}") for n in range(arguments.workers)]
    codes = [ended(child)[0] for child in children]
    tried = soak.kills()
    tell()
    losses = [f"{each.work}, killed at {each.at:.3f} s: {loss}" for each in tried for loss in each.losses]
    broken = [(arguments.folder / f"worker-{n}").read_text()[-2000:] for n, code in enumerate(codes) if code]
    sys.stdout.write("\n".join([written(tried, arguments.seed), *losses, *broken, ""]))
    return 1 if losses or broken else 0


if __name__ == "__main__":
    sys.exit(main())
