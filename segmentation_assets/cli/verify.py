"""`segmentation verify`: reads all published files to the end. Not here: the reading (`warehouse.verifying`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from segmentation_assets.reading.escaping import escape


@click.command("verify", short_help="Read all published files and name those that are damaged.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def command(home: Path, form: str) -> None:
    """Read every published file; say what is damaged, missing, or not what it says of itself. Exit code 1 if any is.

    Nothing is changed. Runs make damaged tables again by themselves, as far as they need them.
    """
    from segmentation_assets.chain import CATALOGUE
    from segmentation_assets.extracts.standing import tables_without_days
    from segmentation_assets.warehouse.store import Store
    from segmentation_assets.warehouse.verifying import verify

    store = Store(home)
    result = verify(store, CATALOGUE, without_days=tables_without_days(store, CATALOGUE))
    if form == "json":
        problems = [{**vars(each), "file": str(each.file)} for each in result.problems]
        click.echo(json.dumps({"whole": result.whole, "unsealed": result.unsealed, "problems": problems}, indent=1))
    else:
        console = Console(soft_wrap=True, highlight=False)
        for problem in result.problems:
            console.print(escape(str(problem)))
        older = f", {result.unsealed:,} from before files carried a checksum" if result.unsealed else ""
        console.print(f"{result.whole:,} files are whole{older}; {len(result.problems):,} problems")
    if result.problems:
        sys.exit(1)
