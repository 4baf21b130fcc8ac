"""Texts kept for as long as code and policy stay the same: compiling the chain takes longer than running a day of it.

Here: a folder of texts by key, and compiling without Python's looking for cycles all the time. Not here: what the
keys are made of (`building`).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_COLLECT_AFTER = (50_000, 20, 100)
"""Objects made, beyond those gone, before Python looks for cycles; how often then among the older ones."""


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Python looks for cycles seldom, and not among what is there already: else a sixth of a first run's CPU.

    Compiling the chain makes millions of small objects beside those of the libraries; nearly all go without it.
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
    """Texts of one kind by name and key in one folder. Losing it costs time, nothing else."""

    folder: Path
    suffix: str = ".sql"

    def get(self, name: str, key: str) -> str | None:
        """The text kept under `key`, if any."""
        try:
            return self._file(name, key).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def keep(self, name: str, key: str, text: str) -> None:
        """Keep `text`; older texts of the name go."""
        target = self._file(name, key)
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(f".{os.getpid()}")
        unfinished.write_text(text, encoding="utf-8")
        for old in self.folder.glob(f"{name}-*{self.suffix}"):
            old.unlink(missing_ok=True)
        unfinished.replace(target)

    def _file(self, name: str, key: str) -> Path:
        return self.folder / f"{name}-{key}{self.suffix}"
