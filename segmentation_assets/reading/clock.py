"""Whether this machine's clock was set back: its home has runs that began later than now.

Here: noticing it, and saying what follows. Not here: what each part does then (`orchestration.sensors.requests`,
`extracts.delivery`, `warehouse.posting`), or printing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from segmentation_assets.reading.run_facts import Run

_TOLERANCE = timedelta(minutes=2)
"""Clocks of a network differ by seconds."""


def clock_warning(runs: Sequence[Run], now: datetime) -> str | None:
    """What to say if a run of this home began later than `now`; None if the clock is as it should be."""
    newest = max((run.created_at for run in runs), default=None)
    if newest is None or newest - now <= _TOLERANCE:
        return None
    return (
        f"the clock of this machine says {now:%Y-%m-%d %H:%M} UTC, but a run of this home began at "
        f"{newest:%Y-%m-%d %H:%M} UTC. Was the clock set back? Until it has passed that time, schedules and sensors "
        "wait, and ledgers book nothing for earlier days; what has landed stays. `segmentation run` works as usual"
    )
