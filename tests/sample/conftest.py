"""One middling and one small company, written once for all tests of the sample."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from segmentation_assets.sample import SampleSummary, generate
from tests.harness.shared import once

END = date(2025, 6, 17)


@dataclass(frozen=True)
class Sample:
    summary: SampleSummary
    connection: duckdb.DuckDBPyConnection

    def frame(self, query: str) -> pd.DataFrame:
        """Rows of the query over views named like the extracts; `{end}` is the last day."""
        return self.connection.execute(query.replace("{end}", f"DATE '{self.summary.end}'")).df()

    def value(self, query: str) -> float:
        return self.frame(query).iloc[0, 0]


def opened(summary: SampleSummary) -> Sample:
    connection = duckdb.connect()
    for path in sorted(summary.directory.iterdir()):
        if path.suffix == ".parquet":
            connection.execute(f"CREATE VIEW {path.stem} AS SELECT * FROM '{path}'")
        elif path.is_dir() and path.name != "truth":
            files = f"read_parquet('{path}/*.parquet', filename = true)"
            connection.execute(f"CREATE VIEW {path.name} AS SELECT * FROM {files}")
    for name in ("accounts", "months"):
        connection.execute(f"CREATE VIEW truth_{name} AS SELECT * FROM '{summary.truth}/{name}.parquet'")
    return Sample(summary, connection)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    folder = once("sample", _write, tmp_path_factory)
    table = opened(pickle.loads((folder / "summary").read_bytes()))  # noqa: S301 - written below
    yield table
    table.connection.close()


def _write(folder: Path) -> None:
    summary = generate(folder / "extracts", accounts=300, days=400, users_per_account=10, seed=11, end=END)
    (folder / "summary").write_bytes(pickle.dumps(summary))


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def spearman(left: np.ndarray, right: np.ndarray) -> float:
    """Rank correlation, ties at their mean rank."""
    return float(np.corrcoef(_ranks(left), _ranks(right))[0, 1])


def auc(score: np.ndarray, happened: np.ndarray) -> float:
    """Chance that one to whom it happened has the higher score; a tie counts one half."""
    ranks, hits = _ranks(score), happened.sum()
    return float((ranks[happened].sum() - hits * (hits + 1) / 2) / (hits * (~happened).sum()))
