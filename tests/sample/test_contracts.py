"""The sample's rows meet the product's own contracts, but for the broken ones."""

import pandas as pd
import pandera.errors
import pytest

from segmentation_assets.extracts import contracts
from segmentation_assets.sample import tables
from tests.sample.conftest import Sample


@pytest.mark.parametrize("name", tables.SCHEMAS)
def test_all_but_the_broken_rows_meet_the_contract(sample: Sample, name: str):
    contract = getattr(contracts, "".join(word.capitalize() for word in name.split("_")))
    schema = contract.to_schema()
    schema = schema.remove_columns([column for column in contracts.HISTORY_COLUMNS if column in schema.columns])
    schema.unique = None
    assert list(schema.columns) == tables.SCHEMAS[name].names
    path = sample.summary.directory / name
    files = sorted(path.iterdir())[-30:] if path.is_dir() else [path.with_suffix(".parquet")]
    refused, broken = 0, sample.summary.broken_rows[name]
    for file in files:
        frame = pd.read_parquet(file, dtype_backend="numpy_nullable")
        try:
            schema.validate(frame, lazy=True)
        except pandera.errors.SchemaErrors as error:
            cases = error.failure_cases
            assert cases["index"].notna().all(), cases
            refused += cases["index"].nunique()
    assert refused <= broken
