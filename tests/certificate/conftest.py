"""One Spark session for all tests of the certificate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from segmentation_assets.warehouse.spark.engine import SparkTables
from segmentation_assets.warehouse.spark.session import open_session
from tests.certificate.engines import QUICK


@pytest.fixture(scope="session")
def spark_tables() -> Iterator[SparkTables]:
    """Tables on a local Spark with two threads."""
    with open_session(settings=QUICK) as session:
        yield SparkTables(session)
