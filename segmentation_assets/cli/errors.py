"""Errors as people see them: a message and an exit code, never a traceback.

Here: the one place that turns what the rooms raise into what a terminal shows. Not here: any reason (the rooms raise
`segmentation_assets.reasons`). What is neither such a reason nor about a file is a fault of this program; it keeps
its traceback.

Exit codes: 0 fine; 1 the data, a file or the run failed; 2 wrong use.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console

from segmentation_assets.reading.escaping import escape
from segmentation_assets.reasons import Refusal, WrongUse

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SIGNS_OF_A_FULL_DISK = ("database or disk is full", "disk I/O error", "No space left on device", "File too large")
"""What SQLite and DuckDB say. SQLite says `disk I/O error`, too, where its journal cannot grow."""


class Failed(click.ClickException):
    """Exit code 1, with a reason."""

    exit_code = Refusal.exit_code

    def show(self, file: Any = None) -> None:
        """Print the reason, and only that."""
        Console(stderr=file is None, file=file, soft_wrap=True).print(
            f"[red]failed:[/] {escape(self.format_message())}", highlight=False
        )


@contextmanager
def shown_as_messages() -> Iterator[None]:
    """Raise what people can act on as click's exceptions, which print a message and end with an exit code."""
    try:
        yield
    except WrongUse as error:
        raise click.UsageError(str(error)) from None
    except Refusal as error:
        raise Failed(_no_room(error) or str(error)) from None
    except BrokenPipeError:
        raise
    except Exception as error:
        if reason := _no_room(error):
            raise Failed(reason) from None
        if isinstance(error, OSError):
            raise Failed(str(error)) from None
        if _is_of_the_engine(error):  # a published file that cannot be read; what people type raises WrongFilter
            raise Failed(str(error).partition("\n")[0]) from None
        raise


def _no_room(error: BaseException) -> str | None:
    """The reason, if the error or one behind it says that nothing more can be written to the disk."""
    behind: BaseException | None = error
    while behind is not None:
        text = str(behind)
        full = isinstance(behind, OSError) and behind.errno in _FULL
        if full or any(sign in text for sign in _SIGNS_OF_A_FULL_DISK):
            what = text.strip().partition("\n")[0]
            return (
                f"nothing more can be written to the disk ({what}). Free some space and give the same command again: "
                "what was published stays, and the run continues from there"
            )
        behind = behind.__cause__ or behind.__context__
    return None


def _is_of_the_engine(error: Exception) -> bool:
    """Whether DuckDB raised it. Where DuckDB is not loaded, it cannot have."""
    engine = sys.modules.get("duckdb")
    return engine is not None and isinstance(error, engine.Error)
