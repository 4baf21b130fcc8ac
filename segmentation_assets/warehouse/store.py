"""The published folder: one Parquet file per table, or per table and day.

Here: where files stand, staging beside them, atomic replacement, what a file says of itself (its footer).
Not here: SQL or expressions (`engine`), deciding what to compute (`build`).

Layout: `<home>/published/<table>/part-0.parquet`, or `<home>/published/<table>/<column>=<day>/part-0.parquet`. A
reader sees the old file or the new one, never less: files are made under `<home>/staging/` on the same file
system and moved with `os.replace`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

FILE = "part-0.parquet"
_FOOTER = b"segmentation"
_LOCK = ".lock"


@dataclass(frozen=True)
class Store:
    """The folders of one home. Making one touches nothing."""

    home: Path

    @property
    def published(self) -> Path:
        """The folder readers read."""
        return self.home / "published"

    @property
    def staging(self) -> Path:
        """The folder of unfinished files, on the same file system."""
        return self.home / "staging"

    def file(self, table: str, partition: str | None = None, day: date | None = None) -> Path:
        """Where a table's file, or its file of one day, stands or will stand."""
        folder = self.published / table
        return folder / FILE if partition is None else folder / f"{partition}={day}" / FILE

    def days(self, table: str, partition: str) -> list[date]:
        """The days published, ascending."""
        folder, prefix = self.published / table, f"{partition}="
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:  # a table may have thousands of days: no Path per day
            found = [e.name for e in entries if e.name.startswith(prefix) and os.path.exists(f"{e.path}/{FILE}")]  # noqa: PTH110
        return sorted(date.fromisoformat(name.removeprefix(prefix)) for name in found)

    def tables(self) -> list[str]:
        """Names of all published tables."""
        if not self.published.is_dir():
            return []
        return sorted(p.name for p in self.published.iterdir() if p.is_dir() and any(p.rglob("*.parquet")))

    def publish(self, staged: Path, target: Path) -> None:
        """Move one finished file into place, atomically."""
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)

    @contextmanager
    def stage(self) -> Iterator[Path]:
        """A folder for unfinished files, removed at the end; its name tells whose it is, for `sweep`."""
        self.staging.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.staging))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def alone(self, waits: Callable[[], None] | None = None) -> Iterator[None]:
        """Work in this home while nobody else does who asks; `waits` is called once if somebody does.

        The lock is the operating system's: it ends with the process, however that ends.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waits:
                    waits()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def running(self, run_id: str) -> Iterator[None]:
        """Say that this process works on a run, until it ends, however it ends; for `is_running`."""
        path = self._running_file(run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def is_running(self, run_id: str) -> bool:
        """Whether some process on this machine works on a run."""
        try:
            with self._running_file(run_id).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _running_file(self, run_id: str) -> Path:
        return self.home / "running" / run_id

    def sweep(self) -> int:
        """Remove what dead processes left in staging; returns how many folders."""
        left = [p for p in self.staging.glob("*-*") if not _is_alive(p.name.partition("-")[0])]
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return len(left)


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def footer(path: Path) -> Mapping[str, Any]:
    """What a file says of itself (fingerprints, policy hash, ...); empty for a file without."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - a third of a second that readers of the folder do without

    try:
        metadata = pq.read_metadata(path).metadata or {}
    except FileNotFoundError:
        return {}
    return json.loads(metadata.get(_FOOTER, b"{}"))


def footer_sql(facts: Mapping[str, Any]) -> str:
    """DuckDB's COPY option that writes `facts` into the footer."""
    text = _as_text(facts).replace("'", "''")
    return f"KV_METADATA {{{_FOOTER.decode()}: '{text}'}}"


def stamp(path: Path, stand_in: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Put a file's own facts in place of the stand-in, as long, that one COPY wrote into the footers of all days.

    Raises OSError where the footer is not as written.
    """
    old, new = (_as_text(each).encode() for each in (stand_in, facts))
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
    """Rows by the files' own count."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    return sum(pq.read_metadata(path).num_rows for path in paths)
