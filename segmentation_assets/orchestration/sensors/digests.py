"""The alert sensors: each new alert once, in a digest.

Here: the alerts of each sensor, the text of a digest, and posting it where the policy says so. Not here: what an
alert is (`activation.alerts`).

Alerts are numbered in the order of booking, so a sensor only remembers the last number that it reported. At its first
look it reports nothing: older alerts are history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from segmentation_assets.policy.activation import ALERT_KINDS
from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.access import NotPublished, fetched, open_table, query
from segmentation_assets.settings import Settings
from segmentation_assets.sync.connecting import need_extra

TABLE = "segment_alerts"
RENEWAL = "renewal_at_risk"
_COLUMNS = ("number", "kind", "account_id", "account_name", "moved_from", "moved_to", "owner", "cause_text")


def segment_moves(settings: Settings, policy: Policy) -> dg.SensorDefinition:
    """The sensor of moves of segment and tier and of billing crossings, moves into At-Risk first."""
    kinds = [kind for kind in ALERT_KINDS if kind != RENEWAL]
    text = "Reports each new move and billing crossing once."
    return _sensor("segment_move_sensor", kinds, text, settings, policy)


def declining_usage(settings: Settings, policy: Policy) -> dg.SensorDefinition:
    """The sensor of accounts with declining usage and a near renewal."""
    text = "Reports each account with declining usage and a near renewal, once per renewal."
    return _sensor("declining_usage_sensor", [RENEWAL], text, settings, policy)


def _sensor(
    name: str, kinds: Sequence[str], description: str, settings: Settings, policy: Policy
) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        minimum_interval_seconds=policy.orchestration.sensors.alert_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        last_number = int(context.cursor) if context.cursor else None
        last, alerts = new_alerts(settings, kinds, last_number)
        if not alerts:
            cursor = None if last is None else str(last)
            return dg.SensorResult(skip_reason=dg.SkipReason("no new alerts"), cursor=cursor)
        text = digest(alerts, policy.orchestration.sensors.digest_lines)
        context.log.info(text)
        if policy.orchestration.sensors.posts_digest:
            post(settings, policy)
        return dg.SensorResult(skip_reason=dg.SkipReason(text), cursor=str(last))

    return sensor


def post(settings: Settings, policy: Policy) -> None:
    """Post to Slack what no digest has had yet. If Slack does not take it, the tick fails and the next tries again.

    Raises SyncRefused without the extra `crm` or if Slack refuses, NoSecret without a webhook.
    """
    need_extra()
    from segmentation_assets.sync.slack import post_digest  # noqa: PLC0415 - needs the extra

    post_digest(settings.home, policy)


def new_alerts(
    settings: Settings, kinds: Sequence[str], after: int | None
) -> tuple[int | None, list[dict[str, Any]]]:
    """The last number (None: there is no table), and the alerts of these kinds after number `after` (None: none)."""
    try:
        with open_table(TABLE, home=settings.home) as connection:
            _, [(last,)] = fetched(connection, f"SELECT coalesce(max(number), 0) FROM {TABLE}")
            if after is None:
                return last, []
            listed = ", ".join(f"'{kind}'" for kind in kinds)
            where = f"number > {after} AND kind IN ({listed})"
            names, rows = fetched(connection, query(connection, TABLE, where, columns=_COLUMNS))
    except NotPublished:
        return None, []
    alerts = [dict(zip(names, row, strict=True)) for row in rows]
    return last, sorted(alerts, key=lambda alert: alert["number"])


def digest(alerts: Sequence[dict[str, Any]], lines: int) -> str:
    """The number of alerts by kind, then one line per alert in the order of booking, at most `lines`."""
    by_kind = {kind: sum(alert["kind"] == kind for alert in alerts) for kind in ALERT_KINDS}
    head = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in by_kind.items() if count)
    shown = [_line(alert) for alert in alerts[:lines]]
    rest = [f"... and {len(alerts) - lines} more: segmentation show {TABLE}"] if len(alerts) > lines else []
    return "\n".join([head, *shown, *rest])


def _line(alert: dict[str, Any]) -> str:
    who = alert["account_name"] or alert["account_id"]
    moved = f"{alert['moved_from']} to {alert['moved_to']}" if alert["moved_from"] else alert["moved_to"]
    return f"{alert['kind'].replace('_', ' ')}: {who}, {moved}; {alert['cause_text']}; {alert['owner'] or 'no owner'}"
