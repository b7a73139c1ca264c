"""What people said, read from every form that Freshchat gives it."""

from __future__ import annotations

from typing import Any

import pytest

from archive.message_text import body_text, html_text, message_text


def nested(depth: int) -> dict[str, Any]:
    part: dict[str, Any] = {"text": {"content": "deep"}}
    for _ in range(depth):
        part = {"collection": {"sub_parts": [part]}}
    return {"message_parts": [part]}


CARD = {"template_content": {"type": "carousel", "sections": [{"name": "x", "parts": [{"text": {"content": "T"}}]}]}}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"message_parts": [{"text": {"content": "<b>안녕</b>"}}]}, "<b>안녕</b>"),
        ({"msg_parts": [{"part_type": "text", "properties": {"text": "old"}}]}, "old"),
        ({"message_parts": [{"email": {"subject": "S", "content": "<p>a &amp; b</p>"}}]}, "a & b"),
        ({"message_parts": [{"file": {"name": "a.pdf"}}, {"image": {"url": "u"}}]}, "[a.pdf]\n[image]"),
        ({"reply_parts": [{"quick_reply_button": {"label": "Yes"}}]}, "(Yes)"),
        ({"message_parts": [CARD]}, "T"),
        ({"message_parts": [{"hologram": {}}]}, "[hologram]"),
        (nested(5), "deep"),
        (nested(500), ""),
        ({"message_parts": "text"}, ""),
        ({"message_parts": [None, {"text": None}, {"collection": {"sub_parts": 1}}]}, ""),
        ({}, ""),
    ],
)
def test_words_of_a_message(message: dict[str, Any], said: str) -> None:
    """In order; files, buttons and unknown parts are named; nothing fails."""
    assert message_text(message) == said


def test_words_of_a_body() -> None:
    """Freshdesk's own text if there is one; never what a script or a style says."""
    assert body_text({"body_text": "plain", "body": "<p>x</p>"}, "body") == "plain"
    assert body_text({"body_text": None, "body": "<p>x</p><script>evil()</script>"}, "body") == "x"
    assert html_text("a<br>b&nbsp;&lt;c&gt;<style>p{}</style>") == "a b <c>"
