"""A cache of compiled queries. Compiling the chain takes longer than running one day of it.

Here: a folder of texts by key, and running Python's garbage collector less often while compiling. Not here: how the
keys are made (`building`).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segmentation_assets.settings import write_whole

_COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds for `gc.set_threshold`."""


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Run the garbage collector seldom, and not over existing objects. This saves a sixth of a first run's CPU.

    Compiling the chain makes millions of small objects. Nearly all are freed without the collector.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@dataclass(frozen=True)
class Compiled:
    """A folder of texts by name and key. It is a cache: losing it costs only time."""

    folder: Path
    suffix: str = ".sql"

    def get(self, name: str, key: str) -> str | None:
        """The text stored under `key`; None if there is none."""
        try:
            return self._file(name, key).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def keep(self, name: str, key: str, text: str) -> None:
        """Store `text` and delete the older texts of the name."""
        target = self._file(name, key)
        write_whole(target, text)
        for old in self.folder.glob(f"{name}-*{self.suffix}"):
            if old != target:
                old.unlink(missing_ok=True)

    def _file(self, name: str, key: str) -> Path:
        return self.folder / f"{name}-{key}{self.suffix}"
