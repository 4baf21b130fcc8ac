"""Saying on stderr that this machine's clock was set back. Not here: noticing it (`reading.clock`)."""

from __future__ import annotations

from datetime import UTC, datetime

from segmentation_assets.cli.printing.progress import messages
from segmentation_assets.settings import Settings


def warn_of_clock(settings: Settings) -> None:
    """Say it before something begins that goes by the clock. Raises OSError if the records cannot be read."""
    from segmentation_assets.reading.clock import clock_warning
    from segmentation_assets.running.storage.run_records import RunRecords

    if words := clock_warning(RunRecords(settings.dagster_home).runs(1), datetime.now(UTC)):
        messages().print(f"note: {words}", markup=False)
