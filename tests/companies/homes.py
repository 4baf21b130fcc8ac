"""A company as files: its extracts as CSV with a mapping, or a home with tables made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import yaml

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store
from tests.companies.company import Company


def written(company: Company, folder: Path) -> Path:
    """The company's extracts as CSV files and the `sources.yaml` that maps them. Returns the mapping's path.

    A CSV says nothing of when a row was known: rows are known from ever to ever. Raises ValueError for a stated table
    that is no extract.
    """
    computed = [name for name in company.stated if not CATALOGUE[name].is_extract]
    if computed:
        raise ValueError(f"no extracts, so in no file: {computed}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in company.stated.items():
        columns = dict.fromkeys(column for row in rows for column in row)
        pd.DataFrame(list(rows), columns=list(columns)).to_csv(folder / f"{name}.csv", index=False)
    mapping = {"version": 1, "extracts": {name: {"path": f"{name}.csv"} for name in company.stated}}
    sources = folder / "sources.yaml"
    sources.write_text(yaml.safe_dump(mapping), encoding="utf-8")
    return sources


def finished(company: Company, folder: Path, names: Iterable[str], days: Sequence[date]) -> Path:
    """A home below `folder`: the extracts have landed, the tables `names` are made for `days`, without Dagster."""
    sources = read_sources(written(company, folder / "extracts"))
    store = Store(folder / "home")
    with open_connection(store) as connection:
        engine = Engine(connection, store)
        for result in land(sources, engine, company.policy.sections, None):
            assert not result.quarantined, result
        builder = Builder(engine, CATALOGUE, company.policy)
        builder.run_days = frozenset(days)
        builder.ensure(names, days)
    return store.home
