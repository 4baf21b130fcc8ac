"""Errors as people see them: a message and an exit code, never a traceback.

Here: the one place that turns what the rooms raise into what a terminal shows. Not here: any reason (the rooms raise
`segmentation_assets.reasons`). What is neither such a reason nor about a file is a fault of this program; it keeps
its traceback.

Exit codes: 0 fine; 1 the data, a file or the run failed; 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console

from segmentation_assets.reading.escaping import escape
from segmentation_assets.reasons import Refusal, WrongUse


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
        raise Failed(str(error)) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failed(str(error)) from None
    except Exception as error:
        if _is_of_the_engine(error):  # a published file that cannot be read; what people type raises WrongFilter
            raise Failed(str(error).partition("\n")[0]) from None
        raise


def _is_of_the_engine(error: Exception) -> bool:
    """Whether DuckDB raised it. Where DuckDB is not loaded, it cannot have."""
    engine = sys.modules.get("duckdb")
    return engine is not None and isinstance(error, engine.Error)
