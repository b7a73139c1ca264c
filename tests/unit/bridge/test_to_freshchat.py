"""What delivery to Freshchat decides: what opens a conversation, what is said in whose name, what is dropped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge import ids
from bridge.delivery import Done
from bridge.errors import Rejected, Unavailable
from bridge.events import Event, Ignored, Place, Sender
from bridge.ports import ConversationClosed, Delivery, Envelope, Sent
from bridge.tenants import FreshchatAccount, Route, Tenant
from bridge.to_freshchat import Desk, ToFreshchat
from cards import texts

SERVICE = "https://smba.trafficmanager.net/emea/t1/"
CHANNEL = Place(
    scope="channel",
    conversation_id="19:c@thread.tacv2;messageid=100",
    service_url=SERVICE,
    team_id="19:g@thread.tacv2",
    channel_id="19:c@thread.tacv2",
    root_id="100",
)
GROUP = Place(scope="groupChat", conversation_id="19:chat@thread.v2", service_url=SERVICE)
PERSONAL = Place(scope="personal", conversation_id="a:1", service_url=SERVICE)
MINA = Sender(kind="user", id="29:mina", name="Mina", aad_object_id="aad-mina")
OLE = Sender(kind="user", id="29:ole", name="Ole", aad_object_id="aad-ole")


class Account:
    """A Freshchat account that keeps what it is told; `errors` are raised by the next posts."""

    def __init__(self):
        self.opened, self.posted, self.errors = [], [], []

    async def ensure_user(self, person):
        return f"user-of-{person.name}"

    async def open_conversation(self, new):
        self.opened.append(new)
        return Sent(id="m0", conversation_id=f"c{len(self.opened)}")

    async def post_message(self, conversation_id, user_id, text):
        if self.errors and (error := self.errors.pop(0)):
            raise error
        self.posted.append((conversation_id, user_id, text))
        return Sent(id=f"m{len(self.posted)}", conversation_id=conversation_id)

    async def find_message(self, conversation_id, user_id, text, since):
        return []

    async def find_conversation(self, user_id, text, since):
        return []


class Directory:
    """Knows nobody better than the activity does."""

    async def person(self, place, teams_user_id):
        return None


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def deliver(account, threads, clock, telemetry):
    """Deliver an event that was already understood."""
    secret = {"url": "https://x", "api_key": "k", "webhook_keys": "k"}
    routes = (Route(team="19:g@thread.tacv2", inbox="team-inbox", tags=("a", "b"), attributes={"cf_x": "1"}),)
    tenant = Tenant(id="t1", freshchat=FreshchatAccount(inbox="inbox", **secret), route=routes)

    async def own_account(aad_object_id):
        return aad_object_id == "aad-own-account"

    async def deliver(event, channel_messages="all"):
        handler = ToFreshchat(
            translate=lambda _raw: event,
            desks={"t1": Desk(tenant, account, channel_messages)},
            threads=threads,
            directory=Directory(),
            own_account=own_account,
            say=texts.say,
            clock=clock,
            telemetry=telemetry,
        )
        envelope = Envelope(
            direction="to-freshchat",
            tenant="t1",
            message_id="m",
            session="s",
            kind="create",
            trace="0",
            body=b"{}",
            received_at=0.0,
        )
        return await handler(Delivery(envelope=envelope, attempts=0, first_failed_at=None, lease="x"))

    return deliver


def _event(number, sender=MINA, place=CHANNEL, **more):
    facts = {
        "idempotency_key": f"teams:-/c/100/{number}:create",
        "tenant_id": "t1",
        "direction": "inbound",
        "kind": "create",
        "timestamp": "2026-01-02T00:00:00Z",
        "sender": sender,
        "text": f"text {number}",
        "message_id": str(number),
        "thread_key": f"t1/{place.scope}/x",
        "user_hash": sender.aad_object_id,
        "place": place,
    }
    return Event(**(facts | more))


STARTS = [
    ("all", CHANNEL, {}, None),
    ("all", GROUP, {}, None),
    ("mention", CHANNEL, {}, "bot_not_mentioned"),
    ("mention", GROUP, {}, "bot_not_mentioned"),
    ("mention", CHANNEL, {"names_bot": True}, None),
    ("mention", GROUP, {"names_bot": True}, None),
    ("mention", PERSONAL, {}, None),
    ("all", CHANNEL, {"kind": "edit"}, "edit_of_unlinked_thread"),
    ("all", CHANNEL, {"kind": "delete"}, "delete_of_unlinked_thread"),
    ("mention", PERSONAL, {"kind": "edit"}, "edit_of_unlinked_thread"),
    ("mention", CHANNEL, {"kind": "edit", "names_bot": True}, "edit_of_unlinked_thread"),
]


@pytest.mark.parametrize(("setting", "place", "more", "reason"), STARTS)
async def test_what_opens_a_conversation(setting, place, more, reason, deliver, account):
    """New messages do, edits and deletes never; where mentions are asked for, only chats with the app go without."""
    outcome = await deliver(_event(1, place=place, **more), setting)
    assert outcome == Ignored(reason) if reason else isinstance(outcome, Done)
    assert len(account.opened) == (0 if reason else 1)


async def test_a_linked_thread_is_carried_without_a_mention(deliver, account):
    """Asking for mentions is about opening, not about the conversation that follows."""
    await deliver(_event(1, names_bot=True), "mention")
    await deliver(_event(2), "mention")
    assert [text for _, _, text in account.posted] == ["text 2"]


@pytest.mark.parametrize("place", [CHANNEL, GROUP])
async def test_other_speakers_are_named(place, deliver, account):
    """Whoever opened the conversation speaks as its user, everybody else with a name in front."""
    await deliver(_event(1, place=place))
    await deliver(_event(2, OLE, place))
    await deliver(_event(3, place=place))
    await deliver(_event(4, replace(OLE, id="29:x", name=None, aad_object_id="aad-x"), place))
    assert account.opened[0].text == "text 1"
    assert [text for _, _, text in account.posted] == ["Ole: text 2", "text 3", "A Teams user: text 4"]
    assert {user for _, user, _ in account.posted} == {"user-of-Mina"}


async def test_in_a_personal_chat_nobody_is_named(deliver, account):
    """There is only one person."""
    await deliver(_event(1, place=PERSONAL))
    await deliver(_event(2, place=PERSONAL))
    assert [text for _, _, text in account.posted] == ["text 2"]


async def test_edits_and_deletes_say_so(deliver, account):
    """Also in another speaker's name, and with braces in a text, which are no placeholders."""
    await deliver(_event(1))
    await deliver(_event(2, kind="edit", text="{name} {0}"))
    await deliver(_event(3, OLE, kind="edit", text="new"))
    await deliver(_event(4, kind="delete", text=""))
    said = [text for _, _, text in account.posted]
    assert said == [
        "(edited: edit 1 of an earlier message) {name} {0}",
        "Ole: (edited: edit 1 of an earlier message) new",
        "(A message was deleted in Teams: an earlier message.)",
    ]


async def test_our_own_messages_are_dropped(deliver, account, threads, clock):
    """By the account that answers, and by id when the webhook is faster than the answer."""
    own = replace(MINA, aad_object_id="aad-own-account")
    assert await deliver(_event(1, own)) == Ignored("own_message")
    key = "freshchat:c/m:create#reply.0"
    await threads.start("t1", key, clock())
    await threads.done("t1", key, ids.sent_key("19:c@thread.tacv2", "2"))
    assert await deliver(_event(2)) == Ignored("own_message")
    assert account.opened == []


async def test_a_tenant_that_is_not_ours_is_refused(deliver):
    """A dead letter, not a conversation in somebody's account."""
    with pytest.raises(Rejected) as refused:
        await deliver(_event(1, tenant_id="t9"))
    assert refused.value.code == "unknown_tenant"


async def test_a_conversation_is_opened_where_the_route_says(deliver, account):
    """With its tags and attributes as properties; without a route in the default inbox."""
    await deliver(_event(1))
    await deliver(_event(2, place=GROUP))
    assert [new.inbox_id for new in account.opened] == ["team-inbox", "inbox"]
    assert account.opened[0].properties == {"cf_tags": "a, b", "cf_x": "1"}
    assert account.opened[1].properties == {}


async def test_after_resolve_the_next_question_opens_its_own_conversation(deliver, account, threads):
    """As whoever asks it, and the thread goes on there."""
    await deliver(_event(1))
    link = await threads.by_conversation("t1", "c1")
    await threads.update(replace(link, status="resolved"))
    await deliver(_event(2, OLE))
    await deliver(_event(3))
    assert [(new.user_id, new.text) for new in account.opened] == [
        ("user-of-Mina", "text 1"),
        ("user-of-Ole", "text 2"),
    ]
    assert account.posted == [("c2", "user-of-Ole", "Mina: text 3")]
    assert (await threads.by_conversation("t1", "c1")).status == "resolved"


async def test_a_closed_conversation_is_followed_by_a_new_one(deliver, account):
    """The message that met the closed door opens the next conversation, once."""
    await deliver(_event(1))
    account.errors = [ConversationClosed()]
    await deliver(_event(2))
    await deliver(_event(3))
    assert [new.text for new in account.opened] == ["text 1", "text 2"]
    assert account.posted == [("c2", "user-of-Mina", "text 3")]


async def test_a_long_text_is_whole_although_its_conversation_changed_on_the_way(deliver, account):
    """Each piece is cut at the same place at every try, whoever the conversation belongs to by then."""
    long = "".join(f"{n:07} " for n in range(4_000))
    await deliver(_event(1))
    account.errors = [ConversationClosed(), Unavailable("away", code="away", component="test")]
    event = _event(2, OLE, text=long)
    with pytest.raises(Unavailable):
        await deliver(event)
    await deliver(event)
    said = account.opened[1].text + "".join(text for _, _, text in account.posted)
    assert said.removeprefix("Ole: ") == long


async def test_a_new_address_of_the_connector_is_kept(deliver, threads):
    """Teams may move a tenant; answers follow the newest message."""
    await deliver(_event(1))
    moved = replace(CHANNEL, service_url="https://smba.trafficmanager.net/apac/t1/")
    await deliver(_event(2, place=moved))
    assert (await threads.by_conversation("t1", "c1")).place == moved
