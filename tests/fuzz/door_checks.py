"""What a door promises, whatever it is sent."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from bridge.text import read_stored
from tests.fuzz.doors import SERVICE_URL, STORED, TOKEN, Doors
from tests.fuzz.samples import MARKER, Sample, bytes_of, documents, header_lists, hostile_tokens, spelt
from tests.fuzz.target import TENANT, Target
from tests.fuzz.translators import FRESHCHAT_PAYLOADS, TEAMS_PAYLOADS, read_activity, read_webhook

TEAMS, FRESHCHAT = "/api/messages", f"/freshchat/webhook/{TENANT}/{TOKEN}"
REFUSALS = frozenset({400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 431})


def _request(path: str, headers: list[tuple[str, str]], body: bytes, method: str = "POST") -> bytes:
    """Write a request; a header that is given twice goes out twice."""
    names = {name.lower() for name, _ in headers}
    standard = [("Host", "bridge"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    lines = [(name, value) for name, value in standard if name.lower() not in names]
    if "transfer-encoding" in names:
        lines = lines[:-1]
    head = "".join(f"{name}: {value}\r\n" for name, value in (*lines, *headers))
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace") + body


class _Checks:
    """One function per kind of request."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._token = doors.token()

    def teams(self, sample: Sample) -> None:
        """An activity, mostly with a good token."""
        auth = f"Bearer {self._token}" if sample.auth == "valid" else sample.auth
        self._fire(TEAMS, [("Authorization", auth), *sample.headers], sample)

    def freshchat(self, sample: Sample) -> None:
        """A webhook, mostly with a good signature."""
        auth = self._doors.signature(sample.body) if sample.auth == "valid" else sample.auth
        self._fire(sample.path or FRESHCHAT, [("X-Freshchat-Signature", auth), *sample.headers], sample)

    def raw(self, sample: Sample) -> None:
        """Bytes that may or may not be a request: nobody is authentic here."""
        answer = self._doors.fire(sample.body, whole=False)
        assert answer is None or answer[0] in REFUSALS, answer
        assert STORED not in self._doors.log()

    def elsewhere(self, sample: Sample) -> None:
        """Every other route, and those that are not there: whatever a stranger sends is no error of ours."""
        method, path = sample.path.split()
        whole = _is_whole(sample)
        answer = self._doors.fire(_request(path, list(sample.headers), sample.body, method), whole)
        assert answer is not None or not whole, "a whole request was not answered"
        assert answer is None or answer[0] < 500, answer
        assert STORED not in self._doors.log()

    def _fire(self, path: str, headers: list[tuple[str, str]], sample: Sample) -> None:
        request, whole = _request(path, headers, sample.body), _is_whole(sample)
        answer = self._doors.fire(request, whole)
        stored = self._doors.log().count(STORED)
        if answer is None:
            assert not whole, "a whole request was not answered"
            return
        status, body = answer
        if status == 200:
            assert sample.auth == "valid"
            assert stored <= 1
            assert path == TEAMS or (json.loads(body)["status"] == "stored") == bool(stored)
        else:
            assert status in REFUSALS or (status == 501 and _is_invoke(sample.body)), (status, body)
            assert stored == 0
        if stored:
            self._look_at_stored(request, whole, sample)

    def _look_at_stored(self, request: bytes, whole: bool, sample: Sample) -> None:
        """The same again is a duplicate, and what is stored can be read by delivery."""
        again = self._doors.fire(request, whole)
        assert again is None or again[0] == 200
        assert STORED not in self._doors.log(), "stored twice"
        read = read_activity if request.startswith(b"POST /api") else read_webhook
        read(read_stored(sample.body))


def _is_whole(sample: Sample) -> bool:
    """Tell whether the server knows where the request ends, so that it need not wait for more."""
    return not any(name in ("Content-Length", "Transfer-Encoding") for name, _ in sample.headers)


def _is_invoke(body: bytes) -> bool:
    try:
        return bool(json.loads(body.decode("utf-8-sig"))["type"] == "invoke")
    except (ValueError, KeyError, TypeError):
        return False


# --- what they are given ----------------------------------------------------------------------------------------------


def _activities() -> list[dict[str, Any]]:
    """The recorded activities, as this bot's tenant would get them."""
    text = json.dumps(TEAMS_PAYLOADS)
    activities: list[dict[str, Any]] = json.loads(text)
    for activity in activities:
        activity["serviceUrl"] = SERVICE_URL
        activity.setdefault("channelData", {})["tenant"] = {"id": TENANT}
        if isinstance(activity.get("conversation"), dict):
            activity["conversation"].pop("tenantId", None)
    return activities


def _raw_requests(doors: Doors) -> list[bytes]:
    body = spelt(TEAMS_PAYLOADS[0])
    chunked = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    return [
        _request(TEAMS, [("Authorization", "Bearer x.y.z")], body),
        _request(FRESHCHAT, [("X-Freshchat-Signature", "eA==")], body),
        _request(TEAMS, [("Transfer-Encoding", "chunked"), ("Authorization", MARKER)], chunked),
        _request("/freshchat/webhook", [("Content-Encoding", "gzip")], b"\x1f\x8b\x08\x00" + body),
        _request("/nowhere", [("Expect", "é\x80")], b""),
        b"GET /files/x HTTP/1.1\r\nHost: x\r\n\r\n" + _request(TEAMS, [], b"{}"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]


_PATHS = ("", "", "", "/freshchat/webhook", f"/freshchat/webhook/{TENANT}/wrong", "/freshchat/webhook/x/%00",
          f"/freshchat/webhook/{TENANT.upper()}/{TOKEN}", f"/freshchat/webhook/%F0%9F%98%80/{TOKEN}")  # fmt: skip

_ELSEWHERE = ("GET /", "POST /nowhere", f"GET /{MARKER}", "DELETE /freshchat/webhook", "POST /freshchat/webhook/x",
              "PUT /api/messages", "POST /healthz", "GET /healthz", "GET /readyz", "GET /metrics", "GET /files/%00",
              "GET /files/x.y.z", "GET /ops", "GET /ops/nowhere", "GET /ops/page.css", "GET /ops/letters/x",
              "POST /ops/login", "POST /ops/letters/replay", "GET /%2e%2e/etc/passwd", "PATCH /%ff%fe")  # fmt: skip


def targets(doors: Doors) -> tuple[Target, ...]:
    """The doors as targets."""
    checks, headers, good = _Checks(doors), header_lists(), st.just("valid")
    activities, webhooks = documents(_activities()), documents(FRESHCHAT_PAYLOADS)
    tokens = hostile_tokens(f"Bearer {doors.token()}")
    signatures = hostile_tokens(doors.signature(b"{}"))
    return (
        Target("teams door", 100, st.builds(Sample, activities, good, headers), checks.teams),
        Target("teams door, tokens", 60, st.builds(Sample, activities, tokens, headers), checks.teams),
        Target(
            "freshchat door", 90, st.builds(Sample, webhooks, good, headers, st.sampled_from(_PATHS)), checks.freshchat
        ),
        Target("freshchat door, signatures", 40, st.builds(Sample, webhooks, signatures, headers), checks.freshchat),
        Target("requests", 30, bytes_of(_raw_requests(doors)).map(Sample), checks.raw),
        Target(
            "elsewhere",
            40,
            st.builds(Sample, webhooks, st.just(""), headers, st.sampled_from(_ELSEWHERE)),
            checks.elsewhere,
        ),
    )
