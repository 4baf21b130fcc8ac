"""One Spark session: how it is set, and what is said where Spark or Java is missing.

Not here: tables or SQL (`engine`, `compiler`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from segmentation_assets.reasons import Refusal

LOCAL = "local[2]"
_LEAST_JAVA = 17
_SETTINGS: Mapping[str, str] = {
    # What a query means must not depend on the cluster's defaults.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_SETTINGS_OF_LOCAL: Mapping[str, str] = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
}


class NoSpark(Refusal, RuntimeError):
    """Spark cannot start here. The message says what is missing and how to get it."""


def require() -> None:
    """Raises NoSpark if pyspark is not installed, or no Java of version 17 or newer is found."""
    if find_spec("pyspark") is None:
        raise NoSpark("Spark needs the extra `spark`: pip install 'segmentation-assets[spark]'")
    java = _java()
    if java is None:
        raise NoSpark(
            f"Spark needs Java {_LEAST_JAVA} or newer: no `java` in JAVA_HOME or on the PATH. On Debian: "
            "apt-get install default-jre-headless"
        )
    version = _version_of(java)
    if version < _LEAST_JAVA:
        raise NoSpark(
            f"Spark needs Java {_LEAST_JAVA} or newer: {java} is Java {version}. Set JAVA_HOME to a newer one"
        )


@contextmanager
def open_session(master: str = LOCAL, settings: Mapping[str, str] | None = None) -> Iterator[Any]:
    """A Spark session with the settings above, which `settings` may extend. It is stopped at the end.

    Raises NoSpark.
    """
    require()
    from pyspark.sql import SparkSession  # noqa: PLC0415 - loads only where Spark is used

    chosen = {**_SETTINGS, **(_SETTINGS_OF_LOCAL if master.startswith("local") else {}), **(settings or {})}
    builder = SparkSession.builder.master(master).appName("segmentation")  # pyright: ignore[reportAttributeAccessIssue]
    for name, value in chosen.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    if home:
        return shutil.which("java", path=str(Path(home) / "bin"))
    return shutil.which("java")


@cache
def _version_of(java: str) -> int:
    """The major version. `java -version` writes `openjdk version "17.0.15"` to stderr."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    quoted = said.partition('"')[2].partition('"')[0].split(".")
    first = quoted[1] if quoted[0] == "1" and len(quoted) > 1 else quoted[0]
    return int(first) if first.isdigit() else 0
