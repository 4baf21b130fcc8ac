"""The Dagster instance of one home: its folder, its shipped configuration, opening it.

Here: what makes a command line run, the UI and the daemon use the same instance. Not here: runs (`runs`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from segmentation_assets.settings import Settings

_SHIPPED = Path(__file__).with_name("dagster.yaml")
_NO_COPIES = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}
_EVENT_BATCH = "500"
_ANSWERS_WITHIN = "600"
"""Seconds that a code server may take to answer: on a busy machine Dagster's own 60 end a tick that is only slow."""


def prepare(settings: Settings) -> dict[str, str]:
    """Put the shipped `dagster.yaml` into the home, where it lacks or differs; the variables that Dagster needs."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    target, shipped = settings.dagster_home / "dagster.yaml", _SHIPPED.read_text(encoding="utf-8")
    if not target.exists() or target.read_text(encoding="utf-8") != shipped:
        target.write_text(shipped, encoding="utf-8")
    return {
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_EVENT_BATCH_SIZE": _EVENT_BATCH,
        "DAGSTER_GRPC_TIMEOUT_SECONDS": _ANSWERS_WITHIN,
        "DAGSTER_DISABLE_TELEMETRY": "true",
    }


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance of this home, for runs in this process; its environment is as before at the end.

    Such runs do not copy stdout and stderr into files: people look at them already, and progress would go through
    another process.
    """
    before = dict(os.environ)
    os.environ.update(prepare(settings))
    try:
        reference = InstanceRef.from_dir(str(settings.dagster_home), overrides=_NO_COPIES)
        with dg.DagsterInstance.from_ref(reference) as instance:
            yield instance
    finally:
        os.environ.clear()
        os.environ.update(before)
