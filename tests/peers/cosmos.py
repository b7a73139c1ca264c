"""A peer that speaks Cosmos DB's REST interface (NoSQL API) as far as the bridge uses it, for the real SDK to talk to.

Documents with ETags, TTL that expires, unique keys, atomic batches, patches, single- and cross-partition queries
(`cosmos_query.py`) with continuation, request charges, session tokens, throttling, and a real check of who calls:
master-key signature, or an Entra token over HTTPS. One partition key range, so that no query plan is asked for; what is
not here (change feed, stored procedures, hierarchical keys) is answered 501. Written from the published REST reference.
`python -m tests.peers.cosmos [--port N] [--key BASE64] [--throughput RU]` runs it alone.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import email.utils
import hashlib
import hmac
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from .cosmos_query import QuerySyntaxError, parse
from .cosmos_store import Container, Match, Outcome, Refused
from .http_peer import Fault, HttpPeer, TokenCheck, run
from .tls import Certificate

SKEW = 15 * 60
PAGE = 100
AUDIENCES = ("https://cosmos.azure.com",)
"""Beside the account's own address."""
_FEEDS = {"GET": "list", "POST": "create"}
_ITEMS = {"GET": "read", "PUT": "replace", "DELETE": "delete", "PATCH": "patch"}
_NAMES = {"dbs": "database", "colls": "container"}


class CosmosPeer(HttpPeer):
    """One account. `charges` sums the request units per kind of operation; `counts` counts the requests.

    `throughput` is what it gives per second before it throttles (None: no limit). `tokens` checks Entra tokens;
    `principals` are the object ids with a data-plane role (None: everybody). `skew` is how many seconds its clock is
    ahead of the callers'.
    """

    skew = 0.0

    def __init__(
        self,
        *,
        key: str | None = None,
        throughput: float | None = None,
        tokens: TokenCheck | None = None,
        principals: set[str] | None = None,
        tls: Certificate | None = None,
        clock: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        super().__init__(tls=tls, clock=clock, port=port)
        self.key = key or base64.b64encode(os.urandom(64)).decode()
        self.throughput, self.principals, self._tokens = throughput, principals, tokens
        self.databases: dict[str, dict[str, Container]] = {}
        self._second, self._spent = 0, 0.0
        self._lsn = 1

    @property
    def connection_string(self) -> str:
        """As the portal shows it."""
        return f"AccountEndpoint={self.url}/;AccountKey={self.key};"

    # --- requests

    def operation(self, request: web.Request) -> str:
        """Name the kind: `read`, `create`, `query`, `query-cross`, … for documents, `read-container`, … else."""
        parts, headers = _parts(request), request.headers
        if not parts:
            return "account"
        kind = parts[-1] if len(parts) % 2 else parts[-2]
        if kind != "docs":
            verb = _FEEDS if len(parts) % 2 else _ITEMS
            return "ranges" if kind == "pkranges" else f"{verb.get(request.method, '?')}-{_NAMES.get(kind, kind)}"
        if len(parts) % 2 == 0:
            return _ITEMS.get(request.method, "?")
        if _yes(headers, "x-ms-documentdb-isquery"):
            return "query" if "x-ms-documentdb-partitionkey" in headers else "query-cross"
        if _yes(headers, "x-ms-cosmos-is-batch-request"):
            return "batch"
        return "upsert" if _yes(headers, "x-ms-documentdb-is-upsert") else _FEEDS.get(request.method, "?")

    async def serve(self, request: web.Request, operation: str) -> web.StreamResponse:
        """Check who asks and whether there is room, then do it."""
        try:
            self._authorize(request, operation)
            if operation == "account":
                return self._reply(200, self._account())
            self._check_room()
            parts = _parts(request)
            text = await request.text()
            body = json.loads(text) if text else None
            answer = self._at(parts, request, operation, body)
            if len(parts) > 4:  # by these, SDKs know which container and range a session token is for
                answer.headers["x-ms-alt-content-path"] = "/".join(parts[:4])
                answer.headers["x-ms-documentdb-partitionkeyrangeid"] = "0"
            return answer
        except Refused as refusal:
            self._spend(operation, 0.0 if refusal.status == 429 else 1.0)
            return self._refuse(refusal)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            return self._refuse(Refused(400, f"The request is not understood ({type(error).__name__})."))

    def refusal(self, fault: Fault) -> web.Response:
        """Write an ordered failure as the service writes its own."""
        return self._refuse(Refused(fault.status, "as ordered", fault.substatus), fault.headers)

    def _at(self, parts: list[str], request: web.Request, operation: str, body: Any) -> web.Response:
        match parts:
            case ["dbs"] | ["dbs", _]:
                return self._on_database(operation, parts[1:], body)
            case ["dbs", database, "colls"]:
                return self._on_container(operation, self._database(database), "", body)
            case ["dbs", database, "colls", name]:
                return self._on_container(operation, self._database(database), name, body)
        container = self._container(parts, request)
        match parts[4:]:
            case ["pkranges"]:
                return self._ranges(container, request)
            case ["docs"]:
                return self._on_documents(container, request, operation, body)
            case ["docs", doc_id]:
                return self._on_document(container, request, operation, doc_id, body)
        raise Refused(501, "This peer has no such resource.")

    # --- who asks

    def _authorize(self, request: web.Request, operation: str) -> None:
        fields = dict(part.partition("=")[::2] for part in unquote(request.headers.get("Authorization", "")).split("&"))
        date = request.headers.get("x-ms-date", "")
        try:
            age = abs(time.time() + self.skew - email.utils.parsedate_to_datetime(date).timestamp())
        except ValueError:
            raise Refused(401, "Required Header x-ms-date is missing or invalid.") from None
        if age > SKEW:
            raise Refused(403, "The authorization token is not valid at the current time.")
        if fields.get("type") == "master":
            self._check_signature(request, date, fields.get("sig", ""))
        elif fields.get("type") == "aad" and self._tokens is not None and self.tls is not None:
            self._check_token(self._tokens, operation, fields.get("sig", ""))
        else:
            raise Refused(401, "The authorization header is missing, or of a kind that is switched off.")

    def _check_signature(self, request: web.Request, date: str, signature: str) -> None:
        parts = _parts(request)
        feed = len(parts) % 2 == 1
        kind = "" if not parts else parts[-1] if feed else parts[-2]
        link = "/".join(parts[:-1] if feed else parts)
        text = f"{request.method.lower()}\n{kind}\n{link}\n{date.lower()}\n\n"
        wanted = base64.b64encode(hmac.digest(base64.b64decode(self.key), text.encode(), hashlib.sha256)).decode()
        if not hmac.compare_digest(wanted, signature):
            raise Refused(401, "The input authorization token can't serve the request. The wrong key is being used.")

    def _check_token(self, tokens: TokenCheck, operation: str, token: str) -> None:
        own = self.url.rsplit(":", 1)[0]
        try:
            claims = tokens(token, (own, *AUDIENCES))
        except ValueError as error:
            raise Refused(401, f"The token is refused: {error}") from None
        if operation.partition("-")[0] in ("create", "replace", "delete") and "-" in operation:
            raise Refused(403, "Databases and containers cannot be managed with a token in the data plane.", 5300)
        if self.principals is not None and claims.get("oid") not in self.principals:
            raise Refused(403, "Request blocked by Auth: the principal has no role for this action.", 5301)

    # --- room

    def _check_room(self) -> None:
        now = self.now()
        if int(now) != self._second:
            self._second, self._spent = int(now), 0.0
        if self.throughput is not None and self._spent >= self.throughput:
            raise Refused(429, "The request rate is large.", 3200)

    def _spend(self, operation: str, charge: float) -> float:
        self._spent += charge
        self.charges[operation] += charge  # type: ignore[assignment]
        return charge

    # --- databases and containers

    def _account(self) -> dict[str, Any]:
        here = [{"name": "here", "databaseAccountEndpoint": f"{self.url}/"}]
        return {
            "_self": "",
            "id": "peer",
            "_rid": "peer.documents.azure.com",
            "media": "//media/",
            "addresses": "//addresses/",
            "_dbs": "//dbs/",
            "writableLocations": here,
            "readableLocations": here,
            "enableMultipleWriteLocations": False,
            "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
            "queryEngineConfiguration": "{}",
        }

    def _on_database(self, operation: str, name: list[str], body: Any) -> web.Response:
        if operation == "list-database":
            return self._reply(200, {"_rid": "", "Databases": [_database(n) for n in self.databases]})
        if operation == "create-database":
            if body["id"] in self.databases:
                raise Refused(409, "Resource with specified id or name already exists.")
            self.databases[body["id"]] = {}
            return self._reply(201, _database(body["id"]))
        self._database(*name)
        if operation == "delete-database":
            del self.databases[name[0]]
            return self._reply(204, None)
        return self._reply(200, _database(name[0]))

    def _on_container(self, operation: str, containers: dict[str, Container], name: str, body: Any) -> web.Response:
        if operation == "list-container":
            return self._reply(200, {"_rid": "", "DocumentCollections": [c.definition for c in containers.values()]})
        if operation == "create-container":
            if body["id"] in containers:
                raise Refused(409, "Resource with specified id or name already exists.")
            rid = base64.b64encode(os.urandom(8), b"+-").decode()
            containers[body["id"]] = made = Container(_definition(body, rid), self.now, rid, lsn=self._lsn)
            return self._reply(201, made.definition)
        container = _find(containers, name)
        if operation == "delete-container":
            self._lsn = max(self._lsn, container.lsn)  # of its successor, so that no old session token is ahead of it
            del containers[name]
            return self._reply(204, None)
        if operation == "replace-container":
            changed = _definition(body, container.rid)
            if changed["partitionKey"]["paths"] != container.definition["partitionKey"]["paths"]:
                raise Refused(400, "The partition key of a container cannot be changed.")
            container.definition = changed
        return self._reply(200, container.definition)

    def _database(self, name: str) -> dict[str, Container]:
        if name not in self.databases:
            raise Refused(404, "Owner resource does not exist", 1003)
        return self.databases[name]

    def _container(self, parts: list[str], request: web.Request) -> Container:
        container = _find(self._database(parts[1]), parts[3])
        meant = request.headers.get("x-ms-cosmos-intended-collection-rid", container.rid)
        if meant != container.rid:
            raise Refused(400, "Collection is not yet available, or was made anew.", 1024)
        return container

    def _ranges(self, container: Container, request: web.Request) -> web.Response:
        etag = f'"{container.rid}"'
        headers = {"etag": etag}
        if request.headers.get("If-None-Match") == etag:
            return self._reply(304, None, headers)
        one: dict[str, Any] = {
            "_rid": container.rid,
            "id": "0",
            "_etag": etag,
            "minInclusive": "",
            "maxExclusive": "FF",
        }
        one |= {"ridPrefix": 0, "throughputFraction": 1, "status": "online", "parents": []}
        return self._reply(200, {"_rid": container.rid, "PartitionKeyRanges": [one], "_count": 1}, headers)

    # --- documents

    def _on_document(
        self, container: Container, request: web.Request, operation: str, doc_id: str, body: Any
    ) -> web.Response:
        partition = _partition(request)
        match = Match(request.headers.get("If-Match"), request.headers.get("If-None-Match"))
        if operation == "read":
            _check_session(container, request)
        actions: Mapping[str, Callable[[], Outcome]] = {
            "read": lambda: container.read(partition, doc_id, match),
            "replace": lambda: container.replace(partition, doc_id, body, match),
            "patch": lambda: container.patch(partition, doc_id, body, match),
            "delete": lambda: container.delete(partition, doc_id, match),
        }
        if operation not in actions:
            raise Refused(405, "The requested verb is not supported.")
        return self._outcome(container, operation, actions[operation]())

    def _on_documents(self, container: Container, request: web.Request, operation: str, body: Any) -> web.Response:
        if operation in ("query", "query-cross", "list"):
            return self._page(container, request, operation, body)
        partition = _partition(request)
        if operation == "batch":
            return self._batch(container, partition, body)
        match = Match(request.headers.get("If-Match"), request.headers.get("If-None-Match"))
        if operation == "create":
            return self._outcome(container, operation, container.create(partition, body))
        return self._outcome(container, operation, container.upsert(partition, body, match))

    def _batch(self, container: Container, partition: str, body: Any) -> web.Response:
        done, results = container.batch(partition, body)
        charge = self._spend("batch", sum(result["requestCharge"] for result in results))
        return self._reply(200 if done else 207, results, self._facts(container, charge))

    def _page(self, container: Container, request: web.Request, operation: str, body: Any) -> web.Response:
        _check_session(container, request)
        headers = request.headers
        if _yes(headers, "x-ms-cosmos-is-query-plan-request"):
            raise Refused(501, "This peer makes no query plans.")
        if "A-IM" in headers:
            raise Refused(501, "This peer has no change feed.")
        if operation == "query-cross" and not _yes(headers, "x-ms-documentdb-query-enablecrosspartition"):
            raise Refused(400, "Cross partition query is required but disabled.")
        try:
            asked = body or {"query": "SELECT * FROM c"}
            query = parse(asked["query"], asked.get("parameters") or ())
        except QuerySyntaxError as error:
            raise Refused(400, f"Syntax error: {error}") from None
        size = int(headers.get("x-ms-max-item-count", PAGE))
        found, more, charge = container.query(
            query,
            _partition(request) if "x-ms-documentdb-partitionkey" in headers else None,
            PAGE if size < 0 else size,
            headers.get("x-ms-continuation"),
        )
        facts = self._facts(container, self._spend(operation, charge)) | {"x-ms-item-count": str(len(found))}
        if more:
            facts["x-ms-continuation"] = more
        return self._reply(200, {"_rid": container.rid, "Documents": found, "_count": len(found)}, facts)

    # --- answers

    def _outcome(self, container: Container, operation: str, outcome: Outcome) -> web.Response:
        facts = self._facts(container, self._spend(operation, outcome.charge))
        if outcome.document is not None:
            facts["etag"] = outcome.document["_etag"]
        return self._reply(outcome.status, outcome.document, facts)

    @staticmethod
    def _facts(container: Container, charge: float) -> dict[str, str]:
        return {
            "x-ms-request-charge": f"{charge:.2f}",
            "x-ms-session-token": f"0:-1#{container.lsn}",
            "x-ms-resource-quota": "documentSize=10240;",
            "lsn": str(container.lsn),
        }

    @staticmethod
    def _reply(status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
        facts = {"x-ms-activity-id": str(uuid.uuid4()), "x-ms-version": "2020-07-15", "x-ms-request-charge": "1"}
        facts |= headers or {}
        if body is None:
            return web.Response(status=status, headers=facts)
        return web.json_response(body, status=status, headers=facts)

    def _refuse(self, refusal: Refused, headers: Mapping[str, str] | None = None) -> web.Response:
        date = email.utils.formatdate(time.time() + self.skew, usegmt=True)
        facts = {"x-ms-substatus": str(refusal.substatus), "Date": date} | dict(headers or {})
        if refusal.status == 429:
            facts.setdefault("x-ms-retry-after-ms", str(max(int((1 - self.now() % 1) * 1000), 1)))
        return self._reply(refusal.status, refusal.body(), facts)


def _find(containers: Mapping[str, Container], name: str) -> Container:
    if name not in containers:
        raise Refused(404, "Owner resource does not exist", 1003)
    return containers[name]


def _parts(request: web.Request) -> list[str]:
    return [unquote(part) for part in request.rel_url.raw_path.split("/") if part]


def _yes(headers: Mapping[str, str], name: str) -> bool:
    return headers.get(name, "").lower() == "true"


def _partition(request: web.Request) -> str:
    """The partition key of a request, in the form that documents are kept under."""
    text = request.headers.get("x-ms-documentdb-partitionkey")
    if text is None:
        raise Refused(400, "PartitionKey value must be supplied for this operation.")
    values = json.loads(text)
    if len(values) != 1:
        raise Refused(400 if not values else 501, "This peer has partition keys of one path only.")
    return json.dumps(values)


def _check_session(container: Container, request: web.Request) -> None:
    token = request.headers.get("x-ms-session-token", "")
    if "#" in token and int(token.rpartition("#")[2]) > container.lsn:
        raise Refused(404, "The read session is not available for the input session token.", 1002)


def _database(name: str) -> dict[str, Any]:
    rid = base64.b64encode(hashlib.sha256(name.encode()).digest()[:4], b"+-").decode()
    return {"id": name, "_rid": rid, "_self": f"dbs/{rid}/", "_etag": f'"{rid}"', "_ts": 0, "_colls": "colls/"}


def _definition(body: Mapping[str, Any], rid: str) -> dict[str, Any]:
    key, ttl = body.get("partitionKey") or {}, body.get("defaultTtl")
    if not key.get("paths"):
        raise Refused(400, "The partition key definition is missing.")
    if len(key["paths"]) > 1:
        raise Refused(501, "This peer has partition keys of one path only.")
    if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int) or ttl == 0 or ttl < -1):
        raise Refused(400, "The default ttl is invalid: a positive integer, or -1.")
    policy = {"indexingMode": "consistent", "automatic": True, "includedPaths": [{"path": "/*"}]}
    system = {"_rid": rid, "_self": f"dbs/x/colls/{rid}/", "_etag": f'"{uuid.uuid4()}"', "_ts": int(time.time())}
    return {"indexingPolicy": policy} | dict(body) | system | {"_docs": "docs/"}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="A Cosmos DB peer for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="master key in base64 (default: a new one, which is printed)")
    parser.add_argument("--throughput", type=float, help="request units per second")
    given = parser.parse_args()
    peer = CosmosPeer(key=given.key, throughput=given.throughput, port=given.port)
    asyncio.run(run(peer, key=peer.key))


if __name__ == "__main__":
    main()
