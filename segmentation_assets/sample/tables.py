"""Column types of every extract, and the few ways to build an Arrow column from NumPy arrays.

Belongs here: names, order and types of the written columns, Parquet writing. Not here: what the values are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from segmentation_assets.sample.timeline import Bools, Ints

Column = pa.Array | pa.ChunkedArray | np.ndarray
Columns = Mapping[str, Column]

_TYPES = {
    "text": pa.string(),
    "date": pa.date32(),
    "moment": pa.timestamp("us"),
    "float": pa.float64(),
    "count": pa.int64(),
    "flag": pa.bool_(),
}

_COLUMNS = {
    "crm_accounts": "account_id:text account_name:text domain:text parent_account_id:text"
    " merged_into_account_id:text employees:count annual_revenue:float industry:text sub_industry:text country:text"
    " business_model:text funding_stage:text created_on:date account_executive:text csm_id:text"
    " executive_sponsor:text crm_record_id:text primary_use_case:text maturity:text decision_process:text"
    " integration_need:text buying_cycle_days:count is_reference:flag has_strategic_influence:flag",
    "billing_subscriptions": "subscription_id:text start_date:date account_id:text product:text plan:text region:text"
    " seats:count mrr:float currency:text end_date:date end_known_on:date term_end:date",
    "billing_invoices": "invoice_id:text account_id:text issued_on:date due_on:date paid_on:date amount:float"
    " currency:text period_start:date period_end:date",
    "fx_rates": "currency:text valid_from:date rate:float",
    "product_users": "user_id:text account_id:text created_on:date deactivated_on:date role:text department:text"
    " is_service_user:flag",
    "product_usage": "user_id:text usage_date:date feature:text account_id:text event_count:count session_count:count"
    " session_minutes:float error_count:count",
    "product_features": "feature:text product:text level:text is_key:flag",
    "support_tickets": "ticket_id:text account_id:text opened_at:moment first_response_at:moment resolved_at:moment"
    " priority:text channel:text handling_hours:float csat:float sentiment:float is_escalated:flag",
    "self_service_sessions": "account_id:text used_on:date channel:text sessions:count",
    "marketing_engagement": "account_id:text engaged_on:date channel:text touches:count",
    "interactions": "interaction_id:text account_id:text occurred_on:date kind:text initiated_by:text replied_on:date"
    " play:text",
    "surveys": "response_id:text account_id:text user_id:text sent_on:date answered_on:date kind:text score:float",
    "technology_installs": "account_id:text tool:text first_seen:date category:text relation:text last_seen:date",
    "external_signals": "signal_id:text account_id:text signal:text observed_on:date weight:float",
    "success_goals": "account_id:text goal:text set_on:date due_on:date met_on:date",
    "opportunities": "opportunity_id:text account_id:text kind:text stage:text amount_arr:float created_on:date"
    " closed_on:date competitor:text loss_reason:text",
    "csm_roster": "csm_id:text csm_name:text level:text team:text region:text industries:text weekly_hours:float"
    " hourly_cost:float starts_on:date ends_on:date",
    "csm_time_entries": "entry_id:text csm_id:text account_id:text worked_on:date hours:float activity:text",
    "custom_development": "account_id:text worked_on:date ticket:text hours:float",
    "gtm_spend": "month:date motion:text segment:text amount:float currency:text",
    "leads": "lead_id:text company:text employees:count annual_revenue:float industry:text country:text use_case:text"
    " created_on:date",
}

_TRUTH_COLUMNS = {
    "account_truth": "account_id:text planted_tier:text health:float fit:float growth:float champion:float"
    " churn_hazard_90d:float is_live:flag first_paid_on:date last_paid_on:date arr:float seats:count"
    " expected_active_share:float csm_slot:count csm_effect:float",
    "monthly_truth": "account_id:text month:date planted_tier:text health:float fit:float growth:float champion:float"
    " churn_hazard_90d:float is_live:flag arr:float arr_in_90d:float churned_in_90d:flag expanded_in_90d:flag"
    " contracted_in_90d:flag",
}


def _schema(spec: str) -> pa.Schema:
    pairs = [item.split(":") for item in spec.split()]
    return pa.schema([pa.field(name, _TYPES[kind]) for name, kind in pairs])


SCHEMAS: dict[str, pa.Schema] = {name: _schema(spec) for name, spec in _COLUMNS.items()}
TRUTH_SCHEMAS: dict[str, pa.Schema] = {name: _schema(spec) for name, spec in _TRUTH_COLUMNS.items()}
DROPPED = ("crm_accounts", "csm_roster", "product_features")  # dated full drops
DAILY = ("product_usage",)


def choice(pool: Sequence[str] | pa.Array, codes: np.ndarray, null: Bools | None = None) -> pa.Array:
    """Text column: `pool[codes]`, null where `null`."""
    texts: Any = pool if isinstance(pool, pa.Array) else pa.array(list(pool), pa.string())
    return texts.take(pa.array(codes.astype(np.int64), mask=null))


def ids(prefix: str, numbers: Ints, width: int) -> pa.Array:
    """Zero-padded ids; they sort as text the way their numbers do."""
    return pa.array([f"{prefix}{n:0{width}d}" for n in numbers.tolist()], pa.string())


def dates(days: np.ndarray, null: Bools | None = None) -> pa.Array:
    """Dates from days since 1970-01-01, null where `null`."""
    return pa.array(days.astype(np.int32), mask=null).cast(pa.date32())


def moments(seconds: np.ndarray, null: Bools | None = None) -> pa.Array:
    """Timestamps from whole seconds since 1970-01-01 UTC."""
    return pa.array(seconds.astype(np.int64) * 1_000_000, mask=null).cast(pa.timestamp("us"))


def values(numbers: np.ndarray, null: Bools | None = None) -> pa.Array:
    """Numbers or flags as they are, null where `null`."""
    return pa.array(numbers, mask=null)


def table(name: str, columns: Columns) -> pa.Table:
    """The columns as a table of the named extract (or truth), cast to its types in its order."""
    schema = SCHEMAS[name] if name in SCHEMAS else TRUTH_SCHEMAS[name]
    arrays = []
    for field in schema:
        column = columns[field.name]
        array = pa.array(column) if isinstance(column, np.ndarray) else column
        arrays.append(array.cast(field.type))
    return pa.table(arrays, schema=schema)


def write(data: pa.Table, path: Path) -> None:
    """One Parquet file; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(data, path, compression="zstd", compression_level=1)
