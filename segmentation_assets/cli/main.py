"""The `segmentation` command.

Here: commands, options, exit codes. Not here: what they do (each in its room), or how rows look (`terminal`).

Exit codes: 0 fine; 1 the data or the run failed, with the reason; 2 wrong use. Data goes to stdout, everything else
to stderr. Commands import what they need when they run: `show` and `explain` load neither Dagster nor the chain.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from segmentation_assets.reading.escaping import escape
from segmentation_assets.settings import DEFAULT, BrokenMemory, Settings, find_home, find_settings

if TYPE_CHECKING:
    from segmentation_assets.running.runs import Outcome, Runner, Step
    from segmentation_assets.warehouse.store import Holder

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_SCREENFUL = 20
_DEMO_DAYS, _DEMO_USERS, _DEMO_SEED = 730, 25, 7
F = TypeVar("F", bound=Callable[..., Any])


class _Day(click.ParamType):
    name = "DAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """A date such as 2026-03-31; `today` or `yesterday` in the company's timezone."""
        if isinstance(value, date):
            return value
        words = {"today": 0, "yesterday": 1}
        if value in words:
            return _today_under(ctx) - timedelta(days=words[value])
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day such as 2026-03-31, today or yesterday", param, ctx)


DAY = _Day()


class Failed(click.ClickException):
    """The data or the run failed: exit code 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the reason, and only that."""
        Console(stderr=file is None, file=file, soft_wrap=True).print(
            f"[red]failed:[/] {escape(self.format_message())}", highlight=False
        )


def _today_under(context: click.Context | None) -> date:
    """Today under the policy that a command is given, or that its home remembers; that option is read first."""
    home, policy = (context.obj, context.params.get("policy")) if context else (None, None)
    with _reasons():
        return _today(_settings(home or find_home(), policy=policy if isinstance(policy, Path) else None))


def _today(settings: Settings) -> date:
    from segmentation_assets.policy.model import load_policy

    return load_policy(settings.policy).company.today()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--home",
    type=_FOLDER,
    metavar="DIR",
    help="Folder that everything is kept in. [default: SEGMENTATION_HOME, else data/]",
)
@click.pass_context
def main(context: click.Context, home: Path | None) -> None:
    """Account segmentation: from a company's extracts to segments, KPIs and plans, one day after the other."""
    context.obj = find_home(home)


def _sources_option(function: F) -> F:
    return click.option(
        "--sources", type=_FILE, metavar="FILE", help="The mapping of your extracts. [default: as last time]"
    )(function)


def _policy_option(function: F) -> F:
    return click.option(
        "--policy",
        type=_FILE,
        metavar="FILE",
        is_eager=True,  # before days: what is today depends on the company's timezone
        help=f"Your policy, laid over the shipped one (`{DEFAULT}`). [default: as last time]",
    )(function)


def _settings(
    home: Path, sources: Path | None = None, policy: Path | None = None, needs_sources: bool = True
) -> Settings:
    """The settings of a command; what only reads published tables works without the sources they came from."""
    try:
        found = find_settings(home, sources, policy)
    except BrokenMemory as error:
        raise Failed(str(error)) from None
    if str(policy) == DEFAULT:
        found = replace(found, policy=None)
    needed = (("--sources", found.sources if needs_sources else None), ("--policy", found.policy))
    for option, path in needed:
        if path is not None and not path.exists():
            raise click.UsageError(f"{option}: there is no file {path}")
    return found


def _with_sources(settings: Settings) -> Settings:
    if settings.sources is None:
        raise click.UsageError(
            f"no sources: name your mapping with --sources, put it at {settings.home / 'sources.yaml'}, "
            "or make a sample company with `segmentation demo`"
        )
    return settings


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn what the rooms raise about data and files into a reason and an exit code, without a traceback."""
    import duckdb

    from segmentation_assets.reading.access import NotPublished, WrongDay, WrongFilter

    try:
        yield
    except duckdb.Error as error:  # a published file that is broken; what people type raises WrongFilter
        raise Failed(str(error).partition("\n")[0]) from None
    except (WrongDay, WrongFilter) as error:
        raise click.UsageError(str(error)) from None
    except NotPublished as error:
        raise Failed(str(error)) from None
    except ValueError as error:
        # Raised by rooms that may not have been loaded: named, not imported.
        if type(error).__name__ == "PolicyError":
            raise click.UsageError(str(error)) from None
        if type(error).__name__ == "SourcesError":
            raise Failed(str(error)) from None
        raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise Failed(str(error)) from None


def _err() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


# -- a whole demonstration


@main.command()
@click.option(
    "--accounts", type=click.IntRange(1), default=400, show_default=True, help="Live accounts of the sample."
)
@click.option("--end", type=DAY, default="yesterday", show_default=True, help="Last day of every extract.")
@click.option(
    "--months", type=click.IntRange(0), default=1, show_default=True, help="Month-ends to compute as history."
)
@click.pass_obj
def demo(home: Path, accounts: int, end: date, months: int) -> None:
    """Make a sample company, run the whole chain on it, and say what came of it."""
    sample = _settings(home).sample
    with _reasons():
        sources = _generate(sample, accounts, _DEMO_DAYS, _DEMO_USERS, _DEMO_SEED, end)
        settings = _settings(home, sources, Path(DEFAULT))
        _check(settings)
        _run(settings, [*_month_ends(end, months), end], "*", "table")
        from segmentation_assets.cli.printing.summary import print_summary

        print_summary(Console(), home, end)


def _month_ends(end: date, months: int) -> list[date]:
    """The ends of the last `months` months before `end`."""
    ends: list[date] = []
    while len(ends) < months:
        ends.append((ends[-1] if ends else end).replace(day=1) - timedelta(days=1))
    return ends


# -- making a sample


@main.command()
@click.argument("directory", type=_FOLDER)
@click.option("--accounts", type=click.IntRange(1), default=400, show_default=True, help="Live accounts at the end.")
@click.option("--days", type=click.IntRange(1), default=730, show_default=True, help="Days of history.")
@click.option("--users-per-account", type=click.IntRange(1), default=25, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same company.")
@click.option("--end", type=DAY, default="yesterday", show_default=True, help="Last day of every extract.")
def generate(directory: Path, accounts: int, days: int, users_per_account: int, seed: int, end: date) -> None:
    """Write a realistic sample company into DIRECTORY: all extracts and their sources.yaml."""
    with _reasons():
        _generate(directory, accounts, days, users_per_account, seed, end)


def _generate(directory: Path, accounts: int, days: int, users: int, seed: int, end: date) -> Path:
    from segmentation_assets.cli.printing.progress import reporting
    from segmentation_assets.sample.generate import generate as write

    console = _err()
    with reporting(console) as report:
        made = write(
            directory,
            accounts=accounts,
            days=days,
            users_per_account=users,
            seed=seed,
            end=end,
            progress=lambda text: report.working(f"writing {text}"),
        )
    console.print(
        f"A sample company up to {made.end}: {made.live_accounts:,} live accounts, {made.churned_accounts:,} gone, "
        f"ARR {made.arr:,.0f}; {sum(made.rows.values()):,} rows of {len(made.rows)} extracts\nsources: {made.sources}"
    )
    return made.sources


# -- running


@main.command("check-sources")
@_sources_option
@_policy_option
@click.pass_obj
def check_sources(home: Path, sources: Path | None, policy: Path | None) -> None:
    """Say what is wrong with the mapping of your extracts, before anything runs."""
    with _reasons():
        _check(_with_sources(_settings(home, sources, policy)))


def _check(settings: Settings) -> None:
    from segmentation_assets.extracts.checking import check_sources as check
    from segmentation_assets.extracts.sources import read_sources
    from segmentation_assets.policy.model import load_policy

    mapping = read_sources(_with_sources(settings).sources or Path())
    found = check(mapping, load_policy(settings.policy).sections)
    problems = [problem for problem in found if not problem.is_warning]
    for warning in (problem for problem in found if problem.is_warning):
        _err().print(f"[yellow]warning:[/] {escape(str(warning))}")
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise Failed("\n".join([f"{count} with {mapping.file}", *map(str, problems)]))
    _err().print(f"{mapping.file}: {len(mapping.extracts)} extracts, no problems")


@main.command()
@_sources_option
@_policy_option
@click.option("--as-of", type=DAY, help="The day to compute: its state at the end of the day.")
@click.option("--from", "first", type=DAY, help="First day of a range, with --to.")
@click.option("--to", "last", type=DAY, help="Last day of a range.")
@click.option(
    "--select",
    "selection",
    default="*",
    show_default=True,
    help="Tables, as Dagster selects assets: `+segments`, `key:tier_kpis`, `group:scores`.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long to wait for another run in the same home. [default: the policy's orchestration.patience_seconds]",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_obj
def run(
    home: Path,
    sources: Path | None,
    policy: Path | None,
    as_of: date | None,
    first: date | None,
    last: date | None,
    selection: str,
    wait: float | None,
    form: str,
) -> None:
    """Land the extracts and bring the tables up to date, for one day or a range. What is up to date is kept."""
    days = _days(as_of, first, last)
    settings = _with_sources(_settings(home, sources, policy))
    with _reasons():
        _run(settings, days, selection, form, wait)


def _days(as_of: date | None, first: date | None, last: date | None) -> list[date]:
    if as_of and (first or last):
        raise click.UsageError("say either --as-of or --from and --to")
    if first or last:
        if not (first and last):
            raise click.UsageError("a range needs both --from and --to")
        if last < first:
            raise click.UsageError(f"--to {last} is before --from {first}")
        return [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return [as_of] if as_of else []


def _run(settings: Settings, days: list[date], selection: str, form: str, wait: float | None = None) -> None:
    """Run the selected tables; without days, the extracts first, and the rest for the last day that they cover."""
    console = _err()
    with console.status("loading Dagster and the chain") if console.is_terminal else nullcontext():
        from segmentation_assets.extracts.sources import read_sources
        from segmentation_assets.running.runs import Runner, SelectionError

    try:
        runner = Runner(settings, wait_seconds=wait)
        selected = runner.with_unlanded(runner.select(selection))
        runner.check_days(days)
        if settings.sources and runner.extracts_of(selected):
            read_sources(settings.sources)  # a mapping that cannot be read is told once, before anything runs
        settings.remember()
        extracts = [] if days else runner.extracts_of(selected)
        outcomes = [_execute(runner, extracts, [])] if extracts else []
        rest = [name for name in selected if name not in extracts]
        if rest and all(outcome.succeeded for outcome in outcomes):
            outcomes.append(_execute(runner, rest, days or [_last_day_covered(settings)]))
    except SelectionError as error:
        raise click.UsageError(str(error)) from None
    if form == "json":
        click.echo(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    _sum_up(outcomes)


def _execute(runner: Runner, names: list[str], days: list[date]) -> Outcome:
    from segmentation_assets.cli.printing.progress import reporting

    with reporting(_err(), len(names)) as report:
        return runner.run(names, days, _teller(report), report.remark)


def _last_day_covered(settings: Settings) -> date:
    from segmentation_assets.reading.access import last_day_covered

    today = _today(settings)
    covered = last_day_covered(settings.home, today)
    day = covered or today - timedelta(days=1)
    why = "the last day that the extracts cover" if covered else "yesterday: no extract says which day it is of"
    _err().print(f"as_of {day}: {why}")
    return day


def _sum_up(outcomes: list[Outcome]) -> None:
    steps = [step for outcome in outcomes for step in outcome.steps]
    failed = [f"{step.table}: {step.reason}" for step in steps if step.state == "failed"]
    if failed or not all(outcome.succeeded for outcome in outcomes):
        skipped = [step.table for step in steps if step.state == "skipped"]
        note = [f"not run, as they read it: {', '.join(skipped)}"] if skipped else []
        reasons = [outcome.reason for outcome in outcomes if outcome.reason]
        raise Failed("\n".join([*failed, *(reasons or note)]) or "the run failed; see `segmentation ui`")
    made = sum(bool(step.days_made) for step in steps)
    _err().print(f"{len(steps)} tables up to date, {made} of them had something to do")
    written = next((step for step in steps if step.table == "report" and step.days_made), None)
    if written:
        _err().print("report: reports/latest.html in the home; `segmentation report --open` shows a new one")


def _teller(report: Any) -> Callable[[Step], None]:
    def tell(step: Step) -> None:
        if step.state == "started":
            report.working(step.table)
        elif step.state == "done":
            did = f"{step.days_made} made" + (f", {step.days_kept} kept" if step.days_kept else "")
            report.finished(f"  {step.table:<28} {step.rows or 0:>10,} rows  {did}  {step.seconds or 0:.1f} s")
        else:
            report.finished(f"  {step.table:<28} {step.state}")

    return tell


# -- looking


@main.command()
@click.argument("table")
@click.option("--as-of", help="A day, `all`, or a range such as 2026-01-01..2026-03-31. [default: the latest]")
@click.option("--where", metavar="SQL", help="A condition, such as \"arr > 50000 and segment = 'Growth'\".")
@click.option("--columns", metavar="A,B", help="Only these columns.")
@click.option(
    "--limit", type=click.IntRange(0), help=f"At most so many rows. [default: {_SCREENFUL} in a table, else all]"
)
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), default="table", show_default=True
)
@click.option("--output", type=_FILE, help="Write to this file instead of the terminal.")
@click.pass_obj
def show(
    home: Path,
    table: str,
    as_of: str | None,
    where: str | None,
    columns: str | None,
    limit: int | None,
    form: str,
    output: Path | None,
) -> None:
    """Print a published TABLE, of the latest day or another."""
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: say --output FILE, or pipe it")
    with _reasons():
        _show(
            home, table, as_of, where, [c.strip() for c in columns.split(",")] if columns else [], limit, form, output
        )


def _show(
    home: Path,
    table: str,
    as_of: str | None,
    where: str | None,
    columns: list[str],
    limit: int | None,
    form: str,
    output: Path | None,
) -> None:
    from segmentation_assets.reading import rows as formats
    from segmentation_assets.reading.access import fetched, open_table, query

    with open_table(table, as_of, home) as connection:
        screen = limit if limit is not None else _SCREENFUL if form == "table" and output is None else None
        # One row more than fits tells whether there are more.
        sql = query(connection, table, where, screen + 1 if screen is not None and limit is None else screen, columns)
        if form == "parquet":
            formats.write_parquet(connection, sql, output or sys.stdout.buffer)
            return
        header, rows = fetched(connection, sql)
        with output.open("w", encoding="utf-8", newline="") if output else nullcontext(sys.stdout) as target:
            if form == "csv":
                formats.write_csv(header, rows, target)
            elif form == "json":
                formats.write_json(header, rows, target)
            else:
                _show_table(Console(file=target), header, rows[:screen], limit is None and len(rows) > (screen or 0))


def _show_table(console: Console, header: list[str], rows: list[Any], is_cut: bool) -> None:
    from segmentation_assets.cli.printing.grid import print_table

    hidden = print_table(console, header, rows)
    if hidden:
        names = ", ".join(header[len(header) - hidden :][:8]) + (", …" if hidden > 8 else "")
        _err().print(f"{hidden} more columns ({names}): --columns, or --format csv")
    if is_cut:
        _err().print(f"the first {len(rows)} rows: --limit, or --format csv")


@main.command()
@click.argument("tables", nargs=-1, required=True, metavar="TABLE...")
@click.option("--as-of", help="A day, `all`, or a range such as 2026-01-01..2026-03-31. [default: the latest]")
@click.option("--to", type=click.Path(path_type=Path), required=True, metavar="FILE.xlsx|FILE.csv|FOLDER")
@_policy_option
@click.pass_obj
def export(home: Path, tables: tuple[str, ...], as_of: str | None, to: Path, policy: Path | None) -> None:
    """Write published TABLEs for a spreadsheet: an Excel workbook, a CSV file, or a folder of CSV files.

    Texts that a spreadsheet would run as formulas stay texts. A dictionary of the columns goes along.
    """
    settings = _settings(home, policy=policy)
    from segmentation_assets.cli.printing.progress import reporting
    from segmentation_assets.exports.workbook import CannotHold
    from segmentation_assets.exports.writing import WrongTarget
    from segmentation_assets.exports.writing import export as write
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import read_catalogue

    with _reasons(), reporting(_err()) as report:
        try:
            entries = read_catalogue(load_policy(settings.policy), home).entries
            made = write(tables, to, as_of, home, entries, report.working)
        except WrongTarget as error:
            raise click.UsageError(str(error)) from None
        except CannotHold as error:
            raise Failed(str(error)) from None
    for one in made:
        sheets = f", {len(one.sheets)} sheets" if len(one.sheets) > 1 else ""
        _err().print(f"  {one.table:<28} {one.rows:>10,} rows{sheets}  {one.path}")


@main.command()
@_policy_option
@click.pass_obj
def views(home: Path, policy: Path | None) -> None:
    """Say where the DuckDB file is that has a view per table, after bringing it up to date. Runs do that too."""
    settings = _settings(home, policy=policy)
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import read_catalogue
    from segmentation_assets.warehouse.store import Store
    from segmentation_assets.warehouse.views import refresh_views

    store = Store(home)
    if not store.tables():
        raise Failed(f"nothing is published in {home}: run `segmentation demo` or `segmentation run` first")
    with _reasons():
        click.echo(refresh_views(store, read_catalogue(load_policy(settings.policy), home).entries.values()))


@main.command()
@click.argument("account")
@click.option("--as-of", help="A day. [default: the latest]")
@_policy_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def explain(home: Path, account: str, as_of: str | None, policy: Path | None, form: str) -> None:
    """Say why ACCOUNT (its id or name) has its segment and tier, down to raw figures."""
    settings = _settings(home, policy=policy, needs_sources=False)
    from segmentation_assets.cli.printing.explanation import print_explanation
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.explanations.gathering import UnknownAccount
    from segmentation_assets.reading.explanations.gathering import explain as gather

    with _reasons():
        try:
            told = gather(account, as_of, home=home, policy=load_policy(settings.policy))
        except UnknownAccount as error:
            raise Failed(str(error)) from None
    if form == "json":
        click.echo(json.dumps(asdict(told), indent=1, default=str, ensure_ascii=False))
    else:
        print_explanation(Console(), told)


@main.command()
@click.option("--as-of", type=DAY, help="The day to report on. [default: the latest that has segments]")
@click.option("--output", type=_FILE, help="Write to this file instead of the home's reports folder.")
@click.option("--open", "opens", is_flag=True, help="Show it in the browser.")
@_policy_option
@click.pass_obj
def report(home: Path, as_of: date | None, output: Path | None, opens: bool, policy: Path | None) -> None:
    """Write the report of a day: one HTML file that needs no network."""
    settings = _settings(home, policy=policy, needs_sources=False)
    with _reasons():
        _report(settings, as_of, output, opens)


def _report(settings: Settings, as_of: date | None, output: Path | None, opens: bool) -> None:
    from segmentation_assets.cli.printing.progress import reporting
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.report.publishing import publish_report, write_report

    policy, console = load_policy(settings.policy), _err()
    with reporting(console) as progress:
        if output:
            made = write_report(settings.home, policy, as_of, output, progress.working)
        else:
            made = publish_report(settings.home, policy, as_of, progress=progress.working)
    for reason in made.missing:
        console.print(f"the report does without: {reason}")
    console.print(f"{made.accounts:,} accounts on {made.as_of}, {made.size_bytes / 1e6:.1f} MB, {made.seconds:.1f} s")
    click.echo(made.file)
    if opens:
        click.launch(made.file.absolute().as_uri())


@main.command()
@click.argument("column", metavar="TABLE[.COLUMN]")
@click.option("--up", "direction", flag_value="up", help="What it is made from.")
@click.option("--down", "direction", flag_value="down", help="What is made from it.")
@click.option("--both", "direction", flag_value="both", default=True, help="Both. [default]")
@click.option(
    "--depth",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Steps that the tree shows; raw fields always.",
)
@_sources_option
@_policy_option
@click.option("--format", "form", type=click.Choice(["table", "json", "mermaid"]), default="table", show_default=True)
@click.pass_obj
def lineage(
    home: Path, column: str, direction: str, depth: int | None, sources: Path | None, policy: Path | None, form: str
) -> None:
    """Say what TABLE.COLUMN is made from, back to raw fields, and what is made from it; or of a whole TABLE."""
    settings = _settings(home, sources, policy)
    from segmentation_assets.cli.printing import lineage_tree as shown
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import UnknownColumn, read_catalogue

    directions = ("up", "down") if direction == "both" else (direction,)
    with _reasons():
        facts = read_catalogue(load_policy(settings.policy), home)
        try:
            table, name = facts.find(column)
        except UnknownColumn as error:
            raise click.UsageError(str(error)) from None
        if name is None:
            told: Any = _table_lineage(facts, table, directions, form)
        else:
            mapping = _mapping(settings)
            traces = {one: getattr(facts.lineage, one)(table, name) for one in directions}
            if form == "mermaid":
                told = shown.mermaid_of_column(traces)
            elif form == "json":
                told = json.dumps(shown.column_json(facts, traces, mapping), indent=1, ensure_ascii=False)
            else:
                told = shown.print_column(Console(), facts, traces, depth, mapping)
    if told:
        click.echo(told)


def _table_lineage(facts: Any, table: str, directions: tuple[str, ...], form: str) -> str | None:
    from segmentation_assets.cli.printing import lineage_tree as shown

    if form == "mermaid":
        return shown.mermaid_of_table(facts, table, directions)
    if form == "json":
        return json.dumps(shown.table_json(facts, table, directions), indent=1, ensure_ascii=False)
    shown.print_table_lineage(Console(), facts, table, directions)
    return None


def _mapping(settings: Settings) -> Any:
    """What the home's sources.yaml says of each extract; nothing where there is none."""
    if settings.sources is None:
        return {}
    from segmentation_assets.extracts.sources import read_mapping

    return read_mapping(settings.sources)


@main.command()
@click.argument("table", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown", "json", "csv"]),
    default="table",
    show_default=True,
)
@_policy_option
@click.pass_obj
def dictionary(home: Path, table: str | None, form: str, policy: Path | None) -> None:
    """Say what TABLE and each of its columns means; without TABLE, which tables there are (with --format, all)."""
    settings = _settings(home, policy=policy)
    from segmentation_assets.cli.printing import dictionary as shown
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import UnknownColumn, read_catalogue

    with _reasons():
        facts = read_catalogue(load_policy(settings.policy), home)
        try:
            entries = [facts.entries[facts.find(table)[0]]] if table else list(facts.entries.values())
        except UnknownColumn as error:
            raise click.UsageError(str(error)) from None
        if form != "table":
            shown.write_dictionary(entries, form, sys.stdout)
        elif table:
            shown.print_table_entry(Console(), entries[0])
        else:
            shown.print_tables(Console(), entries)


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_policy_option
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_obj
def scenario(home: Path, file: Path, policy: Path | None, form: str) -> None:
    """Compute the coverage business case in FILE, and say which of its stated figures hold."""
    settings = _settings(home, policy=policy)
    from segmentation_assets.capacity.scenario import ScenarioError, audit, read_scenario
    from segmentation_assets.cli.printing.audit import print_audit
    from segmentation_assets.policy.model import load_policy

    with _reasons():
        chosen = load_policy(settings.policy)
        try:
            case = audit(read_scenario(file), chosen.coverage, chosen.scenario)
        except ScenarioError as error:
            raise Failed(str(error)) from None
    if form == "json":
        click.echo(json.dumps(case.to_dict(), indent=1, ensure_ascii=False))
    else:
        print_audit(Console(), case)


@main.command()
@_sources_option
@_policy_option
@click.option("--all", "shows_all", is_flag=True, help="Also the tables that are fresh.")
@click.option("--check", is_flag=True, help="Exit with 1 unless all that people read is fresh: for monitoring.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_obj
def status(home: Path, sources: Path | None, policy: Path | None, shows_all: bool, check: bool, form: str) -> None:
    """Say what is fresh, stale (and why), late, failed, refused or waiting to land, and what runs."""
    settings = _settings(home, sources, policy)
    from segmentation_assets.chain import CATALOGUE
    from segmentation_assets.cli.printing.status import print_status
    from segmentation_assets.extracts.sources import SourcesError
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.status import as_plain, status_of
    from segmentation_assets.running.storage.run_records import RunRecords

    with _reasons():
        try:
            records = RunRecords(settings.dagster_home)
            found = status_of(settings, CATALOGUE, load_policy(settings.policy), records)
        except SourcesError as error:
            raise Failed(str(error)) from None
    if form == "json":
        click.echo(json.dumps(as_plain(found), indent=1, default=str, ensure_ascii=False))
    else:
        print_status(Console(highlight=False), found, shows_all)
    if check and not found.is_fine:
        sys.exit(1)


# -- screens in a browser


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@_sources_option
@_policy_option
@click.pass_obj
def ui(home: Path, port: int, sources: Path | None, policy: Path | None) -> None:
    """Open Dagster's UI on 127.0.0.1, with its daemon, until Ctrl-C."""
    settings = _settings(home, sources, policy)
    console = _err()

    def ready(other: Holder | None) -> None:
        console.print(f"http://127.0.0.1:{port}  (Ctrl-C ends it)")
        if other:
            console.print(f"pages only: {other} keeps this home current", markup=False)

    _serve(settings, port, ready)


@main.command()
@_sources_option
@_policy_option
@click.pass_obj
def watch(home: Path, sources: Path | None, policy: Path | None) -> None:
    """Keep this home current without a UI: schedules and sensors, until Ctrl-C or SIGTERM. For servers."""
    settings = _with_sources(_settings(home, sources, policy))
    from segmentation_assets.running.automation import automations

    console = _err()
    with _reasons():
        found = automations(settings)

    def ready(_: Holder | None) -> None:
        for each in found:
            console.print(
                f"  {each.name:<32} {each.kind:<9} {'on ' if each.is_on else 'off'}  {each.acts}", markup=False
            )
        console.print(f"watching {settings.home}  (Ctrl-C ends it)", markup=False)

    _serve(settings, None, ready)


def _serve(settings: Settings, port: int | None, ready: Callable[[Holder | None], None]) -> None:
    from segmentation_assets.running.children import PortTaken
    from segmentation_assets.running.screens import AlreadyKept, serve

    _err().print("starting Dagster")
    try:
        code = serve(settings, port, ready)
    except (PortTaken, AlreadyKept) as error:
        raise Failed(str(error)) from None
    if code:
        raise Failed("Dagster ended by itself; its own words are above")


@main.command("app")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@_policy_option
@click.pass_obj
def app_(home: Path, port: int, policy: Path | None) -> None:
    """Explore the published accounts on 127.0.0.1, until Ctrl-C: filter, open one, compare two days."""
    settings = _settings(home, policy=policy)
    from segmentation_assets.reading.access import find_table
    from segmentation_assets.running.children import PortTaken
    from segmentation_assets.running.explorer import NotInstalled, serve

    console = _err()
    with _reasons():
        find_table("segments", home)
    console.print("starting the explorer")
    try:
        code = serve(settings, port, lambda: console.print(f"http://127.0.0.1:{port}  (Ctrl-C ends it)"))
    except NotInstalled as error:
        raise click.UsageError(str(error)) from None
    except PortTaken as error:
        raise Failed(str(error)) from None
    if code:
        raise Failed("the explorer ended by itself; its own words are above")


if __name__ == "__main__":
    main()
