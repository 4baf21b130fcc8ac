"""`segmentation export`: tables for a spreadsheet. Not here: writing them (`exports`)."""

from __future__ import annotations

from pathlib import Path

import click

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import days_option, policy_option, settings_of
from segmentation_assets.cli.printing.progress import messages, reporting


@click.command("export", short_help="Write tables to Excel or CSV.")
@click.argument("tables", nargs=-1, required=True, metavar="TABLE...", shell_complete=completion.tables)
@days_option
@click.option("--to", type=click.Path(path_type=Path), required=True, metavar="FILE.xlsx|FILE.csv|FOLDER")
@policy_option
@click.pass_obj
def command(home: Path, tables: tuple[str, ...], as_of: str | None, to: Path, policy: Path | None) -> None:
    """Write published TABLEs for a spreadsheet: an Excel workbook, a CSV file, or a folder of CSV files.

    Texts that a spreadsheet would run as formulas stay texts. A dictionary of the columns goes along.
    """
    settings = settings_of(home, policy=policy)
    from segmentation_assets.exports.writing import export
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import read_catalogue

    with reporting(messages()) as report:
        entries = read_catalogue(load_policy(settings.policy), home).entries
        written = export(tables, to, as_of, home, entries, report.working)
    for table in written:
        sheets = f", {len(table.sheets)} sheets" if len(table.sheets) > 1 else ""
        messages().print(f"  {table.table:<28} {table.rows:>10,} rows{sheets}  {table.path}")
