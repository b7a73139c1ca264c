"""Which messages are commands."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.commands import Commands, command_of
from bridge.events import Event, Place, Sender, SharedFile
from bridge.journal import Journal
from bridge.ports import Link
from bridge.sayings import Sayings

MANIFEST = Path(__file__).parents[3] / "manifest" / "manifest.json"


def event(text, scope="personal", *, names_bot=False, kind="create"):
    return Event(
        idempotency_key="teams:-/c/-/1:create",
        tenant_id="t",
        direction="inbound",
        kind=kind,
        timestamp="2026-01-02T00:00:00.000Z",
        sender=Sender("user", "29:1"),
        text=text,
        place=Place(scope=scope, conversation_id="c", service_url="https://teams.example/"),
        names_bot=names_bot,
    )


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("help", "help"),
        (" HELP\n", "help"),
        ("도움말", "help"),
        (unicodedata.normalize("NFD", "도움말"), "help"),
        ("상태", "status"),
        ("close", "close"),
        ("종료", "close"),
        ("새  대화", "new"),
        ("help me", None),
        ("new printer", None),
        ("", None),
    ],
)
def test_a_command_is_its_word_alone(text, command):
    """Case, blanks and the way a keyboard composes Hangul do not matter; anything beside the word does."""
    assert command_of(event(text)) == command


def test_the_menu_of_the_app_offers_words_that_are_understood():
    """In every scope, and within the lengths that Teams allows."""
    (bot,) = json.loads(MANIFEST.read_text(encoding="utf-8"))["bots"]
    (menu,) = bot["commandLists"]
    assert menu["scopes"] == bot["scopes"]
    assert [command_of(event(one["title"])) for one in menu["commands"]] == ["help", "status", "close", "new"]
    assert all(len(one["title"]) <= 32 and len(one["description"]) <= 128 for one in menu["commands"])


@pytest.mark.parametrize("scope", ["channel", "groupChat"])
def test_elsewhere_than_in_a_personal_chat_it_names_the_bot(scope):
    """People say `close` to each other."""
    assert command_of(event("close", scope)) is None
    assert command_of(event("close", scope, names_bot=True)) == "close"


async def test_a_command_that_was_done_is_not_done_again(threads, queue, clock):
    """A message can be delivered twice: `new` must not leave the conversation that was opened since."""
    commands = Commands(threads, Journal(threads, clock), Sayings(queue, clock), clock)
    place, thread = event("new").place, "t/personal/ada"
    link = Link(
        conversation_id="c1", tenant_id="t", thread_key=thread, place=place, freshchat_user_id="u", inbox_id="i"
    )
    said = replace(event("new"), message_id="1", thread_key=thread)
    for conversation, status in (("c1", "left"), ("c2", "open")):
        now = replace(link, conversation_id=conversation)
        await threads.link(now, "somebody")
        await commands.run("new", said, None, now)
        assert (await threads.by_conversation("t", conversation)).status == status


def test_a_file_beside_the_word_makes_it_a_message():
    assert command_of(replace(event("help"), files=(SharedFile(way="link", url="https://x"),))) is None


def test_an_edit_is_no_command():
    """What was said first was heard first."""
    assert command_of(event("close", kind="edit")) is None
