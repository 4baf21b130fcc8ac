"""The warehouse as a Dagster resource: one DuckDB connection and one builder per run.

Here: opening and closing the connection that a run's steps share. Not here: settings of the engine
(`warehouse.engine`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import PrivateAttr

from segmentation_assets.extracts.sources import Sources, SourcesError, read_sources
from segmentation_assets.orchestration.partitions import days_of_run
from segmentation_assets.orchestration.private_api import raise_interrupts_as
from segmentation_assets.policy.model import Policy, load_policy, section_names
from segmentation_assets.policy.orchestration import OrchestrationPolicy
from segmentation_assets.reasons import Refusal
from segmentation_assets.settings import Settings, SparkSettings, keep_private
from segmentation_assets.tables.dictionary import dictionary
from segmentation_assets.tables.registry import Registry
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.compiled import seldom_collecting
from segmentation_assets.warehouse.engine import Engine, configure
from segmentation_assets.warehouse.store import Busy, Holder, Store
from segmentation_assets.warehouse.views import FILE, refresh_views


@dataclass
class Session:
    """Shared by the steps of one run: the builder, and the days of each table that are up to date already."""

    builder: Builder
    sources: Path | None
    done: dict[str, set[date | None]] = field(default_factory=dict)
    _plans: dict[tuple[frozenset[str], tuple[date, ...]], dict[str, list[date]]] = field(default_factory=dict)
    _mapping: Sources | None = None

    @property
    def policy(self) -> Policy:
        """The policy of the run."""
        return self.builder.policy

    def plan(self, names: frozenset[str], days: tuple[date, ...]) -> dict[str, list[date]]:
        """`Builder.plan`, computed once per run, because every step needs the same plan."""
        if (names, days) not in self._plans:
            self._plans[names, days] = self.builder.plan(sorted(names), days)
        return self._plans[names, days]

    def read_sources(self) -> Sources:
        """The mapping of the extracts, read once per run. Raises SourcesError, also if there is no mapping."""
        if self.sources is None:
            raise SourcesError(
                "no sources: name a mapping with `segmentation run --sources FILE`, or put one at "
                f"{self.builder.store.home / 'sources.yaml'}"
            )
        if self._mapping is None:
            self._mapping = read_sources(self.sources)
        return self._mapping

    @staticmethod
    def digest(fingerprints: Sequence[str]) -> str:
        """One fingerprint over several."""
        if len(fingerprints) == 1:
            return fingerprints[0]
        return hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()[:16]

    def forget(self) -> None:
        """Call after an extract has landed: fingerprints and usage days may have changed."""
        self.builder.forget_landed()
        self.done.clear()
        self._plans.clear()


class WarehouseResource(DuckDBResource):
    """DuckDB in memory over the published folder of one home, closed at the end of the run also after an error."""

    database: str = ":memory:"
    home: str
    sources: str | None = None
    policy: str | None = None
    wait_seconds: float | None = None
    """How long to wait for another run of the same home; None: the policy's time."""

    _session: Session | None = PrivateAttr(default=None)
    _engine: Engine | None = PrivateAttr(default=None)
    _big_tables: Any = PrivateAttr(default=None)
    _run_id: str = PrivateAttr(default="")
    _run_days: frozenset[date] | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, settings: Settings, wait_seconds: float | None = None) -> dg.ResourceDefinition:
        """The resource of one home.

        It takes no run configuration: whoever may launch a run does not choose home, sources or policy by it.
        """
        values = {
            "wait_seconds": wait_seconds,
            "home": str(settings.home),
            "sources": str(settings.sources) if settings.sources else None,
            "policy": str(settings.policy) if settings.policy else None,
        }
        fixed = {name: value for name, value in values.items() if value is not None}
        return cls(**fixed).get_resource_definition().configured(lambda _: fixed, config_schema={})

    @contextmanager
    def get_connection(self) -> Generator[duckdb.DuckDBPyConnection, Any, None]:
        """A connection with the engine's settings. Unlike in the base class, it is also closed after an error."""
        store = Store(Path(self.home))
        with (
            store.stage() as spill,
            closing(duckdb.connect(self.database, config=self.connection_config)) as connection,
        ):
            configure(connection, spill)
            yield connection

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[WarehouseResource, Any, None]:
        """One connection for the whole run (or for one step, if steps are processes), with the home locked.

        Dagster's pool only separates runs that Dagster queues; runs from a terminal are not in its queue. Raises
        dg.Failure if the home does not become free in time.
        """
        keep_private()  # also where Dagster was started by its own commands
        store = Store(Path(self.home))
        self._run_id = context.run.run_id if context.run else ""
        self._run_days = frozenset(days_of_run(context.run.tags)) if context.run else None
        with ExitStack() as stack:
            stack.enter_context(store.running(self._run_id or "none"))
            stack.enter_context(self._alone(context, store))
            connection = stack.enter_context(self.get_connection())
            stack.enter_context(seldom_collecting())
            store.sweep()
            self._engine = Engine(connection, replace(store, is_durable=self._read_policy().waits_for_disk))
            self._big_tables = _big_tables(stack)
            yield self
            if self._session is not None:
                _refresh_views(context, store, self._session.builder.registry, connection)

    def _patience(self) -> float:
        if self.wait_seconds is not None:
            return self.wait_seconds
        return self._read_policy().patience_seconds

    def _read_policy(self) -> OrchestrationPolicy:
        return load_policy(Path(self.policy) if self.policy else None).orchestration

    @contextmanager
    def _alone(self, context: dg.InitResourceContext, store: Store) -> Generator[None, Any, None]:
        with ExitStack() as stack:
            held = store.alone(_holder(context), self._patience(), partial(_warn_waiting, context))
            try:
                # Raise interrupts as Dagster's own error. Otherwise Ctrl-C would wait for the lock, too.
                with raise_interrupts_as(dg.DagsterExecutionInterruptedError):
                    stack.enter_context(held)
            except Busy as busy:
                raise dg.Failure(str(busy), allow_retries=False) from None
            yield

    def session(self, registry: Registry) -> Session:
        """The session of this run's steps. Raises PolicyError for a policy that cannot be used."""
        if self._engine is None:
            raise RuntimeError("the warehouse is open only while a run executes")
        if self._session is None:
            policy = load_policy(Path(self.policy) if self.policy else None)
            builder = Builder(self._engine, registry, policy, self._run_id)
            builder.big_tables = self._big_tables
            builder.run_days = self._run_days
            self._session = Session(builder, Path(self.sources) if self.sources else None)
        return self._session


def _big_tables(stack: ExitStack) -> Any:
    """Spark until `stack` closes, if SEGMENTATION_WAREHOUSE says so. Raises dg.Failure with what is missing."""
    try:
        chosen = SparkSettings.from_environment()
        if chosen is None:
            return None
        from segmentation_assets.warehouse.spark import big_tables  # noqa: PLC0415 - loads only where it is used

        return stack.enter_context(big_tables.open_big_tables(chosen))
    except Refusal as refusal:
        raise dg.Failure(str(refusal), allow_retries=False) from None


def _holder(context: dg.InitResourceContext) -> Holder:
    return Holder.of_this_process(context.run.run_id if context.run else "")


def _refresh_views(
    context: dg.InitResourceContext, store: Store, registry: Registry, connection: duckdb.DuckDBPyConnection
) -> None:
    """Refresh the views. If that fails, only warn: one damaged file of an old day must not fail the run."""
    try:
        refresh_views(store, dictionary(registry, section_names()), connection)
    except duckdb.Error as error:
        if context.log is not None:
            first = str(error).partition("\n")[0]
            context.log.warning(
                f"{FILE} is not brought up to date: {first}. `segmentation verify` names damaged files"
            )


def _warn_waiting(context: dg.InitResourceContext, holder: Holder | None) -> None:
    if context.log is not None:
        context.log.warning(f"waiting for another run in this home: {holder or 'it has just begun'}")
