"""Progress on stderr while something works: a live line on a terminal, plain lines elsewhere.

Here: showing steps that begin and end. Not here: the work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_EVERY_SECONDS = 5.0


def messages() -> Console:
    """Where everything goes that is no data: stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say_where(console: Console, address: str) -> None:
    """The address to open. It is the key to the page: whoever has it can do what this user can."""
    console.print(f"{address}  (Ctrl-C ends it)", markup=False)
    console.print("The address has a key: keep it to yourself. It changes with each start.")


class Reporter:
    """Says what is being done: `working` passes; what is `finished`, and a `remark`, stay on the screen."""

    def __init__(self, console: Console, bar: Progress | None, total: int | None) -> None:
        self._console = console
        self._bar = bar
        self._task = bar.add_task("", total=total) if bar else None
        self._last = time.monotonic()

    def working(self, text: str) -> None:
        """What is being done now. Without a terminal, at most one line every few seconds."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text)
        elif time.monotonic() - self._last > _EVERY_SECONDS:
            self._last = time.monotonic()
            self._console.print(f"  … {text}", highlight=False, markup=False)

    def remark(self, text: str) -> None:
        """Something to know, which stays on the screen."""
        self._last = time.monotonic()
        self._console.print(f"  {text}", highlight=False, markup=False)

    def finished(self, text: str | None = None) -> None:
        """One more step is done; `text` stays on the screen."""
        self._last = time.monotonic()
        if text:
            self._console.print(text, highlight=False, markup=False)
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)


@contextmanager
def reporting(console: Console, total: int | None = None) -> Iterator[Reporter]:
    """A reporter for as long as the work lasts. `console` writes to stderr."""
    if not console.is_terminal:
        yield Reporter(console, None, total)
        return
    counted = [BarColumn(bar_width=24), MofNCompleteColumn()] if total else []
    columns = (SpinnerColumn(), *counted, TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as bar:
        yield Reporter(console, bar, total)
