"""Whether a whole run would make anything. If not, the command ends without Dagster, which takes seconds to load.

Here: the question. Not here: running (`runs`), or which days are stale (`warehouse.planning`). This module must not
import Dagster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts.landing import is_landed
from segmentation_assets.extracts.sources import SourcesError, read_sources
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.reading.access import NotPublished, last_day_covered
from segmentation_assets.report.publishing import current_report
from segmentation_assets.settings import Settings
from segmentation_assets.tables.registry import AS_OF, TableSpec
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.planning import Planner
from segmentation_assets.warehouse.store import Store


@dataclass(frozen=True)
class Kept:
    """A whole run that would make nothing: its newest day, why it is this one, and the tables, inputs first."""

    day: date
    why_this_day: str
    tables: tuple[str, ...]


def kept(settings: Settings, days: Sequence[date]) -> Kept | None:
    """What a run of the whole chain would find up to date; None: it may have work to do, or its home is in use.

    Without `days`, it is the last day that the extracts cover. Raises PolicyError.
    """
    policy, store = load_policy(settings.policy), Store(settings.home)
    today = policy.company.today()
    day = max(days) if days else last_day_covered(settings.home, today)
    if settings.sources is None or day is None or day >= today or policy.crm.systems or store.holder():
        return None
    if not _is_landed(settings, store, policy) or not _is_built(store, policy, days or [day]):
        return None
    try:
        if current_report(settings.home, policy, day) is None:
            return None
    except NotPublished:
        return None
    why = "" if days else "the last day that the extracts cover"
    return Kept(day, why, tuple(spec.name for spec in CATALOGUE))


def _is_landed(settings: Settings, store: Store, policy: Policy) -> bool:
    try:
        sources = read_sources(settings.sources)  # type: ignore[arg-type]
    except SourcesError:
        return False
    with open_connection(store) as connection:
        return is_landed(sources, Engine(connection, store), policy.sections)


def _is_built(store: Store, policy: Policy, days: Sequence[date]) -> bool:
    planner = Planner(store, CATALOGUE, policy)
    plan = planner.plan([spec.name for spec in CATALOGUE if not spec.is_extract], days)
    return all(_stands(planner, CATALOGUE[name], needed, days) for name, needed in plan.items())


def _stands(planner: Planner, spec: TableSpec, needed: Sequence[date], days: Sequence[date]) -> bool:
    if spec.is_extract:
        return True
    if spec.is_ledger:
        posted = planner.posted(spec)
        return posted is not None and posted >= max(days)
    if spec.partition is None:
        return planner.is_fresh(spec, None)
    has_files = spec.partition != AS_OF or set(days) & set(needed) <= set(planner.store.days_alone(spec.name, AS_OF))
    return has_files and all(planner.is_fresh(spec, day) for day in needed)
