"""The published folder: one Parquet file per table, or per table and day; and beside it packs of many days (`packs`).

Here: where files stand, staging, atomic replacement, the footer of a file. Not here: SQL or expressions (`engine`),
deciding what to compute (`planning`).

Layout: `<home>/published/<table>/part-0.parquet`, or `<home>/published/<table>/<column>=<day>/part-0.parquet`. A
reader sees the old file or the new one, never a part: files are written under `<home>/staging/` on the same file
system and moved with `os.replace`.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from segmentation_assets.warehouse import disk, packs, sealing
from segmentation_assets.warehouse.sql_text import literal

FILE = "part-0.parquet"
_FOOTER = b"segmentation"
_LOCK = ".lock"
_ASK_EVERY_SECONDS = 0.2
_LONGEST_COMMAND = 200


@dataclass(frozen=True)
class Holder:
    """Who works in a home: Dagster run (may be empty), process, command line, and start time (ISO, UTC)."""

    run_id: str
    pid: int
    command: str
    since: str

    @classmethod
    def of_this_process(cls, run_id: str) -> Holder:
        """This process, starting now."""
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:_LONGEST_COMMAND]
        return cls(run_id, os.getpid(), command, datetime.now(UTC).isoformat(timespec="seconds"))

    def __str__(self) -> str:
        run = f"run {self.run_id[:8]} in " if self.run_id else ""
        return f"{run}process {self.pid} (`{self.command}`, since {self.since})"


class Busy(Exception):
    """Another run works in this home, and did not finish while this one waited."""

    def __init__(self, holder: Holder | None, waited: float) -> None:
        self.holder = holder
        super().__init__(
            f"another run works in this home: {holder or 'it has not said who it is'}; gave up after "
            f"{waited:.0f} s. Try again when it is done, or wait longer with --wait SECONDS"
        )


@dataclass(frozen=True)
class Store:
    """The folders of one home. Creating a Store touches no file.

    `is_durable`: publishing waits until the files are on the disk, so that a power failure loses nothing.
    """

    home: Path
    is_durable: bool = True

    @property
    def published(self) -> Path:
        """The folder of published files."""
        return self.home / "published"

    @property
    def packed(self) -> Path:
        """The folder of packs."""
        return self.home / "packed"

    @property
    def staging(self) -> Path:
        """The folder of unfinished files, on the same file system."""
        return self.home / "staging"

    def file(self, table: str, partition: str | None = None, day: date | None = None) -> Path:
        """The path of a table's file, or of its file for one day. The file need not exist yet."""
        return _file(self.home, table, partition, day)

    def files(self, table: str, partition: str, days: Iterable[date] | None = None) -> dict[date, Path]:
        """The file that holds each of `days` (None: all): its own or a pack. Unpublished days are left out."""
        in_packs = {day: pack.file for day, pack in packs.by_day(packs.packs_of(self.home, table)).items()}
        alone = self.days_alone(table, partition)
        if days is None:
            return dict(sorted((in_packs | {day: self.file(table, partition, day) for day in alone}).items()))
        own = set(alone)
        wanted = {day: self.file(table, partition, day) if day in own else in_packs.get(day) for day in days}
        return {day: file for day, file in wanted.items() if file is not None}

    def days(self, table: str, partition: str) -> list[date]:
        """The published days, ascending."""
        return sorted({*self.days_alone(table, partition), *packs.by_day(packs.packs_of(self.home, table))})

    def days_alone(self, table: str, partition: str) -> list[date]:
        """The days that have a file of their own, ascending."""
        folder, prefix = self.published / table, f"{partition}="
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:  # a table may have thousands of days: no Path per day
            names = [e.name for e in entries if e.name.startswith(prefix) and os.path.exists(f"{e.path}/{FILE}")]  # noqa: PTH110
        return sorted(date.fromisoformat(name.removeprefix(prefix)) for name in names)

    def tables(self) -> list[str]:
        """Names of all published tables."""
        folders = [each for each in (self.published, self.packed) if each.is_dir()]
        return sorted({p.name for each in folders for p in each.iterdir() if p.is_dir() and self.has(p.name)})

    def has(self, table: str) -> bool:
        """Whether any file of a table is published, even one without rows."""
        return any(self.all_files(table))

    def all_files(self, table: str) -> Iterator[Path]:
        """All files of a table, packs last."""
        yield from (self.published / table).rglob("*.parquet")
        yield from (self.packed / table).rglob("*.parquet")

    def publish(self, staged: Path, target: Path) -> None:
        """Seal one finished file and move it into place atomically."""
        self.publish_all({staged: target})

    def publish_all(self, files: Mapping[Path, Path]) -> None:
        """Seal finished files and move each into place atomically. `files` maps staged to final paths, in order."""
        for staged in files:
            sealing.seal(staged)
        if self.is_durable:
            disk.flush(files.keys())
        for staged, target in files.items():
            self.move(staged, target)
        if self.is_durable:
            disk.flush_with_parents({target.parent for target in files.values()}, self.home)

    @staticmethod
    def move(staged: Path, target: Path) -> None:
        """Move one file into place atomically, without sealing it."""
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)

    @contextmanager
    def stage(self) -> Iterator[Path]:
        """A folder for unfinished files, removed at the end. Its name says which process owns it, for `sweep`."""
        self.staging.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.staging))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def pinned(self, files: Sequence[Path]) -> Iterator[list[Path]]:
        """The same files under paths that no run replaces, for the length of a `with` block.

        DuckDB opens a file to plan a query and again to run it. It fails if the file is replaced in between. So the
        files get a second name (a hard link) below staging, which costs no space. If the home is read-only, no run
        replaces files, and the paths stay the same. Raises FileNotFoundError if a file is missing.
        """
        if not os.access(self.home, os.W_OK):
            yield list(files)
            return
        with self.stage() as folder:
            yield [_linked(file, folder / str(number)) for number, file in enumerate(files)]

    @contextmanager
    def alone(
        self,
        who: Holder | None = None,
        patience: float = math.inf,
        waits: Callable[[Holder | None], None] | None = None,
    ) -> Iterator[None]:
        """Hold this home's lock for the length of a `with` block. If another run holds it, `waits` is called with it.

        Raises Busy if the lock is not free within `patience` seconds.
        """
        with locked(self.home / _LOCK, who or Holder.of_this_process(""), patience, waits):
            yield

    def holder(self) -> Holder | None:
        """Who holds this home's lock now; None if nobody does."""
        return holder_of(self.home / _LOCK)

    @contextmanager
    def running(self, run_id: str) -> Iterator[None]:
        """Mark that this process works on a run or waits to. It ends with the process; `is_running` reads it."""
        path = self._running_file(run_id)
        with locked(path, Holder.of_this_process(run_id), math.inf):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def is_running(self, run_id: str) -> bool:
        """Whether some process on this machine works on a run, or waits to."""
        return holder_of(self._running_file(run_id)) is not None

    def _running_file(self, run_id: str) -> Path:
        return self.home / "running" / run_id

    def sweep(self) -> int:
        """Remove staging folders of dead processes and marks of dead runs. Returns the number of folders."""
        self._sweep_marks()
        left = [p for p in self.staging.glob("*-*") if not _is_alive(p.name.partition("-")[0])]
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return len(left)

    def _sweep_marks(self) -> None:
        """Remove the marks of killed runs. The lock ended with the process, but the file stayed."""
        folder = self.home / "running"
        for mark in folder.iterdir() if folder.is_dir() else ():
            try:
                with locked(mark, Holder("", os.getpid(), "", ""), 0):
                    mark.unlink(missing_ok=True)
            except Busy:
                continue  # somebody works on it


@lru_cache(50_000)
def _file(home: Path, table: str, partition: str | None, day: date | None) -> Path:
    """Cached: a run needs the same paths thousands of times."""
    parts = (table, FILE) if partition is None else (table, f"{partition}={day}", FILE)
    return Path(home, "published", *parts)


def _linked(file: Path, folder: Path) -> Path:
    """A hard link to a file, in a folder of its own. The path keeps the day."""
    target = folder / file.parent.name / file.name
    target.parent.mkdir(parents=True)
    while True:
        try:
            target.hardlink_to(file)
        except FileNotFoundError:
            if not file.exists():
                raise
            continue  # it was replaced in the meantime
        return target


@contextmanager
def locked(
    file: Path, who: Holder, patience: float, waits: Callable[[Holder | None], None] | None = None
) -> Iterator[IO[str]]:
    """Hold a lock file. Waits for it up to `patience` seconds, then raises Busy.

    The lock is the operating system's. It ends with the processes that have the file open, however they end. The text
    in the file only says who holds the lock.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with ExitStack() as stack:
        lock = stack.enter_context(file.open("a+", encoding="utf-8"))
        is_told = False
        while not _taken(lock):
            waited = time.monotonic() - started
            if waited >= patience:
                raise Busy(_read_holder(lock), waited)
            if waits and not is_told:
                waits(_read_holder(lock))
                is_told = True
            time.sleep(min(_ASK_EVERY_SECONDS, patience - waited))
        if not _is_at(lock, file):  # its last holder deleted the file, so a lock on it has no effect
            yield stack.enter_context(locked(file, who, patience, waits))
            return
        _write_holder(lock, who)
        try:
            yield lock
        finally:
            lock.truncate(0)


def _is_at(lock: IO[str], file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), file.stat())
    except FileNotFoundError:
        return False


def holder_of(file: Path) -> Holder | None:
    """Who holds a lock file now; None if nobody does.

    If the process that took the lock is gone, a child process that has the file open holds it. That one is returned.
    """
    try:
        with file.open("r", encoding="utf-8") as lock:
            if _taken(lock, shared=True):
                return None
            holder = _read_holder(lock) or Holder("", 0, "", "")
    except FileNotFoundError:
        return None
    return holder if _is_alive(str(holder.pid)) else _who_has_open(file, holder) or holder


def _who_has_open(file: Path, first: Holder) -> Holder | None:
    """A live process that has the file open, described as the one that took the lock. Only on Linux."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) == os.getpid():
                continue
            if any(os.path.samefile(f"{process}/fd/{each}", file) for each in os.listdir(f"{process}/fd")):  # noqa: PTH121, PTH208
                words = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
                return replace(first, pid=int(process.name), command=words[:_LONGEST_COMMAND])
        except OSError:  # it has ended, or belongs to another user
            continue
    return None


def _taken(lock: IO[str], *, shared: bool = False) -> bool:
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(lock: IO[str]) -> Holder | None:
    """The holder written in the lock file; None if it is not written yet."""
    lock.seek(0)
    try:
        return Holder(**json.loads(lock.read()))
    except (ValueError, TypeError):
        return None


def _write_holder(lock: IO[str], who: Holder) -> None:
    lock.truncate(0)
    lock.seek(0)
    json.dump(asdict(who), lock)
    lock.flush()


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def footer(path: Path) -> Mapping[str, Any]:
    """A file's footer (fingerprints, policy hash, ...); empty if the file is missing or damaged."""
    return _read_footer(path)[0]


def is_damaged(path: Path) -> bool:
    """Whether a file exists but cannot be read: it is empty, cut off, or has no valid footer.

    This does not check the other bytes. For that, the whole file must be read (`sealing`).
    """
    return _read_footer(path)[1]


def _read_footer(path: Path) -> tuple[Mapping[str, Any], bool]:
    import pyarrow as pa  # noqa: PLC0415 - takes a third of a second, and readers need not import it
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        metadata = pq.read_metadata(path).metadata or {}
        facts = json.loads(metadata.get(_FOOTER, b"{}"))
    except FileNotFoundError:
        return {}, False
    except PermissionError:
        raise
    except (pa.ArrowException, OSError, ValueError):  # Arrow raises different errors for bytes that are not Parquet
        return {}, True
    facts.pop(sealing.KEY, None)
    return facts, False


def footer_sql(facts: Mapping[str, Any]) -> str:
    """DuckDB's COPY option that writes `facts` into the footer, with a place for the file's checksum."""
    text = _as_text({**facts, sealing.KEY: sealing.OPEN})
    return f"KV_METADATA {{{_FOOTER.decode()}: {literal(text)}}}"


def stamp(path: Path, stand_in: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Replace the stand-in in a file's footer by the file's own facts. Both have the same length.

    One COPY writes the same stand-in into the files of all days. Raises OSError if the footer is not as written.
    """
    old, new = (_as_text({**each, sealing.KEY: sealing.OPEN}).encode() for each in (stand_in, facts))
    with path.open("r+b") as opened:
        opened.seek(-8, os.SEEK_END)
        length = int.from_bytes(opened.read(4), "little")
        opened.seek(-8 - length, os.SEEK_END)
        tail = opened.read(length)
        if tail.count(old) != 1 or len(old) != len(new):
            raise OSError(f"{path.name}: the footer is not as written")
        opened.seek(-8 - length, os.SEEK_END)
        opened.write(tail.replace(old, new))


def _as_text(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True, default=str)


def rows_in(paths: Iterable[Path]) -> int:
    """Number of rows, from the files' metadata."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    return sum(pq.read_metadata(path).num_rows for path in paths)


def first_rows(path: Path, number: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns of a file and the values of its first rows. Three times as fast as a query."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    with pq.ParquetFile(path) as opened:
        names = opened.schema_arrow.names
        batch = next(opened.iter_batches(number, use_threads=False), None)
    columns = [] if batch is None else [column.to_pylist() for column in batch.columns]
    return names, list(zip(*columns, strict=True))
