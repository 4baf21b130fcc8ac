"""Posting the digest to a Slack webhook.

Here: the request, and remembering what was posted. Not here: the message (`digest`).

A webhook cannot be asked whether it has a message. If the answer is lost, the digest is posted again: rather twice
than never.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.figures import in_currency
from segmentation_assets.sync.calling import Caller, Clock, Patience, said
from segmentation_assets.sync.digest import Digest, find_digest, read_seen, write_seen
from segmentation_assets.sync.records import SyncRefused
from segmentation_assets.sync.secrets import Secrets
from segmentation_assets.warehouse.store import Busy, Holder, locked

WEBHOOK = "SLACK_WEBHOOK_URL"
_REQUESTS_PER_SECOND = 1.0
"""Slack's documented limit of a webhook."""
_LOOPBACK = ("http://127.0.0.1:", "http://localhost:")


def new_digest(home: Path, policy: Policy) -> Digest:
    """What no digest has had yet."""
    with in_currency(policy.company.reporting_currency):
        return find_digest(home, policy.orchestration.sensors.digest_lines, read_seen(_file(home)))


def post_digest(home: Path, policy: Policy, secrets: Secrets | None = None, clock: Clock | None = None) -> Digest:
    """Post what is new as one message, and remember it. Nothing new: nothing is posted.

    Raises NoSecret without a webhook, SyncRefused if Slack refuses or another digest is under way, NoAnswer.
    """
    secrets = secrets or Secrets()
    address = secrets.get(WEBHOOK, "the address of a Slack webhook")
    if not address.startswith(("https://", *_LOOPBACK)):
        raise SyncRefused(f"{WEBHOOK} is no address of a Slack webhook: it begins with https://")
    patience = Patience(policy.crm.attempts, policy.crm.wait_most_seconds, policy.crm.timeout_seconds)
    try:
        with (
            locked(home / "sync" / ".slack.lock", Holder.of_this_process(""), 0),
            closing(Caller("", _REQUESTS_PER_SECOND, patience, secrets, clock=clock)) as caller,
        ):
            digest = new_digest(home, policy)
            if digest.events:
                reply = caller.call("POST", address, json=digest.as_slack())
                if not reply.is_fine:
                    raise SyncRefused(f"Slack does not take the digest: {reply.status}, {said(reply.text)}")
            write_seen(_file(home), digest.seen)
            return digest
    except Busy as busy:
        raise SyncRefused(f"another digest is being posted: {busy.holder or 'it has just begun'}") from None


def _file(home: Path) -> Path:
    return home / "sync" / "slack.json"
