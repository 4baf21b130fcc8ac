"""HubSpot: companies by record id, through the dated CRM API.

Here: requests and what HubSpot's answers mean. Not here: waiting and trying again (`calling`), or what is written
(`applying`).

Sources: HubSpot's API reference, "Update a batch of companies", "Retrieve a batch of companies", "Properties", "Error
handling" (207 and `objectWriteTraceId`), "API usage guidelines and limits". A batch has 100 records, 50 where it asks
for the history of properties. Values are texts. A batch in which one record is refused may be refused as a whole
(400); then it is halved until the refused record is alone. Records that an answer names neither as done nor as
refused are not acknowledged: HubSpot is known to answer 207 with neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from segmentation_assets.policy.crm import NUMBER, PICKLIST, TEXT, CrmField, CrmPolicy
from segmentation_assets.reading.figures import label
from segmentation_assets.sync.calling import Caller, Clock, NoAnswer, Patience, Reply, said
from segmentation_assets.sync.log import DELETED, MERGED, UNKNOWN
from segmentation_assets.sync.records import Answer, Gone, Property, Record, Setup, SyncRefused, Update, is_same
from segmentation_assets.sync.secrets import Secrets

TOKEN = "HUBSPOT_TOKEN"  # noqa: S105 - the variable's name
BATCH, BATCH_WITH_HISTORY = 100, 50
_MERGED_IDS = "hs_merged_object_ids"
_KINDS = {"enumeration": PICKLIST, "number": NUMBER, "string": TEXT}
_NAMING = ("objectWriteTraceId", "ids", "id")
"""Where the context of an error names the record."""
_TYPES = {PICKLIST: ("enumeration", "select"), NUMBER: ("number", "number"), TEXT: ("string", "text")}
T = TypeVar("T")


class HubSpot:
    """A client of one HubSpot account, let in by the token of a private app. Never creates a company."""

    system = "hubspot"

    def __init__(self, policy: CrmPolicy, secrets: Secrets, clock: Clock | None = None) -> None:
        """Raises NoSecret without a token."""
        token = secrets.get(TOKEN, "the access token of a HubSpot private app")
        self._policy = policy.hubspot
        self._caller = Caller(
            policy.hubspot.address,
            policy.hubspot.requests_per_second,
            Patience(policy.attempts, policy.wait_most_seconds, policy.timeout_seconds),
            secrets,
            headers=lambda: {"Authorization": f"Bearer {token}"},
            clock=clock,
        )
        version = policy.hubspot.api_version
        self._companies = f"/crm/objects/{version}/companies"
        self._properties = f"/crm/properties/{version}/companies"
        self._kinds: dict[str, str] = {}

    def close(self) -> None:
        """Close connections."""
        self._caller.close()

    def group(self, accounts: int) -> int:
        """A batch, whatever the number of accounts."""
        del accounts
        return BATCH

    def properties(self) -> Mapping[str, Property]:
        """The properties of companies. Raises SyncRefused if HubSpot does not list them."""
        reply = self._fine(self._caller.call("GET", self._properties), "list the properties of companies")
        result = {}
        for each in _list(reply.body, "results"):
            kind = _KINDS.get(each.get("type", ""), str(each.get("type")))
            options = tuple(str(option.get("value")) for option in each.get("options") or ())
            result[each["name"]] = Property(each["name"], kind, options if kind == PICKLIST else None)
        self._kinds = {name: each.kind for name, each in result.items()}
        return result

    def read(self, addresses: Sequence[str], names: Sequence[str]) -> Mapping[str, Record | Gone]:
        """What HubSpot holds, by record id."""
        lock = [self._policy.lock_property] if self._policy.lock_property else []
        result: dict[str, Record | Gone] = {}
        for ids in _parts(list(dict.fromkeys(addresses)), BATCH):
            result |= self._read(ids, [*names, *lock, _MERGED_IDS])
        return result

    def _read(self, ids: Sequence[str], names: Sequence[str]) -> dict[str, Record | Gone]:
        wanted = set(ids)
        result: dict[str, Record | Gone] = {}
        for each in self._batch_read(ids, names):
            if str(each["id"]) in wanted:
                result[str(each["id"])] = self._record(each)
                continue
            before = str(_properties(each).get(_MERGED_IDS) or "").split(";")
            for old in wanted & {part.strip() for part in before}:
                result[old] = Gone(MERGED, f"merged into {each['id']}; name that record in the mapping")
        lacking = [each for each in ids if each not in result]
        if lacking:
            archived = {str(each["id"]) for each in self._batch_read(lacking, (), archived=True)}
            for each in lacking:
                result[each] = (
                    Gone(DELETED, "deleted") if each in archived else Gone(UNKNOWN, "no company has this id")
                )
        return result

    def _batch_read(self, ids: Sequence[str], names: Sequence[str], archived: bool = False) -> list[dict[str, Any]]:
        body = {"inputs": [{"id": each} for each in ids], "properties": list(names), "propertiesWithHistory": []}
        query = {"archived": "true"} if archived else None
        reply = self._caller.call("POST", f"{self._companies}/batch/read", json=body, query=query)
        if reply.status >= 400 and len(ids) > 1:  # one id that HubSpot cannot read spoils the batch
            return [each for part in _halves(ids) for each in self._batch_read(part, names, archived)]
        if reply.status in {400, 404}:
            return []
        return _list(self._fine(reply, "read companies").body, "results")

    def _record(self, each: Mapping[str, Any]) -> Record:
        values = {name: _text(value) for name, value in _properties(each).items()}
        lock = self._policy.lock_property
        return Record(str(each["id"]), values, lock is not None and values.get(lock) == "true")

    def changed_by_people(self, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """The pairs of record and property whose newest change is of a person, by the property's history."""
        by_record: dict[str, set[str]] = {}
        for record, name in pairs:
            by_record.setdefault(record, set()).add(name)
        result = set()
        for ids in _parts(list(by_record), BATCH_WITH_HISTORY):
            names = sorted(set[str]().union(*(by_record[each] for each in ids)))
            body = {"inputs": [{"id": each} for each in ids], "properties": [], "propertiesWithHistory": names}
            reply = self._fine(
                self._caller.call("POST", f"{self._companies}/batch/read", json=body), "read histories"
            )
            for each in _list(reply.body, "results"):
                histories = each.get("propertiesWithHistory") or {}
                for name in by_record.get(str(each["id"]), ()):
                    newest = max(histories.get(name) or (), key=lambda h: str(h.get("timestamp")), default=None)
                    if newest and str(newest.get("sourceType", "")).upper() in self._policy.people_sources:
                        result.add((str(each["id"]), name))
        return result

    def write(self, updates: Sequence[Update], total: int) -> Mapping[str, Answer]:
        """Update companies in batches of 100, and what HubSpot said, by trace id."""
        del total
        result: dict[str, Answer] = {}
        for part in _parts(updates, BATCH):
            result |= self._update(part)
        return result

    def _update(self, updates: Sequence[Update]) -> dict[str, Answer]:
        inputs = [
            {
                "id": each.record_id,
                "objectWriteTraceId": each.trace_id,
                "properties": {name: value or "" for name, value in each.values.items()},
            }
            for each in updates
        ]
        try:
            reply = self._caller.call("POST", f"{self._companies}/batch/update", json={"inputs": inputs})
        except NoAnswer as error:
            return {each.trace_id: Answer(None, str(error), error.tries) for each in updates}
        if reply.is_fine:
            return self._answers(updates, reply)
        if len(updates) == 1:
            return {updates[0].trace_id: Answer(False, f"{reply.status}: {_message(reply)}", reply.tries)}
        return {trace: answer for part in _halves(updates) for trace, answer in self._update(part).items()}

    def _answers(self, updates: Sequence[Update], reply: Reply) -> dict[str, Answer]:
        """What one answer says of each update. An update that it does not name is not known to be done."""
        traced = {each.trace_id: each for each in updates}
        by_record = {each.record_id: each for each in updates}
        result: dict[str, Answer] = {}
        for error in _list(reply.body, "errors"):
            context = error.get("context") or {}
            ids = [
                *_texts(context.get("objectWriteTraceId")),
                *_texts(context.get("ids")),
                *_texts(context.get("id")),
            ]
            for each in ids:
                update = traced.get(each) or by_record.get(each)
                if update is not None:
                    result[update.trace_id] = Answer(False, said(str(error.get("message", ""))), reply.tries)
        for each in _list(reply.body, "results"):
            update = traced.get(str(each.get("objectWriteTraceId"))) or by_record.get(str(each.get("id")))
            if update is None or update.trace_id in result:
                continue
            result[update.trace_id] = self._done(update, each, reply.tries)
        nothing = Answer(None, f"HubSpot's answer ({reply.status}) does not name this company", reply.tries)
        return {each.trace_id: result.get(each.trace_id, nothing) for each in updates}

    def _done(self, update: Update, each: Mapping[str, Any], tries: int) -> Answer:
        if str(each.get("id")) != update.record_id:
            return Answer(None, f"HubSpot wrote to record {each.get('id')}: merged since it was read", tries)
        stated = {name: _text(value) for name, value in _properties(each).items() if name in update.values}
        other = [
            f"{name} is {value!r}"
            for name, value in stated.items()
            if not is_same(self._kinds.get(name, TEXT), value, update.values[name])
        ]
        if other:
            return Answer(None, f"HubSpot holds other values than those sent: {', '.join(other)}", tries)
        return Answer(True, "", tries, stated)

    def plan_setup(self, wanted: Mapping[str, tuple[CrmField, tuple[str, ...]]]) -> Sequence[Setup]:
        """Properties and options that HubSpot lacks. Raises SyncRefused for a property of another type."""
        present = self.properties()
        steps = []
        for name, (field, values) in wanted.items():
            own = present.get(name)
            if own is None:
                steps.append(Setup(name, field, values, is_new=True))
            elif own.kind != field.kind:
                raise SyncRefused(_wrong_kind(name, own, field))
            elif lacking := tuple(value for value in values if value not in (own.values or ())):
                steps.append(Setup(name, field, lacking, is_new=False))
        return [step for step in steps if step.is_new or step.values]

    def set_up(self, step: Setup) -> None:
        """Make a property, or add options. An update replaces the list of options, so it repeats the old ones."""
        if step.is_new:
            kind, field_type = _TYPES[step.field.kind]
            body: dict[str, Any] = {
                "name": step.name, "label": step.field.label, "type": kind, "fieldType": field_type,
                "groupName": self._policy.property_group,
                "description": f"Computed by account segmentation ({step.field.column}).",
            }  # fmt: skip
            if step.field.kind == PICKLIST:
                body["options"] = _options(step.values, 0)
            self._fine(self._caller.call("POST", self._properties, json=body), f"make the property {step.name}")
            return
        path = f"{self._properties}/{step.name}"
        old = _list(self._fine(self._caller.call("GET", path), f"read the property {step.name}").body, "options")
        old_values = [str(option.get("value")) for option in old]
        new = [value for value in step.values if value not in old_values]
        body = {"options": [*old, *_options(new, len(old))]}
        reply = self._fine(self._caller.call("PATCH", path, json=body), f"add options to {step.name}")
        held = {str(option.get("value")) for option in _list(reply.body, "options")}
        lost = [value for value in (*old_values, *new) if value not in held]
        if lost:
            raise SyncRefused(
                f"HubSpot's answer lacks options of {step.name}: {', '.join(lost)}. Look at the property"
            )

    def _fine(self, reply: Reply, what: str) -> Reply:
        if not reply.is_fine:
            raise SyncRefused(f"HubSpot does not {what}: {reply.status}, {_message(reply)}")
        return reply


def _wrong_kind(name: str, own: Property, field: CrmField) -> str:
    return (
        f"the property {name} is of the type {own.kind}, and {field.column} is sent as a {field.kind}. Name another "
        "property in the policy (crm.fields), or change the property's type in the CRM"
    )


def _options(values: Iterable[str], first: int) -> list[dict[str, Any]]:
    return [
        {"label": label(value), "value": value, "displayOrder": first + place, "hidden": False}
        for place, value in enumerate(values)
    ]


def _message(reply: Reply) -> str:
    return said(
        str(reply.body["message"]) if isinstance(reply.body, dict) and "message" in reply.body else reply.text
    )


def _list(body: Any, name: str) -> list[dict[str, Any]]:
    """A list of an answer. An answer of another shape has none."""
    value = body.get(name) if isinstance(body, dict) else None
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _properties(each: Mapping[str, Any]) -> Mapping[str, Any]:
    value = each.get("properties")
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _halves(items: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]
