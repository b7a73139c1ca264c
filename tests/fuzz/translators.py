"""What every translator promises, whatever it is given."""

from __future__ import annotations

import base64
import hmac
import html
import json
import re
from typing import Any

from hypothesis import strategies as st

from adapters.freshchat.parts import NotUnderstood, text_of
from adapters.freshchat.signature import BadBody, Verifier
from adapters.freshchat.translate import keys as freshchat_keys
from adapters.freshchat.translate import to_event as freshchat_event
from adapters.teams.graph_reader import said
from bots.activity import BadActivity, read_keys, tenant_of
from bots.activity import to_event as teams_event
from bots.adapter import MAX_BODY, Refusal, parse_object
from bots.message_text import read_text
from bridge import ids
from bridge.errors import Rejected
from bridge.events import Event, Ignored, SharedFile
from bridge.file_posts import cut
from bridge.ports import Reply
from bridge.text import FRESHCHAT, TEAMS, parse_json, split
from cards import agent_reply, agent_text, texts
from tests.fuzz.samples import Sample, bent, bytes_of, documents, long_texts, recorded, spelt
from tests.fuzz.target import APP, TENANT, Target, silent

TEAMS_PAYLOADS, FRESHCHAT_PAYLOADS = recorded("teams"), recorded("freshchat")


LONGEST_KEYS = 64_000
"""Characters of both keys of an activity: rows, indexes and logs hold them."""


def carried(event: Event) -> None:
    """An event can be stored and sent: its text and keys are Unicode that UTF-8 can hold."""
    json.dumps(event.to_json(), ensure_ascii=False).encode()
    assert event.idempotency_key.partition(":")[0] == event.source


# --- bodies to keys and events ----------------------------------------------------------------------------------------


def activity(sample: Sample) -> None:
    """Keys or BadActivity; an event, Ignored or Rejected; both agree. The same bytes give the same keys."""
    if len(sample.body) > MAX_BODY:  # no door takes it
        return
    try:
        raw = parse_object(sample.body)
    except Refusal:
        return
    read_activity(raw)


def read_activity(raw: dict[str, Any]) -> Event | Ignored | None:
    """Read as door and delivery do; None if it is refused."""
    keys = None
    try:
        keys = read_keys(raw)
        assert ids.dedupe_id(keys.tenant, keys.idempotency).encode()
        assert read_keys(raw) == keys
        parsed = ids.parse_teams_key(keys.idempotency)
        named = raw["replyToId" if raw["type"] == "messageReaction" else "id"]  # a reaction is about a message
        assert (parsed.message, parsed.action) == (named, keys.kind)
        ids.parse_thread_key(keys.session)
        assert len(keys.idempotency + keys.session) < LONGEST_KEYS
    except BadActivity as error:
        silent(error)
    tenant_of(raw)
    read_text(raw, APP)
    try:
        event = teams_event(raw, APP)
    except Rejected as error:
        silent(error)
        return None
    assert keys is not None
    if isinstance(event, Event):
        carried(event)
        assert (event.idempotency_key, event.thread_key) == (keys.idempotency, keys.session)
    return event


_VERIFIER = Verifier("hmac", ["fuzz"])


def _sign(body: bytes) -> str:
    return base64.b64encode(hmac.digest(b"fuzz", body, "sha256")).decode()


def webhook(sample: Sample) -> None:
    """Keys, Ignored or Rejected; what the door ignores delivery ignores too, and the keys are the event's."""
    if len(sample.body) > MAX_BODY:  # no door takes it
        return
    try:
        body = _VERIFIER.verify(sample.body, _sign(sample.body)).parse()
    except BadBody as error:
        silent(error)
        return
    read_webhook(body)


def read_webhook(body: dict[str, Any]) -> Event | Ignored | None:
    """Read as door and delivery do; None if it is refused."""
    try:
        keys = freshchat_keys(body, TENANT)
    except Rejected as error:
        silent(error)
        keys = None
    try:
        event = freshchat_event(body, TENANT)
    except Rejected as error:
        silent(error)
        assert not isinstance(keys, Ignored)
        return None
    assert keys is not None
    if isinstance(keys, Ignored):
        assert event == keys
    elif isinstance(event, Event):
        carried(event)
        assert event.idempotency_key == keys.idempotency_key
        assert ids.parse_freshchat_key(keys.idempotency_key).conversation == event.conversation_id
        _never_private(body)
        _names_its_files(event)
    return event


def _names_its_files(event: Event) -> None:
    """Each file has a line of the words, one after the other, and cutting there loses nothing else."""
    words, at = event.panel.words if event.panel else event.text, 0
    for number, file in enumerate(event.files):
        start, end = file.span
        assert file.number == number and start >= at and words[start:end].startswith("[") and words[end - 1] == "]"
        assert start == 0 or words[start - 1] == "\n"
        at = end
    assert sum(isinstance(piece, SharedFile) for piece in cut(words, event.files)) == len(event.files)


def _never_private(body: dict[str, Any]) -> None:
    message = body["data"].get("message")
    if isinstance(message, dict) and body["action"] == "message_create":
        assert message.get("message_type") in (None, "", "normal")


def parts(sample: Sample) -> None:
    """Text or NotUnderstood, and never longer than a few times what was sent."""
    if len(sample.body) > MAX_BODY:  # no door takes it
        return
    try:
        message = parse_json(sample.body)
    except (ValueError, RecursionError):
        return
    if not isinstance(message, dict):
        return
    try:
        text = text_of(message)
    except NotUnderstood as error:
        silent(error)
        return
    assert len(text) <= 4 * len(sample.body) + 1000


# --- texts and cards --------------------------------------------------------------------------------------------------


def text(sample: Sample) -> None:
    """Pieces joined are the text again, and each is one that the platform takes."""
    given = sample.body.decode()
    for platform in (FRESHCHAT, TEAMS):
        pieces = split(given, platform)
        assert "".join(pieces) == given
        assert all(platform.size(piece) <= platform.max_size for piece in pieces)


def json_bytes(sample: Sample) -> None:
    """JSON or ValueError; what is read can be written as UTF-8."""
    try:
        value = parse_json(sample.body)
    except (ValueError, RecursionError):
        return
    json.dumps(value, ensure_ascii=False).encode()


_TAG = re.compile(r"<[^<>]*>")
_OURS = re.compile(
    r"</?(?:p|strong|em|s|ul|ol|li|blockquote|pre|code)>|<br/>|</a>|<a href=\"(?:https?://|mailto:|tel:)[^\"<>]*\">"
)
_ALLOWED = re.compile(r"</?(?:p|strong|em)>|<br/>")


def card(sample: Sample) -> None:
    """What people wrote holds no markup in the card, and a reader of the card reads all of it."""
    given = sample.body.decode()
    reply = Reply(text=given, author=given[:80] or None)
    rendered = agent_reply.render(reply)
    assert "<" not in _ALLOWED.sub("", rendered)
    for locale in (given[:20], "ko-KR", None):
        assert given in texts.say("edited", locale, number="1", original="x", text=given)
    assert said(rendered) == said(f"{html.escape(given[:80])} {html.escape(given)}")


def answer(sample: Sample) -> None:
    """Whatever an agent writes becomes our few tags, each closed in its turn, in pieces that Teams takes."""
    for reply in agent_text.replies(sample.body.decode()):
        rendered = agent_reply.render(reply)
        opened: list[str] = []
        for tag in _TAG.findall(rendered):
            if tag.startswith("</"):
                assert opened.pop() == tag[2:-1]
            elif tag != "<br/>":
                opened.append(re.split("[ >]", tag[1:])[0])
        assert not opened
        assert "<" not in _OURS.sub("", rendered)
        assert len(rendered.encode()) <= TEAMS.max_size + len("<p></p>")


def html_copy(sample: Sample) -> None:
    """Any HTML copy is read to its end, and becomes no more than a few times as long."""
    given = sample.body.decode()
    raw = {"text": "?", "attachments": [{"contentType": "text/html", "content": given}]}
    read, _, _ = read_text(raw, APP)
    assert len(read) <= 10 * len(given) + 100


def markup(sample: Sample) -> None:
    """Any HTML is read to its end, in one line."""
    read = said(sample.body.decode())
    assert read == " ".join(read.split())


# --- what they are given ----------------------------------------------------------------------------------------------

_MARKUP = (
    b'<p>Hello <strong>you</strong><br/><emoji alt="x"></emoji><img src="a" alt="b"> &amp; <at id="0">Ada</at></p>',
    b"<img " * 3000, b"<emoji alt=" * 3000, b"<p " * 4000, b"<" * 20000, b'<img alt="' * 3000, b"</div" * 3000,
)  # fmt: skip
_MARKDOWN = (
    b"**a** *b* ~~c~~ `d` [e](https://x.example) @ada@x.example\n- f\n  1. g\n\n> h\n```\ni\n```\n|j|k|\n|-|-|\n",
    b"<p>a <b>b</b> <a href='https://x.example'>c</a></p><ul><li>d</li></ul><pre>e</pre><table><tr><td>f</td></tr></table>",
    b"[" * 2900, b"> " * 9000, b"- " * 9000, b"<p>" * 2900, b"<i>x</p>" * 1400,
    b"![[" * 900, b"|a|b\n|-|-\n" * 500, b"**a" * 1400, b"<b><p>x" * 900, b"_*a" * 1400,
    b"https://a.b/)))" * 1000, b"@a@b." * 3000, b"1. " * 6000, b"``a`" * 4000, b"<a href=https://a.b>" * 900,
)  # fmt: skip
_COPIES = (
    b'<div><blockquote itemtype="http://schema.skype.com/Reply"><strong itemprop="mri">A</strong><p itemprop="preview">'
    b'b</p></blockquote><p><b>c</b> <span itemtype="http://schema.skype.com/Mention" itemid="0">D</span></p>'
    b"<pre>e</pre><ul><li>f<ol start=3><li>g</li></ol></li></ul><table><tr><td>h</td></tr></table><a href='https://x'>i</a></div>",
    b"<div>" * 5000, b"<ul><li>" * 2400, b"<b><p>" * 2400, b"<table><tr><td>" * 1600,
    b"<blockquote>" * 50 + b"x<br>" * 4000, b"<p " + b"a=b " * 20000 + b"><b>",
)  # fmt: skip
_MESSAGES: list[Any] = [body["data"]["message"] for body in FRESHCHAT_PAYLOADS if "message" in body.get("data", {})]

_utf8 = long_texts().map(lambda given: Sample(given.encode()))


def _utf8_of(bases: tuple[bytes, ...]) -> st.SearchStrategy[Sample]:
    return bytes_of(list(bases)).map(lambda raw: Sample(raw.decode("utf-8", "replace").encode()))


TARGETS = (
    Target("activity", 130, documents(TEAMS_PAYLOADS).map(Sample), activity),
    Target("webhook", 130, documents(FRESHCHAT_PAYLOADS).map(Sample), webhook),
    Target("parts", 80, bent(_MESSAGES, most=6).map(lambda value: Sample(spelt(value))), parts),
    Target("text", 40, _utf8, text),
    Target("json", 40, documents(TEAMS_PAYLOADS + FRESHCHAT_PAYLOADS).map(Sample), json_bytes),
    Target("card", 30, _utf8, card),
    Target("markup", 30, _utf8 | _utf8_of(_MARKUP), markup),
    Target("answer", 30, _utf8 | _utf8_of(_MARKUP + _MARKDOWN), answer),
    Target("copy", 30, _utf8_of(_MARKUP + _COPIES), html_copy),
)
