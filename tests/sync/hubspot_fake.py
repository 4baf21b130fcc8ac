"""A stateful HubSpot on a loopback port that enforces what HubSpot documents, and fails when told to.

Here: companies, properties with options, histories, limits, faults. Not here: any test.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "pat-na1-00000000-aaaa-bbbb-cccc-000000000000"  # noqa: S105
VERSION = "2026-09"
SDK_VERSION = "2026-03"
"""The vendor's own client calls this version. The paths differ in nothing else."""
OBJECTS, PROPERTIES = f"/crm/objects/{VERSION}/companies", f"/crm/properties/{VERSION}/companies"


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@dataclass
class Company:
    values: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    is_archived: bool = False
    merged_into: str | None = None


Reply = tuple[int, dict[str, str], Any]
"""Status, headers and body."""


class Cut(Exception):
    """End the connection without an answer."""


class Refused(Exception):
    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        self.status, self.headers = status, headers or {}
        self.body = {"status": "error", "message": message, "correlationId": "0", **more}


@dataclass
class HubSpotFake:
    """`faults` are used up one by one, one per request; None among them is none."""

    token: str = TOKEN
    clock: Clock = field(default_factory=Clock)
    companies: dict[str, Company] = field(default_factory=dict)
    properties: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[str | None] = field(default_factory=list)
    names_missing: bool = True
    """Whether a 207 names the records that are missing. HubSpot is known to name none at times."""
    most_in_10_seconds: int = 100
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ticks: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    port: int = 0

    def __post_init__(self) -> None:
        for name in ("name", "hs_merged_object_ids"):
            self.define(name, "string")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def define(self, name: str, kind: str, options: list[str] | None = None) -> None:
        self.properties[name] = {
            "name": name, "label": name, "type": kind, "fieldType": "select" if kind == "enumeration" else "text",
            "groupName": "companyinformation", "description": "",
            "options": [{"label": each, "value": each, "displayOrder": at, "hidden": False}
                        for at, each in enumerate(options or [])],
        }  # fmt: skip

    def add(self, record_id: str, **values: str) -> Company:
        company = self.companies[record_id] = Company()
        for name, value in values.items():
            self.set(record_id, name, value, "INTEGRATION")
        return company

    def set(self, record_id: str, name: str, value: str, source: str = "CRM_UI") -> None:
        """What a person (or another program) writes."""
        company = self.companies[record_id]
        company.values[name] = value
        stamp = f"2026-11-01T00:00:00.{next(self.ticks):09d}Z"
        company.history.setdefault(name, []).insert(0, {"value": value, "sourceType": source, "timestamp": stamp})

    def merge(self, old: str, into: str) -> None:
        self.companies[old].merged_into = into
        before = self.companies[into].values.get("hs_merged_object_ids", "")
        self.companies[into].values["hs_merged_object_ids"] = ";".join(filter(None, [before, old]))

    def writes(self) -> list[Any]:
        return [body for method, path, body in self.requests if path == f"{OBJECTS}/batch/update"]

    # What requests do.

    def answer(self, method: str, url: str, token: str | None, body: Any) -> Reply:
        parts = urlsplit(url.replace(f"/{SDK_VERSION}/", f"/{VERSION}/"))
        with self.lock:
            self.requests.append((method, parts.path, body))
            fault = self.faults.pop(0) if self.faults else None
            if fault == "cut_before":
                raise Cut
            if fault and fault.startswith("429"):
                _, _, seconds = fault.partition(":")
                headers = {"Retry-After": seconds} if seconds else {}
                raise Refused(429, "ten secondly limit", headers, policyName="TEN_SECONDLY_ROLLING")
            if fault == "daily":
                raise Refused(429, "You have reached your daily limit.", policyName="DAILY")
            if fault and fault.isdigit():
                elsewhere = {"Location": f"https://elsewhere.example/?token={token}"} if fault == "302" else {}
                raise Refused(int(fault), f"a fault; you sent Bearer {token}", elsewhere)
            if fault == "garbage":
                return 200, {}, "<html>hello</html>"
            self._limit()
            if token != self.token:
                raise Refused(401, f"Authentication credentials not found for {token}")
            reply = self._route(method, parts.path, parse_qs(parts.query), body)
            if fault == "cut_after":
                raise Cut
            return reply

    def _limit(self) -> None:
        now = self.clock.now()
        self.times = [each for each in self.times if each > now - 10] + [now]
        if len(self.times) > self.most_in_10_seconds:
            raise Refused(429, "ten secondly limit", {"Retry-After": "1"}, policyName="TEN_SECONDLY_ROLLING")

    def _route(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Reply:
        if (method, path) == ("POST", f"{OBJECTS}/batch/read"):
            return self._read(body, query.get("archived") == ["true"])
        if (method, path) == ("POST", f"{OBJECTS}/batch/update"):
            return self._update(body)
        if (method, path) == ("GET", PROPERTIES):
            return 200, {}, {"results": list(self.properties.values())}
        if (method, path) == ("POST", PROPERTIES):
            return self._make(body)
        if path.startswith(f"{PROPERTIES}/"):
            return self._property(method, path.removeprefix(f"{PROPERTIES}/"), body)
        raise Refused(404, f"no such path: {method} {path}")

    def _read(self, body: Any, archived: bool) -> Reply:
        ids, histories = [each["id"] for each in body["inputs"]], body["propertiesWithHistory"]
        if len(ids) > (50 if histories else 100) or len(ids) != len(set(ids)):
            raise Refused(400, "too many inputs, or an id twice")
        results, missing = [], []
        for each in ids:
            if not isinstance(each, str) or not each.isdigit():
                raise Refused(400, f"{each} is not a valid id")
            company = self.companies.get(each)
            record = company.merged_into if company and company.merged_into else each
            company = self.companies.get(record)
            if company is None or company.is_archived != archived:
                missing.append(each)
                continue
            values = {name: company.values.get(name) for name in body["properties"] if name in self.properties}
            shown = {name: company.history.get(name, []) for name in histories}
            results.append(_object(record, values) | ({"propertiesWithHistory": shown} if histories else {}))
        if not missing:
            return 200, {}, _batch(results)
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some COMPANY objects",
                 "context": {"ids": missing}}  # fmt: skip
        return 207, {}, _batch(results) | {"numErrors": 1, "errors": [error]}

    def _update(self, body: Any) -> Reply:
        inputs = body["inputs"]
        ids = [each["id"] for each in inputs]
        if len(ids) > 100 or len(ids) != len(set(ids)):
            raise Refused(400, "at most 100 inputs, each id once")
        for each in inputs:
            for name, value in each["properties"].items():
                self._check(name, value)
        results, errors = [], []
        for each in inputs:
            company = self.companies.get(each["id"])
            if company is None or company.is_archived or company.merged_into:
                errors.append({
                    "status": "error", "category": "OBJECT_NOT_FOUND", "message": f"{each['id']} not found",
                    "context": {"objectWriteTraceId": [each["objectWriteTraceId"]]},
                })  # fmt: skip
                continue
            for name, value in each["properties"].items():
                self.set(each["id"], name, value, "INTEGRATION")
            results.append(
                _object(each["id"], dict(each["properties"])) | {"objectWriteTraceId": each["objectWriteTraceId"]}
            )
        if not errors:
            return 200, {}, _batch(results)
        if not self.names_missing:
            return 207, {}, _batch(results)
        return 207, {}, _batch(results) | {"numErrors": len(errors), "errors": errors}

    def _check(self, name: str, value: Any) -> None:
        own = self.properties.get(name)
        if own is None:
            raise Refused(400, f'Property "{name}" does not exist')
        if not isinstance(value, str):
            raise Refused(400, f"{name}: {value!r} is not a string")
        if own["type"] == "enumeration" and value and value not in [each["value"] for each in own["options"]]:
            raise Refused(400, f"{value} was not one of the allowed options", category="VALIDATION_ERROR")
        if own["type"] == "number" and value:
            try:
                float(value)
            except ValueError:
                raise Refused(400, f"{value} was not a valid number") from None

    def _make(self, body: Any) -> Reply:
        if body["name"] in self.properties:
            raise Refused(409, "the property exists")
        self.properties[body["name"]] = {"options": [], **body}
        return 201, {}, self.properties[body["name"]]

    def _property(self, method: str, name: str, body: Any) -> Reply:
        if name not in self.properties:
            raise Refused(404, "no such property")
        if method == "PATCH":
            self.properties[name] |= body  # the list of options replaces the old one
        return 200, {}, self.properties[name]


def _object(record_id: str, values: dict[str, Any]) -> dict[str, Any]:
    stamp = "2026-11-01T00:00:00Z"
    return {"id": record_id, "properties": values, "createdAt": stamp, "updatedAt": stamp, "archived": False}


def _batch(results: list[Any]) -> dict[str, Any]:
    stamp = "2026-11-01T00:00:00Z"
    return {"status": "COMPLETE", "results": results, "startedAt": stamp, "completedAt": stamp}


@contextmanager
def served(fake: Any) -> Iterator[Any]:
    """The fake behind a real server: `answer(method, url, token, body)` for each request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type", "")
            body: Any = json.loads(raw) if raw and kind.startswith("application/json") else raw.decode()
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            try:
                status, headers, answer = fake.answer(self.command, self.path, token, body)
            except Cut:
                self.close_connection = True
                self.connection.close()
                return
            except Refused as refused:
                status, headers, answer = refused.status, refused.headers, refused.body
            text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(text)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _do  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A connection that was cut."""

    with Server(("127.0.0.1", 0), Handler) as server:
        fake.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield fake
        server.shutdown()
        thread.join()
