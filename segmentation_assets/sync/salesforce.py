"""Salesforce: accounts looked up by an external id and updated by their record id.

Here: logging in, requests, and what Salesforce's answers mean. Not here: waiting and trying again (`calling`), or
what is written (`applying`).

Sources: Salesforce's REST API guide, "Update Records Using sObject Collections" (200 records, answered in order),
"QueryAll"; Bulk API 2.0 guide, "Ingest"; Tooling API guide, "CustomField"; Help, "OAuth 2.0 Client Credentials Flow",
"OAuth 2.0 JWT Bearer Flow". An upsert by external id would create the accounts that it does not find. So accounts
are looked up first, deleted and merged ones included, and updated by record id.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from segmentation_assets.policy.crm import NUMBER, PICKLIST, TEXT, CrmField, CrmPolicy
from segmentation_assets.reading.figures import label
from segmentation_assets.sync.calling import Caller, Clock, NoAnswer, Patience, Reply, said
from segmentation_assets.sync.log import DELETED, MERGED, UNKNOWN
from segmentation_assets.sync.records import Answer, Gone, Property, Record, Setup, SyncRefused, Update
from segmentation_assets.sync.secrets import Secrets

CLIENT_ID, CLIENT_SECRET = "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"
PRIVATE_KEY, USERNAME = "SALESFORCE_PRIVATE_KEY", "SALESFORCE_USERNAME"
PASSWORD = "SALESFORCE_PASSWORD"  # noqa: S105 - the variable's name
COLLECTION = 200
_BULK_GROUP = 10_000
_QUERY_CHARACTERS = 6_000
"""A query stands in the address, which Salesforce limits to 16,384 characters; letters may take three."""
_KINDS = {
    "picklist": PICKLIST, "double": NUMBER, "int": NUMBER, "currency": NUMBER, "percent": NUMBER,
    "string": TEXT, "textarea": TEXT,
}  # fmt: skip
_ID = 15
"""An id has 15 significant characters; the three after them are a check."""
_ASSERTION_SECONDS = 180
_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS = 2.0, 30.0
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Salesforce:
    """A client of one Salesforce org. Never creates an account."""

    system = "salesforce"

    def __init__(self, policy: CrmPolicy, secrets: Secrets, clock: Clock | None = None) -> None:
        """Log in. Raises NoSecret, and SyncRefused without an address or if Salesforce does not let us in."""
        if policy.salesforce.address is None:
            raise SyncRefused("set crm.salesforce.address in the policy: My Domain, https://....my.salesforce.com")
        self._policy, self._secrets, self._clock = policy.salesforce, secrets, clock or Clock()
        self._login = _Login(policy.salesforce.address, secrets)
        patience = Patience(policy.attempts, policy.wait_most_seconds, policy.timeout_seconds)
        rate = policy.salesforce.requests_per_second
        self._entrance = Caller(policy.salesforce.address, rate, patience, secrets, clock=clock)
        self._token = ""
        self._log_in()
        self._caller = Caller(
            policy.salesforce.address,
            rate,
            patience,
            secrets,
            headers=lambda: {"Authorization": f"Bearer {self._token}"},
            renews=self._log_in,
            clock=clock,
        )
        self._data = f"/services/data/v{policy.salesforce.api_version}"
        self._kinds: dict[str, str] = {}

    def _log_in(self) -> None:
        reply = self._entrance.call("POST", "/services/oauth2/token", form=self._login.form(), is_token=True)
        token = reply.body.get("access_token") if reply.is_fine and isinstance(reply.body, dict) else None
        if not token:
            raise SyncRefused(f"Salesforce does not let us in: {reply.status}, {said(reply.text)}")
        self._secrets.learn(str(token))
        self._token = str(token)

    def close(self) -> None:
        """Close connections."""
        self._entrance.close()
        self._caller.close()

    def group(self, accounts: int) -> int:
        """A collection, or for many accounts what one bulk job takes."""
        return _BULK_GROUP if accounts >= self._policy.bulk_from else COLLECTION

    def properties(self) -> Mapping[str, Property]:
        """The fields of Account. Raises SyncRefused if Salesforce does not list them or lacks the external id."""
        reply = self._fine(self._caller.call("GET", f"{self._data}/sobjects/Account/describe"), "describe Account")
        result = {}
        for each in _dicts(reply.body.get("fields") if isinstance(reply.body, dict) else None):
            kind = _KINDS.get(str(each.get("type")), str(each.get("type")))
            values = tuple(str(value["value"]) for value in _dicts(each.get("picklistValues")) if value.get("active"))
            result[each["name"]] = Property(each["name"], kind, values if kind == PICKLIST else None)
        if self._policy.external_id not in result:
            raise SyncRefused(
                f"Account has no field {self._policy.external_id}, by which accounts are looked up: make it (text, "
                "external id, unique), fill it with the account_id, or name another in crm.salesforce.external_id"
            )
        self._kinds = {name: each.kind for name, each in result.items()}
        return result

    def read(self, addresses: Sequence[str], names: Sequence[str]) -> Mapping[str, Record | Gone]:
        """What Salesforce holds, by external id."""
        result: dict[str, Record | Gone] = {}
        for part in _parts(list(dict.fromkeys(addresses))):
            rows = self._query(part, names)
            for each in part:
                result[each] = self._record(each, [row for row in rows if row.get(self._policy.external_id) == each])
        return result

    def _query(self, addresses: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
        lock = [self._policy.lock_field] if self._policy.lock_field else []
        columns = ["Id", self._policy.external_id, "IsDeleted", "MasterRecordId", *names, *lock]
        quoted = ",".join(_quoted(each) for each in addresses)
        soql = f"SELECT {','.join(columns)} FROM Account WHERE {self._policy.external_id} IN ({quoted})"
        reply = self._fine(self._caller.call("GET", f"{self._data}/queryAll", query={"q": soql}), "look accounts up")
        rows = _dicts(reply.body.get("records"))
        while not reply.body.get("done", True):
            path = str(reply.body.get("nextRecordsUrl"))
            if not path.startswith("/services/data/"):
                raise SyncRefused("Salesforce's answer continues at an address that is not its own")
            reply = self._fine(self._caller.call("GET", path), "look accounts up")
            rows += _dicts(reply.body.get("records"))
        return rows

    def _record(self, address: str, rows: Sequence[Mapping[str, Any]]) -> Record | Gone:
        live = [row for row in rows if not row.get("IsDeleted")]
        if len(live) > 1:
            return Gone(UNKNOWN, f"{len(live)} accounts have {self._policy.external_id} {address}")
        if live:
            lock = self._policy.lock_field
            values = {name: _text(value) for name, value in live[0].items() if name != "attributes"}
            return Record(str(live[0]["Id"]), values, lock is not None and live[0].get(lock) is True)
        masters = [str(row["MasterRecordId"]) for row in rows if row.get("MasterRecordId")]
        if masters:
            return Gone(
                MERGED, f"merged into {masters[0]}; give that account the external id, or correct the extract"
            )
        return (
            Gone(DELETED, "deleted")
            if rows
            else Gone(UNKNOWN, f"no account has {self._policy.external_id} {address}")
        )

    def changed_by_people(self, pairs: Iterable[tuple[str, str]]) -> None:
        """None: Salesforce has no history of a field unless somebody tracks it."""
        del pairs

    def write(self, updates: Sequence[Update], total: int) -> Mapping[str, Answer]:
        """Update accounts, in collections or in a bulk job, and what Salesforce said, by trace id."""
        if total >= self._policy.bulk_from:
            return self._bulk(updates)
        result: dict[str, Answer] = {}
        for start in range(0, len(updates), COLLECTION):
            result |= self._collection(updates[start : start + COLLECTION])
        return result

    def _collection(self, updates: Sequence[Update]) -> dict[str, Answer]:
        records = [
            {
                "attributes": {"type": "Account"},
                "id": each.record_id,
                **{name: self._json(name, value) for name, value in each.values.items()},
            }
            for each in updates
        ]
        body = {"allOrNone": False, "records": records}
        try:
            reply = self._caller.call("PATCH", f"{self._data}/composite/sobjects", json=body)
        except NoAnswer as error:
            return {each.trace_id: Answer(None, str(error), error.tries) for each in updates}
        if not reply.is_fine:
            return {
                each.trace_id: Answer(False, f"{reply.status}: {said(reply.text)}", reply.tries) for each in updates
            }
        rows = _dicts(reply.body)
        if len(rows) != len(updates):  # answers are matched by their order
            nothing = Answer(None, f"Salesforce answered {len(rows)} of {len(updates)} accounts", reply.tries)
            return {each.trace_id: nothing for each in updates}
        return {each.trace_id: _answer(each, row, reply.tries) for each, row in zip(updates, rows, strict=True)}

    def _json(self, name: str, value: str | None) -> Any:
        """A number as a number, since Salesforce does not take it as a text."""
        if value is None or self._kinds.get(name) != NUMBER:
            return value
        return float(value)

    def _bulk(self, updates: Sequence[Update]) -> dict[str, Answer]:
        """One job: make it, upload, close it, wait, and read what became of each row."""
        tries = 1
        try:
            job = self._make_job(updates)
            state = self._wait(job)
            done = {row["sf__Id"][:_ID] for row in self._rows(job, "successfulResults")}
            failed = {row.get("Id", "")[:_ID]: row.get("sf__Error", "") for row in self._rows(job, "failedResults")}
        except NoAnswer as error:
            return {each.trace_id: Answer(None, str(error), error.tries) for each in updates}
        result = {}
        for each in updates:
            key = each.record_id[:_ID]
            if key in failed:
                result[each.trace_id] = Answer(False, said(failed[key]), tries)
            elif key in done:
                result[each.trace_id] = Answer(True, "", tries)
            else:
                result[each.trace_id] = Answer(
                    None, f"the bulk job {job} ({state}) does not name this account", tries
                )
        return result

    def _make_job(self, updates: Sequence[Update]) -> str:
        jobs = f"{self._data}/jobs/ingest"
        body = {"object": "Account", "operation": "update", "contentType": "CSV", "lineEnding": "LF"}
        reply = self._fine(self._caller.call("POST", jobs, json=body), "make a bulk job")
        job = str(reply.body["id"])
        path = f"{jobs}/{job}"
        upload = self._caller.call("PUT", f"{path}/batches", content=_csv(updates), kind="text/csv")
        if not upload.is_fine:  # also where an answer was lost and the upload is there already: nobody knows
            raise NoAnswer(f"bulk job {job}: {upload.status}, {said(upload.text)}", upload.tries)
        self._caller.call("PATCH", path, json={"state": "UploadComplete"})  # its state says whether it went well
        return job

    def _wait(self, job: str) -> str:
        """The job's final state, or the last one when the time of the policy is up."""
        waits, until = _FIRST_POLL_SECONDS, self._clock.now() + self._policy.bulk_wait_seconds
        while True:
            reply = self._fine(self._caller.call("GET", f"{self._data}/jobs/ingest/{job}"), "tell how a job does")
            state = str(reply.body.get("state"))
            if state in {"JobComplete", "Failed", "Aborted"} or self._clock.now() >= until:
                return state
            self._clock.sleep(waits)
            waits = min(2 * waits, _LONGEST_POLL_SECONDS)

    def _rows(self, job: str, results: str) -> list[dict[str, str]]:
        reply = self._caller.call("GET", f"{self._data}/jobs/ingest/{job}/{results}")
        if not reply.is_fine:
            raise NoAnswer(f"bulk job {job}: no {results}: {reply.status}", reply.tries)
        return [row for row in csv.DictReader(io.StringIO(reply.text)) if row.get("sf__Id") or row.get("Id")]

    def plan_setup(self, wanted: Mapping[str, tuple[CrmField, tuple[str, ...]]]) -> Sequence[Setup]:
        """Fields and picklist values that Salesforce lacks. Raises SyncRefused for a field of another type."""
        present = self.properties()
        steps = []
        for name, (field, values) in wanted.items():
            own = present.get(name)
            if own is None:
                steps.append(Setup(name, field, values, is_new=True))
            elif own.kind != field.kind:
                raise SyncRefused(f"{name} is of the type {own.kind}, and {field.column} is sent as a {field.kind}")
            elif lacking := tuple(value for value in values if value not in (own.values or ())):
                steps.append(Setup(name, field, lacking, is_new=False))
        return steps

    def set_up(self, step: Setup) -> None:
        """Make a field, or add values to its picklist. An update replaces the list, so it repeats the old values."""
        tooling = f"{self._data}/tooling"
        if step.is_new:
            body = {"FullName": f"Account.{step.name}", "Metadata": _metadata(step)}
            self._fine(self._caller.call("POST", f"{tooling}/sobjects/CustomField", json=body), f"make {step.name}")
            return
        name = step.name.removesuffix("__c")
        soql = f"SELECT Id FROM CustomField WHERE TableEnumOrId = 'Account' AND DeveloperName = {_quoted(name)}"
        reply = self._fine(self._caller.call("GET", f"{tooling}/query", query={"q": soql}), f"find {step.name}")
        ids = [str(row["Id"]) for row in _dicts(reply.body.get("records"))]
        if len(ids) != 1:
            raise SyncRefused(f"Salesforce lists {len(ids)} fields {step.name} of Account; one was expected")
        path = f"{tooling}/sobjects/CustomField/{ids[0]}"
        field = self._fine(self._caller.call("GET", path), f"read {step.name}").body
        metadata = field["Metadata"]
        definition = (metadata.get("valueSet") or {}).get("valueSetDefinition")
        if not definition:
            raise SyncRefused(
                f"{step.name} takes its values from a global value set: add {', '.join(step.values)} there"
            )
        old = {str(value.get("valueName") or value.get("fullName")) for value in definition["value"]}
        definition["value"] = [*definition["value"], *_values([each for each in step.values if each not in old])]
        body = {"FullName": field["FullName"], "Metadata": metadata}
        self._fine(self._caller.call("PATCH", path, json=body), f"add values to {step.name}")

    def _fine(self, reply: Reply, what: str) -> Reply:
        if not reply.is_fine:
            raise SyncRefused(f"Salesforce does not {what}: {reply.status}, {said(reply.text)}")
        return reply


class _Login:
    """What goes to the token endpoint: client credentials, else a signed assertion. Never a password."""

    def __init__(self, address: str, secrets: Secrets) -> None:
        if secrets.has(PASSWORD):
            raise SyncRefused(
                f"{PASSWORD} is set, and logins by user name and password are refused: Salesforce ends them in 2027, "
                "they bypass multi-factor authentication, and whoever reads the password can do all that the user "
                f"can. Make an External Client App, set {CLIENT_ID} and {CLIENT_SECRET} (client credentials), or "
                f"{CLIENT_ID}, {USERNAME} and {PRIVATE_KEY} (JWT), and unset {PASSWORD}"
            )
        self._secrets, self._address = secrets, address
        self._client = secrets.get(CLIENT_ID, "the consumer key of an External Client App")
        self._by_jwt = not secrets.has(CLIENT_SECRET) and secrets.has(PRIVATE_KEY)

    def form(self) -> Mapping[str, str]:
        """The fields of the request for a token."""
        if not self._by_jwt:
            word = self._secrets.get(
                CLIENT_SECRET, f"the consumer secret of an External Client App (or set {PRIVATE_KEY} and {USERNAME})"
            )
            return {"grant_type": "client_credentials", "client_id": self._client, "client_secret": word}
        assertion = self._assertion()
        self._secrets.learn(assertion)
        return {"grant_type": _JWT, "assertion": assertion}

    def _assertion(self) -> str:
        import jwt  # noqa: PLC0415 - takes a tenth of a second, and client credentials need it not

        key = self._secrets.get(PRIVATE_KEY, "the private key (PEM) of the app's certificate", may_have_lines=True)
        host = urlsplit(self._address).hostname or ""
        claims = {
            "iss": self._client,
            "sub": self._secrets.get(USERNAME, "the user that the app acts for"),
            "aud": "https://test.salesforce.com" if ".sandbox." in host else "https://login.salesforce.com",
            "exp": int(time.time()) + _ASSERTION_SECONDS,
        }
        text = ""
        with suppress(ValueError, TypeError, jwt.PyJWTError):
            text = jwt.encode(claims, key.replace("\\n", "\n"), algorithm="RS256")
        if not text:
            raise SyncRefused(f"{PRIVATE_KEY} is no private key (RSA, PEM, without a passphrase)")
        return text


def _answer(update: Update, row: Mapping[str, Any], tries: int) -> Answer:
    if row.get("success") is True:
        if str(row.get("id"))[:_ID] == update.record_id[:_ID]:
            return Answer(True, "", tries)
        return Answer(None, f"Salesforce answered for another account, {row.get('id')}", tries)
    errors = _dicts(row.get("errors"))
    return Answer(False, said("; ".join(f"{e.get('statusCode')}: {e.get('message')}" for e in errors)), tries)


def _csv(updates: Sequence[Update]) -> bytes:
    """An empty cell leaves a field as it is, and #N/A empties it."""
    names = sorted({name for each in updates for name in each.values})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Id", *names])
    for each in updates:
        cells = [("#N/A" if each.values[name] is None else each.values[name]) if name in each.values else ""
                 for name in names]  # fmt: skip
        writer.writerow([each.record_id, *cells])
    return text.getvalue().encode()


def _metadata(step: Setup) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "label": step.field.label,
        "description": f"Computed by account segmentation ({step.field.column}).",
    }
    if step.field.kind == PICKLIST:
        definition = {"sorted": False, "value": _values(step.values)}
        return facts | {"type": "Picklist", "valueSet": {"restricted": True, "valueSetDefinition": definition}}
    if step.field.kind == NUMBER:
        return facts | {"type": "Number", "precision": 18, "scale": step.field.digits}
    return facts | {"type": "Text", "length": 255}


def _values(values: Iterable[str]) -> list[dict[str, Any]]:
    return [{"valueName": value, "label": label(value), "default": False, "isActive": True} for value in values]


def _quoted(text: str) -> str:
    """A text in SOQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _parts(addresses: Sequence[str]) -> Iterator[list[str]]:
    """Addresses whose query fits."""
    part: list[str] = []
    size = 0
    for each in addresses:
        length = len(_quoted(each)) + 1
        if part and size + length > _QUERY_CHARACTERS:
            yield part
            part, size = [], 0
        part.append(each)
        size += length
    if part:
        yield part


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
