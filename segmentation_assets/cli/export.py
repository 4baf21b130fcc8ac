"""`segmentation export`: tables for a spreadsheet. Not here: writing them (`exports`)."""

from __future__ import annotations

from pathlib import Path

import click

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import days_option, policy_option, settings_of
from segmentation_assets.cli.printing.progress import messages, reporting

SEMANTIC = "semantic"


@click.command("export", short_help="Write tables to Excel or CSV.")
@click.argument("tables", nargs=-1, required=True, metavar="TABLE...", shell_complete=completion.tables)
@days_option
@click.option("--to", type=click.Path(path_type=Path), required=True, metavar="FILE.xlsx|FILE.csv|FOLDER|FILE.yaml")
@policy_option
@click.pass_obj
def command(home: Path, tables: tuple[str, ...], as_of: str | None, to: Path, policy: Path | None) -> None:
    """Write published TABLEs for a spreadsheet: an Excel workbook, a CSV file, or a folder of CSV files.

    Texts that a spreadsheet would run as formulas stay texts. A dictionary of the columns goes along.

    `export semantic --to FILE.yaml` writes the definitions of KPIs for a semantic layer (MetricFlow).
    """
    settings = settings_of(home, policy=policy)
    if tables == (SEMANTIC,):
        _write_definitions(home, settings.policy, to)
        return
    from segmentation_assets.exports.writing import export
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import read_catalogue

    with reporting(messages()) as report:
        entries = read_catalogue(load_policy(settings.policy), home).entries
        written = export(tables, to, as_of, home, entries, report.working)
    for table in written:
        sheets = f", {len(table.sheets)} sheets" if len(table.sheets) > 1 else ""
        messages().print(f"  {table.table:<28} {table.rows:>10,} rows{sheets}  {table.path}")


def _write_definitions(home: Path, policy: Path | None, to: Path) -> None:
    from segmentation_assets.exports.semantic import semantic_yaml
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import read_catalogue
    from segmentation_assets.settings import write_whole

    if to.suffix not in {".yaml", ".yml"}:
        raise click.UsageError(f"--to {to}: definitions are YAML, so name a file such as kpis.yaml")
    write_whole(to, semantic_yaml(read_catalogue(load_policy(policy), home).entries))
    messages().print(f"  definitions of KPIs  {to}", markup=False, highlight=False, soft_wrap=True)
