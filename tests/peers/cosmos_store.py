"""What the Cosmos DB peer keeps: databases, containers and documents, with the rules the service has for them.

No HTTP in here. Every refusal is a `Refused` with the service's status, code and sub-status.
"""

from __future__ import annotations

import base64
import copy
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .cosmos_query import UNDEFINED, Query, QuerySyntaxError, look_up, parse_condition

MAX_DOCUMENT = 2 * 1024 * 1024
MAX_BATCH = 100
MAX_PATCH = 10
MAX_ID = 1023
CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    424: "FailedDependency",
    429: "429",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}


class Refused(Exception):
    """The service's answer to what it does not do."""

    def __init__(self, status: int, message: str, substatus: int = 0) -> None:
        super().__init__(message)
        self.status, self.substatus = status, substatus

    def body(self) -> dict[str, str]:
        """Give the error as the service writes it."""
        return {"code": CODES.get(self.status, str(self.status)), "message": f"Message: {self}"}


@dataclass(frozen=True)
class Match:
    """Conditions on a document's ETag."""

    present: str | None = None
    absent: str | None = None

    def check(self, etag: str) -> None:
        """Raise 412 unless `If-Match` holds."""
        if self.present not in (None, "*", etag):
            raise Refused(412, "One of the specified pre-condition is not met")


@dataclass(frozen=True)
class Outcome:
    """What one operation did: status, document (None: no body), and its charge in request units."""

    status: int
    document: dict[str, Any] | None
    charge: float


@dataclass
class Container:
    """One container. `clock` gives epoch seconds."""

    definition: dict[str, Any]
    clock: Callable[[], float]
    rid: str
    documents: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """By partition key value (as JSON) and id."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Order of creation, by `_rid`."""
    lsn: int = 1
    _created: int = 0

    # --- single documents

    def read(self, partition: str, doc_id: str, match: Match = Match()) -> Outcome:
        """Read one; 404 where there is none or it expired, 304 where `If-None-Match` has its ETag."""
        document = self._there(partition, doc_id)
        if match.absent in ("*", document["_etag"]):
            return Outcome(304, None, 1.0)
        return Outcome(200, copy.deepcopy(document), read_charge(document))

    def create(self, partition: str, body: Mapping[str, Any]) -> Outcome:
        """Create one; 409 where its id or a unique key is taken."""
        self._check_body(partition, body)
        if self._living(partition, body["id"]) is not None:
            raise Refused(409, "Entity with the specified id already exists in the system.")
        self._check_unique(partition, body)
        self._created += 1
        rid = _rid(self.rid, self._created)
        self.numbers[rid] = self._created
        document = self._store(partition, body, rid)
        return Outcome(201, document, write_charge(document))

    def upsert(self, partition: str, body: Mapping[str, Any], match: Match = Match()) -> Outcome:
        """Replace one, or create it."""
        self._check_body(partition, body)
        if self._living(partition, body["id"]) is not None:
            return self.replace(partition, body["id"], body, match)
        if match.present is not None:
            raise Refused(501, "What the service says to an upsert with If-Match of nothing is not known to this peer.")
        return self.create(partition, body)

    def replace(self, partition: str, doc_id: str, body: Mapping[str, Any], match: Match = Match()) -> Outcome:
        """Replace one that is there."""
        self._check_body(partition, body)
        if body["id"] != doc_id:
            raise Refused(400, "The id of the body is not the id of the request.")
        before = self._there(partition, doc_id)
        match.check(before["_etag"])
        self._check_unique(partition, body)
        document = self._store(partition, body, before["_rid"])
        return Outcome(200, document, 2 * write_charge(document))

    def patch(self, partition: str, doc_id: str, body: Any, match: Match = Match()) -> Outcome:
        """Apply patch operations, all or none."""
        document = copy.deepcopy(self._there(partition, doc_id))
        match.check(document["_etag"])
        if isinstance(body, list):  # the short form, which has no condition
            body = {"operations": body}
        operations = body.get("operations") or []
        if not operations or len(operations) > MAX_PATCH:
            raise Refused(400, f"A patch has 1 to {MAX_PATCH} operations.")
        self._check_condition(body.get("condition"), document)
        for operation in operations:
            self._patch_one(document, operation)
        return self.replace(partition, doc_id, document)

    def delete(self, partition: str, doc_id: str, match: Match = Match()) -> Outcome:
        """Delete one that is there."""
        document = self._there(partition, doc_id)
        match.check(document["_etag"])
        del self.documents[partition, doc_id]
        del self.numbers[document["_rid"]]
        self.lsn += 1
        return Outcome(204, None, write_charge(document))

    def batch(self, partition: str, operations: Sequence[Mapping[str, Any]]) -> tuple[bool, list[dict[str, Any]]]:
        """Do all or none; tell whether it was done, and a result for each operation."""
        if not 0 < len(operations) <= MAX_BATCH:
            raise Refused(413 if operations else 400, f"A batch has 1 to {MAX_BATCH} operations.")
        results: list[dict[str, Any]] = []
        with self._transaction() as undo:
            for operation in operations:
                try:
                    results.append(_result(self._batched(partition, operation)))
                except Refused as refusal:
                    undo()
                    failed = {"statusCode": 424, "requestCharge": 0}
                    mine = {"statusCode": refusal.status, "requestCharge": 1.0, "subStatusCode": refusal.substatus}
                    before = [dict(failed) for _ in results]
                    after = [dict(failed) for _ in operations[len(results) + 1 :]]
                    return False, [*before, mine, *after]
        return True, results

    def _batched(self, partition: str, operation: Mapping[str, Any]) -> Outcome:
        body, doc_id = operation.get("resourceBody") or {}, operation.get("id", "")
        match = Match(operation.get("ifMatch"), operation.get("ifNoneMatch"))
        handlers: dict[str, Callable[[], Outcome]] = {
            "Create": lambda: self.create(partition, body),
            "Upsert": lambda: self.upsert(partition, body, match),
            "Read": lambda: self.read(partition, doc_id, match),
            "Replace": lambda: self.replace(partition, doc_id, body, match),
            "Patch": lambda: self.patch(partition, doc_id, body, match),
            "Delete": lambda: self.delete(partition, doc_id, match),
        }
        kind = operation.get("operationType", "")
        if kind not in handlers:
            raise Refused(400, f"Unknown operation {kind!r} in a batch.")
        return handlers[kind]()

    @contextmanager
    def _transaction(self) -> Iterator[Callable[[], None]]:
        kept = dict(self.documents), dict(self.numbers), self.lsn

        def undo() -> None:
            self.documents, self.numbers, self.lsn = kept

        yield undo

    # --- several documents

    def query(
        self, query: Query, partition: str | None, size: int, continuation: str | None
    ) -> tuple[list[Any], str | None, float]:
        """Give one page of results (of one partition, or of all), the continuation, and the charge."""
        self._check_order(query)
        rows = [
            ([*query.sort_key(one), self.numbers[one["_rid"]]], one)
            for one in self.living(partition)
            if query.where(one) is True
        ]
        scanned = len(rows)
        if query.count:
            return [scanned], None, 2.3 + 0.02 * scanned
        rows = _sorted(query, rows)
        given = 0
        if continuation:
            after, given = json.loads(base64.b64decode(continuation))
            rows = [row for row in rows if query.compare(row[0], after) > 0]
        else:
            rows = rows[query.offset :]
        left = len(rows) if query.limit is None else max(query.limit - given, 0)
        page = rows[: min(size, left)]
        charge = 2.3 + 0.02 * scanned + sum(0.1 * kilobytes(one) for _, one in page)
        more = None
        if page and len(rows) > len(page) and left > len(page):
            more = base64.b64encode(json.dumps([page[-1][0], given + len(page)]).encode()).decode()
        values = [query.project(copy.deepcopy(one)) for _, one in page]
        return [value for value in values if value is not UNDEFINED], more, charge

    def living(self, partition: str | None = None) -> Iterator[dict[str, Any]]:
        """Give all documents (of a partition) that did not expire, and forget those that did."""
        for (part, doc_id), _ in list(self.documents.items()):
            if partition in (None, part) and (document := self._living(part, doc_id)) is not None:
                yield document

    def _check_order(self, query: Query) -> None:
        """Ordering needs an index of the property, ordering by several a composite one."""
        paths = [f"/{'/'.join(path)}" for path, _ in query.order]
        if len(paths) == 1 and not self._indexed(paths[0]):
            raise Refused(400, "The index path corresponding to the specified order-by item is excluded.")
        if len(paths) < 2:
            return
        wanted = [(f"/{'/'.join(path)}", descending) for path, descending in query.order]
        opposite = [(path, not descending) for path, descending in wanted]
        policy = self.definition.get("indexingPolicy") or {}
        indexes = [
            [(part["path"], part.get("order", "ascending") == "descending") for part in index]
            for index in policy.get("compositeIndexes") or []
        ]
        if wanted not in indexes and opposite not in indexes:
            raise Refused(400, "The order by query does not have a corresponding composite index to be served from.")

    def _indexed(self, path: str) -> bool:
        """The most exact of the policy's paths decides: `/a/?` is a value, `/a/*` is all below."""
        policy, exact, found = self.definition.get("indexingPolicy") or {}, -1, False
        for kind, included in (("includedPaths", True), ("excludedPaths", False)):
            for pattern in (entry["path"] for entry in policy.get(kind) or []):
                stem = pattern.rstrip("?*").rstrip("/")
                hit = path == stem if pattern.endswith("?") else (path + "/").startswith(stem + "/")
                if hit and len(pattern.rstrip("*")) > exact:
                    exact, found = len(pattern.rstrip("*")), included
        return found

    # --- rules

    def partition_of(self, body: Mapping[str, Any]) -> str:
        """Give the partition key value in a document, as JSON."""
        value = look_up(body, self.definition["partitionKey"]["paths"][0].strip("/").split("/"))
        return json.dumps([{} if value is UNDEFINED else value])

    def _there(self, partition: str, doc_id: str) -> dict[str, Any]:
        document = self._living(partition, doc_id)
        if document is None:
            raise Refused(404, "Entity with the specified id does not exist in the system.")
        return document

    def _living(self, partition: str, doc_id: str) -> dict[str, Any] | None:
        document = self.documents.get((partition, doc_id))
        if document is None:
            return None
        seconds = self._seconds_to_live(document)
        if seconds is not None and self.clock() >= document["_ts"] + seconds:
            del self.documents[partition, doc_id]
            del self.numbers[document["_rid"]]
            return None
        return document

    def _seconds_to_live(self, document: Mapping[str, Any]) -> int | None:
        """A document's own `ttl` counts only where the container has one; -1 is for ever."""
        default = self.definition.get("defaultTtl")
        if default is None:
            return None
        seconds = int(document.get("ttl", default))
        return None if seconds == -1 else seconds

    def _store(self, partition: str, body: Mapping[str, Any], rid: str) -> dict[str, Any]:
        self.lsn += 1
        system = {
            "_rid": rid,
            "_self": f"dbs/{self.rid[:8]}/colls/{self.rid}/docs/{rid}/",
            "_etag": f'"{uuid.uuid4()}"',
            "_attachments": "attachments/",
            "_ts": int(self.clock()),
        }
        document = copy.deepcopy(dict(body)) | system
        self.documents[partition, body["id"]] = document
        return copy.deepcopy(document)

    def _check_body(self, partition: str, body: Mapping[str, Any]) -> None:
        doc_id = body.get("id")
        if not isinstance(doc_id, str) or not doc_id or len(doc_id) > MAX_ID or set(doc_id) & set("/\\?#"):
            raise Refused(400, "The input content is invalid because the required property 'id' is missing or invalid.")
        ttl = body.get("ttl", 1)
        if isinstance(ttl, bool) or not isinstance(ttl, int) or ttl == 0 or ttl < -1:
            raise Refused(400, "The input ttl is invalid: a positive integer, or -1.")
        if len(json.dumps(body).encode()) > MAX_DOCUMENT:
            raise Refused(413, "Request size is too large")
        if self.partition_of(body) != partition:
            raise Refused(400, "PartitionKey extracted from document doesn't match the one in the header.", 1001)

    def _check_unique(self, partition: str, body: Mapping[str, Any]) -> None:
        policy = self.definition.get("uniqueKeyPolicy") or {}
        for key in policy.get("uniqueKeys") or []:
            paths = [path.strip("/").split("/") for path in key["paths"]]
            wanted = [look_up(body, path) for path in paths]
            for other in self.living(partition):
                if other["id"] != body["id"] and [look_up(other, path) for path in paths] == wanted:
                    raise Refused(409, "Unique index constraint violation.")

    def _check_condition(self, condition: str | None, document: Mapping[str, Any]) -> None:
        if condition is None:
            return
        try:
            holds = parse_condition(condition)(document)
        except QuerySyntaxError as error:
            raise Refused(400, f"Syntax error in the condition: {error}") from None
        if holds is not True:
            raise Refused(412, "One of the specified pre-condition is not met", 1110)

    def _patch_one(self, document: dict[str, Any], operation: Mapping[str, Any]) -> None:
        kind, names = operation["op"], operation["path"].strip("/").split("/")
        if names[0] == "id" or names[0].startswith("_") or [names] == self._key_paths():
            raise Refused(400, f"{operation['path']} cannot be patched.")
        holder = look_up(document, names[:-1])
        if not isinstance(holder, dict | list):
            raise Refused(400, f"{operation['path']}: there is nothing to patch.")
        before = look_up(document, names)
        if kind in ("replace", "remove") and isinstance(holder, dict) and before is UNDEFINED:
            raise Refused(400, f"{operation['path']}: there is no such property.")
        if isinstance(holder, list):
            _patch_list(holder, kind, names[-1], operation.get("value"))
        elif kind == "remove":
            del holder[names[-1]]
        elif kind == "incr":
            holder[names[-1]] = (0 if before is UNDEFINED else before) + operation["value"]
        elif kind in ("add", "set", "replace"):
            holder[names[-1]] = operation["value"]
        else:
            raise Refused(501, f"This peer has no patch operation {kind!r}.")

    def _key_paths(self) -> list[list[str]]:
        return [path.strip("/").split("/") for path in self.definition["partitionKey"]["paths"]]


def _patch_list(values: list[Any], kind: str, index: str, value: Any) -> None:
    if kind == "add" and index == "-":
        values.append(value)
    elif not index.isdigit() or int(index) >= len(values) + (kind == "add"):
        raise Refused(400, "The index is out of range.")
    elif kind == "add":
        values.insert(int(index), value)
    elif kind == "remove":
        values.pop(int(index))
    elif kind in ("set", "replace"):
        values[int(index)] = value
    else:
        raise Refused(501, f"This peer has no patch operation {kind!r} for lists.")


def _sorted(query: Query, rows: list[tuple[list[Any], dict[str, Any]]]) -> list[tuple[list[Any], dict[str, Any]]]:
    rows.sort(key=lambda row: row[0][-1])
    for index in range(len(query.order) - 1, -1, -1):
        rows.sort(key=lambda row: row[0][index], reverse=query.order[index][1])
    return rows


def _result(outcome: Outcome) -> dict[str, Any]:
    document = outcome.document
    result: dict[str, Any] = {"statusCode": outcome.status, "requestCharge": outcome.charge}
    return result | ({"eTag": document["_etag"], "resourceBody": document} if document is not None else {})


def _rid(container: str, number: int) -> str:
    return base64.b64encode(base64.b64decode(container, b"+-") + number.to_bytes(8, "little"), b"+-").decode()


def kilobytes(document: Mapping[str, Any]) -> float:
    """Tell a document's size; the service charges by it."""
    return max(len(json.dumps(document)) / 1024, 1.0)


def read_charge(document: Mapping[str, Any]) -> float:
    """1 RU for 1 KB, 10 RU for 100 KB, as documented for point reads."""
    return round(1 + (kilobytes(document) - 1) / 11, 2)


def write_charge(document: Mapping[str, Any]) -> float:
    """5 RU for 1 KB, 50 RU for 100 KB, as documented for inserts; a replacement costs twice that."""
    return round(5 + (kilobytes(document) - 1) * 45 / 99, 2)
