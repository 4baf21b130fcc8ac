"""A stateful Salesforce on a loopback port that enforces what Salesforce documents, and fails when told to.

Here: tokens that expire, SOQL look-ups, collections, bulk jobs, custom fields, faults. Not here: any test.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.sync.hubspot_fake import Clock, Cut, Refused, Reply

CLIENT, WORD = "3MVG9client.id.of.an.app", "client-secret-0123456789"
DATA = "/services/data/v66.0"
EXTERNAL = "Segmentation_Account_Id__c"


@dataclass
class Account:
    record_id: str
    values: dict[str, Any]
    is_deleted: bool = False
    master: str | None = None


@dataclass
class SalesforceFake:
    """`faults` are used up one by one, one per request; "expired" lets the token expire."""

    clock: Clock = field(default_factory=Clock)
    accounts: dict[str, Account] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[str | None] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    logins: list[dict[str, list[str]]] = field(default_factory=list)
    page: int = 2000
    token: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    def __post_init__(self) -> None:
        self.define("Name", "string")
        self.define(EXTERNAL, "string")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def define(self, name: str, kind: str, values: list[str] | None = None) -> None:
        self.fields[name] = {"name": name, "type": kind, "picklistValues": [
            {"value": each, "label": each, "active": True} for each in values or []
        ]}  # fmt: skip

    def add(self, external: str, **values: Any) -> Account:
        account = Account(f"001{next(self.numbers):012d}AAA", {EXTERNAL: external, "Name": external, **values})
        self.accounts[account.record_id] = account
        return account

    def of(self, external: str) -> dict[str, Any]:
        [account] = [a for a in self.accounts.values() if a.values[EXTERNAL] == external and not a.is_deleted]
        return account.values

    def answer(self, method: str, url: str, token: str | None, body: Any) -> Reply:
        parts = urlsplit(url)
        with self.lock:
            self.requests.append((method, parts.path, body))
            if parts.path == "/services/oauth2/token":
                return self._log_in(parse_qs(body))
            fault = self.faults.pop(0) if self.faults else None
            if fault == "cut_before":
                raise Cut
            if fault == "expired":
                self.token = "expired"  # noqa: S105
            if fault == "limit":
                raise Refused(403, "REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded.")
            if fault and fault.isdigit():
                raise Refused(int(fault), f"a fault; you sent {token}")
            if token != self.token:
                raise Refused(401, f"INVALID_SESSION_ID: {token}")
            reply = self._route(method, parts.path, parse_qs(parts.query), body)
            if fault == "cut_after":
                raise Cut
            return reply

    def _log_in(self, form: dict[str, list[str]]) -> Reply:
        self.logins.append(form)
        is_secret = form["grant_type"] == ["client_credentials"] and form["client_secret"] == [WORD]
        is_signed = form["grant_type"][0].endswith("jwt-bearer") and "assertion" in form
        if not is_secret and not is_signed:
            raise Refused(400, f"invalid_client: {form}")
        self.token = f"00Dtoken!{next(self.numbers):06d}.of.this.session"
        return (
            200,
            {},
            {"access_token": self.token, "instance_url": "https://elsewhere.example", "token_type": "Bearer"},
        )

    def _route(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Reply:
        path = path.removeprefix(DATA)
        if (method, path) == ("GET", "/sobjects/Account/describe"):
            return 200, {}, {"fields": list(self.fields.values())}
        if (method, path) == ("GET", "/queryAll"):
            return self._query(query["q"][0])
        if path.startswith("/query/"):
            return 200, {}, {"done": True, "records": self.rest.pop()}
        if (method, path) == ("PATCH", "/composite/sobjects"):
            return self._collection(body)
        if path.startswith("/jobs/ingest"):
            return self._bulk(method, path.removeprefix("/jobs/ingest").strip("/"), body)
        if path.startswith("/tooling"):
            return self._tooling(method, path.removeprefix("/tooling"), query, body)
        raise Refused(404, f"no such path: {method} {path}")

    rest: list[Any] = field(default_factory=list)

    def _query(self, soql: str) -> Reply:
        match = re.fullmatch(rf"SELECT (.+) FROM Account WHERE {EXTERNAL} IN \((.+)\)", soql)
        assert match, soql
        wanted = {re.sub(r"\\(.)", r"\1", each) for each in re.findall(r"'((?:\\.|[^'\\])*)'", match[2])}
        columns = match[1].split(",")
        unknown = [each for each in columns[4:] if each not in self.fields]
        if unknown:
            raise Refused(400, f"INVALID_FIELD: {unknown}")
        rows = [
            {"attributes": {"type": "Account"}, "Id": a.record_id, "IsDeleted": a.is_deleted,
             "MasterRecordId": a.master,
             **{name: a.values.get(name) for name in columns if name in self.fields}}
            for a in self.accounts.values() if a.values[EXTERNAL] in wanted
        ]  # fmt: skip
        if len(rows) > self.page:
            self.rest.append(rows[self.page :])
            return 200, {}, {"done": False, "records": rows[: self.page], "nextRecordsUrl": f"{DATA}/query/more"}
        return 200, {}, {"done": True, "records": rows}

    def _collection(self, body: Any) -> Reply:
        records = body["records"]
        if len(records) > 200:
            raise Refused(400, "EXCEEDED_ID_LIMIT: record limit reached. cannot submit more than 200 records")
        return 200, {}, [self._save(dict(record)) for record in records]

    def _save(self, record: dict[str, Any]) -> dict[str, Any]:
        assert record.pop("attributes") == {"type": "Account"}
        record_id = record.pop("id")
        account = self.accounts.get(record_id)
        if account is None or account.is_deleted:
            return _failure("ENTITY_IS_DELETED", "entity is deleted")
        for name, value in record.items():
            problem = self._problem(name, value)
            if problem:
                return _failure(*problem)
        account.values |= record
        return {"id": record_id, "success": True, "errors": []}

    def _problem(self, name: str, value: Any) -> tuple[str, str] | None:
        own = self.fields.get(name)
        if own is None:
            return "INVALID_FIELD", f"No such column {name}"
        if value is None:
            return None
        if own["type"] == "double" and not isinstance(value, int | float):
            return "INVALID_TYPE", f"{name}: {value!r} is no number"
        if own["type"] == "picklist" and value not in [each["value"] for each in own["picklistValues"]]:
            return "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f"bad value for restricted picklist field: {value}"
        return None

    def _bulk(self, method: str, path: str, body: Any) -> Reply:
        job_id, _, what = path.partition("/")
        if (method, path) == ("POST", ""):
            job_id = f"750{next(self.numbers):012d}AAA"
            assert (body["operation"], body["object"]) == ("update", "Account")
            self.jobs[job_id] = {"id": job_id, "state": "Open", "csv": None, "polls": 0, "done": [], "failed": []}
            return 200, {}, {"id": job_id, "state": "Open"}
        job = self.jobs[job_id]
        if (method, what) == ("PUT", "batches"):
            if job["csv"] is not None:
                raise Refused(400, "INVALIDJOBSTATE: data was uploaded already")
            job["csv"] = body
            return 201, {}, ""
        if (method, what) == ("PATCH", ""):
            job["state"] = "InProgress"
            return 200, {}, {"id": job_id, "state": "UploadComplete"}
        if (method, what) == ("GET", ""):
            job["polls"] += 1
            if job["state"] == "InProgress" and job["polls"] >= 3:
                self._process(job)
            return 200, {}, {"id": job_id, "state": job["state"]}
        rows = job["done"] if what == "successfulResults" else job["failed"]
        text = io.StringIO()
        names = ["sf__Id", "sf__Created", "Id"] if what == "successfulResults" else ["sf__Id", "sf__Error", "Id"]
        csv.writer(text).writerows([names, *rows])
        return 200, {}, text.getvalue()

    def _process(self, job: dict[str, Any]) -> None:
        for row in csv.DictReader(io.StringIO(job["csv"])):
            record = {"attributes": {"type": "Account"}, "id": row.pop("Id")}
            for name, value in row.items():
                if value:
                    is_number = self.fields[name]["type"] == "double" and value != "#N/A"
                    record[name] = None if value == "#N/A" else float(value) if is_number else value
            record_id = record["id"]
            saved = self._save(record)
            if saved["success"]:
                job["done"].append([record_id, "false", record_id])
            else:
                job["failed"].append(
                    ["", f"{saved['errors'][0]['statusCode']}:{saved['errors'][0]['message']}", record_id]
                )
        job["state"] = "JobComplete"

    def _tooling(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Reply:
        if (method, path) == ("GET", "/query"):
            name = re.findall(r"DeveloperName = '(\w+)'", query["q"][0])[0]
            return 200, {}, {"records": [{"Id": f"00N{name}"}] if f"{name}__c" in self.fields else []}
        if (method, path) == ("POST", "/sobjects/CustomField"):
            self._deploy(body["FullName"].removeprefix("Account."), body["Metadata"])
            return 201, {}, {"success": True}
        name = path.removeprefix("/sobjects/CustomField/00N") + "__c"
        if method == "GET":
            values = [{"valueName": each["value"], "label": each["label"], "default": False}
                      for each in self.fields[name]["picklistValues"]]  # fmt: skip
            metadata = {"type": "Picklist", "label": name,
                        "valueSet": {"valueSetDefinition": {"sorted": False, "value": values}}}  # fmt: skip
            return 200, {}, {"FullName": f"Account.{name}", "Metadata": metadata}
        self._deploy(name, body["Metadata"])
        return 204, {}, ""

    def _deploy(self, name: str, metadata: dict[str, Any]) -> None:
        """What the list does not name is gone: a deploy replaces it."""
        kind = {"Picklist": "picklist", "Number": "double", "Text": "string"}[metadata["type"]]
        values = metadata["valueSet"]["valueSetDefinition"]["value"] if kind == "picklist" else []
        self.define(name, kind, [each["valueName"] for each in values])


def _failure(code: str, message: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": []}]}
