"""Completion in the shell: tables, columns, accounts and days of the home, and the command that installs it.

Here: what the shell offers for a word that is begun. Not here: the options that use it (`options` and the commands).
A home that cannot be read offers nothing: a shell has no place for a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from segmentation_assets.reasons import Refusal
from segmentation_assets.settings import find_home

if TYPE_CHECKING:
    import duckdb

_PROGRAM = "segmentation"
_VARIABLE = "_SEGMENTATION_COMPLETE"
_MOST_ACCOUNTS = 200
Offers = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _offering(function: Callable[[Path, click.Context, str], Iterator[CompletionItem]]) -> Offers:
    @wraps(function)
    def offered(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        home = find_home(context.find_root().params.get("home"))
        import duckdb

        try:
            return list(function(home, context, begun))
        except (Refusal, OSError, duckdb.Error):
            return []

    return offered


@_offering
def tables(home: Path, _: click.Context, begun: str) -> Iterator[CompletionItem]:
    """Published tables."""
    from segmentation_assets.warehouse.store import Store

    yield from (CompletionItem(name) for name in Store(home).tables() if name.startswith(begun))


@_offering
def table_columns(home: Path, _: click.Context, begun: str) -> Iterator[CompletionItem]:
    """TABLE, or TABLE.COLUMN once the table is written."""
    from segmentation_assets.warehouse.store import Store

    table, dot, column = begun.partition(".")
    published = Store(home).tables()
    if not dot:
        yield from (CompletionItem(name) for name in published if name.startswith(begun))
    if table in published:
        names = _columns_of(home, table)
        yield from (CompletionItem(f"{table}.{name}") for name in names if name.startswith(column))


@_offering
def columns(home: Path, context: click.Context, begun: str) -> Iterator[CompletionItem]:
    """Columns of the command's table, after the last comma."""
    table = _table_of(context)
    if not table:
        return
    before, comma, last = begun.rpartition(",")
    named = {name.strip() for name in before.split(",")}
    for name in _columns_of(home, table):
        if name.startswith(last) and name not in named:
            yield CompletionItem(f"{before}{comma}{name}")


@_offering
def accounts(home: Path, _: click.Context, begun: str) -> Iterator[CompletionItem]:
    """Account ids that begin so, with the account's name; or those whose name does."""
    rows = _query(
        home,
        "segments",
        "SELECT account_id, account_name FROM segments WHERE starts_with(account_id, ?) "
        "OR starts_with(lower(account_name), lower(?)) ORDER BY account_id LIMIT ?",
        [begun, begun, _MOST_ACCOUNTS],
    )
    yield from (CompletionItem(account, help=name or "") for account, name in rows)


@_offering
def days(home: Path, context: click.Context, begun: str) -> Iterator[CompletionItem]:
    """The days that are published of the command's table, or of segments; the newest first."""
    from segmentation_assets.reading.access import find_table

    table = _table_of(context) or "segments"
    words = [str(day) for day in reversed(find_table(table, home).days)]
    yield from (CompletionItem(word) for word in words if word.startswith(begun))


def _table_of(context: click.Context) -> str | None:
    """The table that the command names. Before an option's value is begun, click leaves it among the plain words."""
    named = context.params.get("table") or context.params.get("tables") or context.args
    return named if isinstance(named, str) else next(iter(named), None)


def _columns_of(home: Path, table: str) -> list[str]:
    return [row[0] for row in _query(home, table, f'DESCRIBE "{table}"', [])]


def _query(home: Path, table: str, sql: str, parameters: list[object]) -> list[tuple[str, ...]]:
    from segmentation_assets.reading.access import open_table

    connection: duckdb.DuckDBPyConnection
    with open_table(table, None, home) as connection:
        return connection.execute(sql, parameters).fetchall()


@click.command("completion", short_help="Print what makes the shell complete commands and names.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options, tables, columns, accounts and days.

    \b
    bash: segmentation completion bash >> ~/.bashrc
    zsh:  segmentation completion zsh >> ~/.zshrc
    fish: segmentation completion fish > ~/.config/fish/conf.d/segmentation.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} has no completion here")
    click.echo(kind(context.find_root().command, {}, _PROGRAM, _VARIABLE).source())
