"""Hostile inputs: recorded payloads that are bent, odd bytes around them, and what is simply not meant to be there."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

FIXTURES = Path(__file__).parents[1] / "fixtures"
MARKER = "zq7planted"
"""Stands in everything a person could have written, and may be in no log and no error."""

Draw = Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One input. Doors send `body` with `headers` to `path`; `auth` is `valid`, or goes out as it is."""

    body: bytes
    auth: str = "valid"
    headers: tuple[tuple[str, str], ...] = ()
    path: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write the stored form."""
        body = base64.b64encode(self.body).decode()
        return {"body": body, "auth": self.auth, "headers": [list(pair) for pair in self.headers], "path": self.path}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Sample:
        """Read the stored form."""
        headers = tuple((name, value) for name, value in stored["headers"])
        return cls(base64.b64decode(stored["body"]), stored["auth"], headers, stored["path"])


def recorded(folder: str) -> list[dict[str, Any]]:
    """Read the recorded payloads, with the marker in what people write."""
    paths = sorted((FIXTURES / folder).glob("*.json"))
    return [_planted(json.loads(path.read_text(encoding="utf-8"))) for path in paths]


_WRITTEN = frozenset({"text", "content", "subject", "label", "custom_reply_text", "displayName"})


def _planted(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _planted(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_planted(inner, name) for inner in value]
    return f"{value} {MARKER}" if isinstance(value, str) and name in _WRITTEN else value


# --- values ---------------------------------------------------------------------------------------------------------

TEXTS = (
    "", " ", "-", ".", "\0", "\x1b[31m", "\r\n", "²", "\ufeff", "\u202e\u2066", "\u200d" * 70, "e" + "\u0301" * 300,
    "\U0001f468\u200d\U0001f469" * 40, "\U0001f1f0" * 9, "\u1100\u1161" * 40, "ﷺ", "ß", "İ", "\ud83d", "\udc00x",
    "message", "messageUpdate", "messageDelete", "invoke", "28:", "29:x", "19:x@thread.v2", "19:x@thread.tacv2",
    ";messageid=", ";messageid=7", ";messageid=7;messageid=8", "channel", "personal", "groupChat", "../../etc/passwd",
    "a/b|c#d:e", "%2F%00", "' OR 1=1 --", "{name}", "{0.__class__}", "$(id)", "<script>", "<at>", "<at>x</at>", "</at>",
    "<at id=\"0\">", "&#0;", "&#x110000;", "&#99999999999;", "&amp;amp;", "<!--", "]]>", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00,5+00:00:30", "٣" * 13, "9" * 13, "-1",
    "1e999", "normal", "private", "agent", "bot", "user", "system", "text", "template_content", "collection",
    "https://smba.trafficmanager.net/emea/", "http://[::1", "http://a@b", "secret:", "secret:NAME;secret:NAME",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, -(2**64), 10**30, 10**400, 0.1, -0.0, 1e308, 5e-324)


def _long(draw: Draw) -> str:
    unit = draw(st.sampled_from(("x", "é", "가", "\U0001f600", "<at>", "&lt;", "\n", " ", "\u0301", "\\")))
    return str(unit * draw(st.sampled_from((300, 300, 300, 5_000, 20_000))))


def _deep(draw: Draw) -> Any:
    value: Any = draw(st.sampled_from((None, "x", [])))
    kind = draw(st.sampled_from(("[]", "{}", "sub_parts", "mixed")))
    for level in range(draw(st.sampled_from((5, 9, 63, 65, 400)))):
        if kind == "sub_parts":
            value = {"collection": {"sub_parts": [value]}}
        else:
            value = [value] if kind == "[]" or (kind == "mixed" and level % 2) else {"text": value}
    return value


@st.composite
def values(draw: Draw) -> Any:
    """Draw one value that may stand anywhere in JSON."""
    match draw(st.integers(0, 11)):
        case 0 | 1 | 2 | 3:
            return draw(st.sampled_from(TEXTS))
        case 4 | 5:
            return draw(st.sampled_from(NUMBERS))
        case 6:
            return draw(st.sampled_from((None, True, False, [], {}, [[]], {"": ""}, [None])))
        case 7 | 8:
            return draw(st.text(max_size=12))
        case 9:
            return _long(draw)
        case 10:
            return _deep(draw)
        case _:
            return {draw(st.sampled_from(TEXTS)): draw(st.sampled_from(TEXTS))}


# --- bending --------------------------------------------------------------------------------------------------------


MANY, MOST, TOO_LONG = 300, 200_000, 2_000_000
"""Places that are looked at; bytes that a list is blown up to, and any document: a door takes a megabyte."""


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """List every (container, key) of a JSON value; enough of them, where it was made huge before."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if len(found) == MANY:
            break
        found.append((value, key))
        _places(inner, found)
    return found


def _bend(draw: Draw, value: Any) -> None:
    """Change one place of a JSON value."""
    places = _places(value, [])
    if not places:
        return
    container, key = places[draw(st.integers(0, len(places) - 1))]
    match draw(st.integers(0, 6)):
        case 0 | 1 | 2:
            container[key] = draw(values())
        case 3:
            del container[key]
        case 4:
            room = MOST // len(spelt(container[key]))
            container[key] = [container[key]] * min(draw(st.sampled_from((1, 2, 50, 3000))), room)
        case 5:
            other, name = places[draw(st.integers(0, len(places) - 1))]
            container[key] = _copied(other[name]) if len(places) < MANY else None
        case _ if isinstance(container, dict):
            container[draw(st.sampled_from(TEXTS))] = container.pop(key)
        case _:
            container.insert(0, draw(values()))


def _copied(value: Any) -> Any:
    """Copy without the marker: where it lands it may become an id, and ids are logged."""
    if isinstance(value, str):
        return value.replace(MARKER, "copied")
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


@st.composite
def bent(draw: Draw, bases: list[Any], most: int = 4) -> Any:
    """Draw a recorded payload with up to `most` places changed."""
    base = draw(st.sampled_from(bases))
    value = copy.deepcopy(base)
    for _ in range(draw(st.integers(0, most))):
        _bend(draw, value)
        if not _fits(value, TOO_LONG):
            return base
    return value


def _fits(value: Any, room: int) -> bool:
    """Tell whether it stays below that many characters, about; what was blown up twice would take gigabytes."""
    stack = [value]
    while stack and room > 0:
        one = stack.pop()
        room -= len(one) if isinstance(one, str) else 8
        stack.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
    return room > 0


def spelt(value: Any, *, escaped: bool = True) -> bytes:
    """Write JSON; half surrogates go out as escapes, or as the bytes that UTF-8 forbids."""
    return json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")


_INSERTS = (b"NaN", b"1e999", b"-", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\0", b"{",
            b"}", b"]", b"\"", b",", b"\xef\xbb\xbf", b"\"text\":1,", b"\"id\":\"x\",", b"9" * 5000, b"[" * 3000,
            b"//")  # fmt: skip


@st.composite
def documents(draw: Draw, bases: list[Any]) -> bytes:
    """Draw JSON text of a bent payload; sometimes its bytes are bent too, and sometimes there is no payload at all."""
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return bytes(draw(st.binary(max_size=60)))
    if kind == 1:
        return spelt(draw(values()))
    text = spelt(draw(bent(bases)), escaped=draw(st.booleans()))
    if kind > 5:
        return text
    return _bent_bytes(draw, text)


def _bent_bytes(draw: Draw, text: bytes) -> bytes:
    at = draw(st.integers(0, max(len(text) - 1, 0)))
    match draw(st.integers(0, 4)):
        case 0:
            return text[:at]
        case 1 | 2:
            return text[:at] + draw(st.sampled_from(_INSERTS)) + text[at:]
        case 3:
            return text.decode("utf-8", "replace").encode(draw(st.sampled_from(("utf-16", "utf-32", "utf-8-sig"))))
        case _:
            return text[:at] + bytes([draw(st.integers(0, 255))]) + text[at + 1 :]


@st.composite
def bytes_of(draw: Draw, bases: list[bytes]) -> bytes:
    """Draw a text file (TOML, PEM, a request) with its bytes bent up to three times."""
    text = draw(st.sampled_from(bases))
    for _ in range(draw(st.integers(0, 3))):
        text = _bent_bytes(draw, text) if draw(st.booleans()) else _spliced(draw, text)
    return bytes(text)


def _spliced(draw: Draw, text: bytes) -> bytes:
    """Put an odd text in place of a piece."""
    start = draw(st.integers(0, len(text)))
    end = min(len(text), start + draw(st.integers(0, 30)))
    odd = draw(st.sampled_from(TEXTS)).encode("utf-8", "surrogatepass")
    return bytes(text[:start] + odd * draw(st.sampled_from((1, 1, 1, 50))) + text[end:])


@st.composite
def long_texts(draw: Draw) -> str:
    """Draw a text of odd pieces, some of them long, without half surrogates (what parsing lets through)."""
    pieces = draw(st.lists(st.sampled_from(TEXTS) | st.text(max_size=20) | st.builds(str), max_size=12))
    text = "".join(pieces)
    if draw(st.integers(0, 3)) == 0:
        text += _long(draw)
    return text.encode("utf-8", "replace").decode()


# --- requests -------------------------------------------------------------------------------------------------------

_NAMES = ("Content-Type", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Expect", "Host", "Accept",
          "Cookie", "X-Freshchat-Payload-Version", "X-Retry-Count", "traceparent", "tracestate",
          "X-Forwarded-For", "Upgrade", "Connection", "Range", "User-Agent", "Authorization",
          "X-Freshchat-Signature")  # fmt: skip
_HEADER_VALUES = (
    "", " ", f"a@{MARKER}", "application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data",
    "0", "-1", "99999999999999999999", "1, 2", "chunked", "chunked, chunked", "gzip", "br", "deflate", "100-continue",
    "websocket", "close", "é\x80", "x" * 7000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", f"a={MARKER}", "bytes=0-", "\t", "\x0b", "a\x00b",
)  # fmt: skip


def header_lists() -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    """Draw up to three odd headers; mostly none."""
    header = st.tuples(st.sampled_from(_NAMES), st.sampled_from(_HEADER_VALUES))
    return st.just(()) | st.just(()) | st.lists(header, min_size=1, max_size=3).map(tuple)


@st.composite
def hostile_tokens(draw: Draw, good: str) -> str:
    """Draw an Authorization or signature header: a good one bent, or something else."""
    if draw(st.integers(0, 4)) == 0:
        return str(draw(st.sampled_from(_HEADER_VALUES)))
    parts = good.split(".")
    at = draw(st.integers(0, len(parts) - 1))
    match draw(st.integers(0, 4)):
        case 0:
            parts[at] = draw(st.sampled_from(("", "=", "e30", "bnVsbA", "W10", "MQ", MARKER, "*", "A" * 9000)))
        case 1:
            claims = draw(st.dictionaries(st.sampled_from(("iss", "aud", "exp", "kid", "alg", "nbf")), values()))
            parts[at] = base64.urlsafe_b64encode(spelt(claims)).decode()
        case 2:
            del parts[at]
        case 3:
            parts.insert(at, draw(st.sampled_from(parts)))
        case _:
            cut = draw(st.integers(0, len(parts[at])))
            parts[at] = parts[at][:cut] + draw(st.sampled_from(("", "A", "-", "=", "%", "\xff"))) + parts[at][cut + 1 :]
    return ".".join(parts).replace("\r", "").replace("\n", "")
