"""A run of the sync with its vendor's client. Not here: what the run does (`applying`), or any client itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from segmentation_assets.policy.model import Policy
from segmentation_assets.sync.applying import Run, silent
from segmentation_assets.sync.records import Crm, SyncRefused
from segmentation_assets.sync.secrets import Secrets


def run_of(
    home: Path,
    policy: Policy,
    system: str,
    secrets: Secrets | None = None,
    progress: Callable[[int, int], None] = silent,
) -> Run:
    """A run that connects when it first needs the CRM. A preview needs no secret."""
    return Run(home, policy, system, lambda: _client(policy, system, secrets or Secrets()), progress=progress)


def _client(policy: Policy, system: str, secrets: Secrets) -> Crm:
    need_extra()
    if system == "hubspot":
        from segmentation_assets.sync.hubspot import HubSpot  # noqa: PLC0415 - it needs the extra

        return HubSpot(policy.crm, secrets)
    from segmentation_assets.sync.salesforce import Salesforce  # noqa: PLC0415 - likewise

    return Salesforce(policy.crm, secrets)


def need_extra() -> None:
    """Raises SyncRefused if the packages that talk to other machines are not installed."""
    try:
        import httpx as _  # noqa: F401, PLC0415 - an optional extra
    except ImportError:
        raise SyncRefused("this needs the extra `crm`: pip install 'segmentation-assets[crm]'") from None
