"""The Dagster instance of one home: its folder, its shipped configuration, opening it.

Here: opening the same instance for runs in a terminal, the UI and the daemon. Not here: runs (`runs`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import DatabaseError

from segmentation_assets.orchestration.private_api import NO_COMPUTE_LOGS, InstanceRef
from segmentation_assets.running.storage.run_records import damaged_records
from segmentation_assets.settings import Settings, keep_private, write_whole

SHIPPED = Path(__file__).with_name("dagster.yaml")
"""The configuration that every home gets a copy of."""
_EVENT_BATCH = "500"
_ANSWERS_WITHIN = "600"
"""Seconds that a code server may take to answer. With Dagster's own 60, ticks fail on a busy machine."""


class NotWritable(OSError):
    """The home is not writable. The message says what still works."""

    def __init__(self, home: Path, why: object) -> None:
        super().__init__(
            f"{home} cannot be written ({why}): runs, `ui` and `watch` keep their records there. "
            "`show`, `status`, `explain` and `verify` only read"
        )


def prepare(settings: Settings) -> dict[str, str]:
    """Write the shipped `dagster.yaml` into the home unless it is there; the variables that Dagster needs."""
    keep_private()
    try:
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritable(settings.home, error) from None
    if not os.access(settings.dagster_home, os.W_OK):
        raise NotWritable(settings.home, "permission denied")
    target, shipped = settings.dagster_home / "dagster.yaml", SHIPPED.read_text(encoding="utf-8")
    if not target.exists() or target.read_text(encoding="utf-8") != shipped:
        write_whole(target, shipped)
    return {
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_EVENT_BATCH_SIZE": _EVENT_BATCH,
        "DAGSTER_GRPC_TIMEOUT_SECONDS": _ANSWERS_WITHIN,
        "DAGSTER_DISABLE_TELEMETRY": "true",
    }


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance of this home, for runs in this process. The environment is restored at the end.

    Raises NotWritable, and RecordsDamaged if a database of the instance is damaged.

    Such runs do not copy stdout and stderr into files: a person sees them already.
    """
    before = dict(os.environ)
    os.environ.update(prepare(settings))
    try:
        reference = InstanceRef.from_dir(str(settings.dagster_home), overrides=dict(NO_COMPUTE_LOGS))
        with dg.DagsterInstance.from_ref(reference) as instance:
            yield instance
    except DatabaseError as error:
        raise (damaged_records(settings.dagster_home) or error) from None
    finally:
        os.environ.clear()
        os.environ.update(before)
