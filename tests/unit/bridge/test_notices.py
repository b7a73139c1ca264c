"""Who is told that a message was given up, where, in which language, and how often."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from bridge import ids
from bridge.attachments import _REASONS
from bridge.delivery import Done, Worker
from bridge.errors import NotLinked, Rejected, Unavailable
from bridge.events import Event, Ignored, Place, Sender
from bridge.file_policy import Objection
from bridge.letters import BACKOFF
from bridge.notices import NOTICE, Addressee, Notice, Notices
from bridge.patience import Patience
from bridge.ports import Delivery, Envelope, Link
from bridge.reply_posts import Transports
from bridge.tenants import FreshchatAccount, Tenant
from bridge.to_freshchat import Desk, ToFreshchat
from bridge.to_teams import ToTeams
from cards import texts

AWAY = Unavailable("away", code="away", component="test")
NEVER = Rejected("no", code="400", component="test")
PLACE = Place(scope="channel", conversation_id="19:c;messageid=100", service_url="https://x", channel_id="19:c")
THREAD = "t1/channel/19:c/100"
MINA = Sender(kind="user", id="29:mina", name="Mina", aad_object_id="aad-mina", locale="ko-KR")
GRACE = Sender(kind="agent", id="agent-1")
KEY = "teams:-/19:c/100/1:create"


@pytest.fixture
def link():
    return Link(
        conversation_id="c1",
        tenant_id="t1",
        thread_key=THREAD,
        place=PLACE,
        freshchat_user_id="u",
        inbox_id="inbox",
        locale="ko-KR",
    )


@pytest.fixture
async def linked(threads, link):
    """The thread has an open conversation."""
    await threads.claim("t1", THREAD, "someone", 60, None)
    await threads.link(link, "someone")
    return link


@pytest.fixture
def question():
    return Event(
        idempotency_key=KEY,
        tenant_id="t1",
        direction="inbound",
        kind="create",
        timestamp="2026-01-02T00:00:00Z",
        sender=MINA,
        text="text",
        message_id="1",
        thread_key=THREAD,
        user_hash="hash",
        place=PLACE,
    )


@pytest.fixture
def answer():
    return Event(
        idempotency_key="freshchat:c1/m1:create",
        tenant_id="t1",
        direction="outbound",
        kind="create",
        timestamp="2026-01-02T00:00:00Z",
        sender=GRACE,
        text="text",
        message_id="m1",
        conversation_id="c1",
        inbox_id="inbox",
    )


def _delivery(direction="to-freshchat"):
    envelope = Envelope(
        direction=direction,
        tenant="t1",
        message_id=ids.dedupe_id("t1", KEY),
        session="s",
        kind="create",
        trace="7f3a09bc" + "0" * 24,
        body=b"{}",
        received_at=0.0,
    )
    return Delivery(envelope=envelope, attempts=0, first_failed_at=None, lease="x")


@pytest.fixture
def asked_by(threads, clock, telemetry):
    """Whom delivery to Freshchat names for a question."""

    async def asked_by(event, channel_messages="all"):
        account = FreshchatAccount(inbox="inbox", url="https://x", api_key="k", webhook_keys="k")

        async def own_account(oid):
            return oid == "aad-own-account"

        handler = ToFreshchat(
            translate=lambda _raw: event,
            desks={"t1": Desk(Tenant(id="t1", freshchat=account), None, channel_messages)},
            threads=threads,
            directory=None,
            own_account=own_account,
            say=texts.say,
            clock=clock,
            telemetry=telemetry,
        )
        return await handler.addressee(_delivery())

    return asked_by


@pytest.fixture
def answered_by(threads, clock, telemetry):
    """Whom delivery to Teams names for an answer."""

    async def answered_by(event):
        handler = ToTeams(
            translate=lambda _raw, _tenant: event,
            helpdesks={"t1": None},
            inboxes={"t1": frozenset({"inbox"})},
            threads=threads,
            transports=Transports({}, "bot", None),
            directory=None,
            say=texts.say,
            clock=clock,
            telemetry=telemetry,
        )
        return await handler.addressee(_delivery("to-teams"))

    return answered_by


async def test_a_first_question_is_told_where_it_was_asked(asked_by, question):
    """There is no conversation yet, so the notice is ordered by its thread."""
    assert await asked_by(question) == Addressee(session=THREAD, locale="ko-KR", place=PLACE)


async def test_a_later_question_is_told_behind_the_answers(asked_by, question, linked):
    """In the conversation's session, and in the thread's language if the message names none."""
    told = await asked_by(replace(question, sender=replace(MINA, locale=None)))
    assert told == Addressee(session="t1/conversation/c1", locale="ko-KR", place=PLACE)
    assert (await asked_by(replace(question, sender=replace(MINA, locale="en-GB")))).locale == "en-GB"


async def test_an_answer_is_told_in_its_conversation(answered_by, answer, linked):
    """Ordered with the questions of the thread."""
    told = Addressee(session=THREAD, locale="ko-KR", conversation_id="c1")
    assert await answered_by(answer) == told
    assert await answered_by(replace(answer, sender=Sender(kind="bot", id="b"))) == told


async def test_an_answer_without_a_thread_is_told_in_its_conversation(answered_by, answer):
    """Its question did not get through; of other people's conversations nothing is said."""
    told = Addressee(session="t1/conversation/c1", locale=None, conversation_id="c1")
    assert await answered_by(answer) == told
    assert await answered_by(replace(answer, kind="status", status="resolved")) is None
    assert await answered_by(replace(answer, inbox_id="elsewhere")) is None


async def test_nobody_waits_for_what_would_not_be_carried(asked_by, question, linked, threads):
    """Deletes, our own posts, other people's talk in a channel."""
    assert await asked_by(replace(question, kind="delete")) is None
    assert await asked_by(replace(question, sender=replace(MINA, aad_object_id="aad-own-account"))) is None
    assert await asked_by(Ignored("empty")) is None
    await threads.done("t1", "freshchat:c1/m1:create#reply.0", ids.sent_key("19:c", "1"))
    assert await asked_by(question) is None, "posted by us"
    elsewhere = replace(question, message_id="2", thread_key="t1/channel/19:c/200")
    assert await asked_by(elsewhere, channel_messages="mention") is None
    assert await asked_by(replace(elsewhere, names_bot=True), channel_messages="mention") is not None
    assert await asked_by(replace(elsewhere, kind="edit")) is None


async def test_nobody_waits_for_states_and_echoes(answered_by, answer, linked, threads):
    """Resolved is not said to anybody; our own message is no answer."""
    assert await answered_by(replace(answer, kind="status", status="resolved")) is None
    assert await answered_by(Ignored("private")) is None
    await threads.done("t1", f"{KEY}#message.0", ids.sent_key("c1", "m1"))
    assert await answered_by(answer) is None


# --- from the worker to the queue -----------------------------------------------------------------------------------


@pytest.fixture
def worker(queue, telemetry, clock):
    """A worker whose deliveries all fail with `error`, and whose senders are at PLACE."""

    def worker(error, find=None, direction="to-freshchat"):
        async def handler(_delivery):
            raise error

        async def at_place(_delivery):
            return Addressee(session=THREAD, locale="ko-KR", place=PLACE)

        return Worker(
            queue,
            direction,
            handler,
            telemetry,
            clock=clock,
            patience=Patience(first_wait=1.0, window=10.0, bug_attempts=2),
            tell=Notices(queue, find or at_place, telemetry, clock).tell,
        )

    return worker


@pytest.fixture
def notices(queue, clock, telemetry):
    """Take the notices out of the queue of a direction."""

    async def notices(direction="to-teams"):
        found = []

        async def handler(delivery):
            found.append(delivery.envelope)
            return Done()

        await Worker(queue, direction, handler, telemetry, clock=clock).drain()
        assert all(envelope.kind == NOTICE for envelope in found)
        return found

    return notices


@pytest.fixture
def until_dead(queue, clock):
    async def until_dead(worker, letters=1):
        for _ in range(20):
            await worker.drain()
            clock.advance(15)
        assert len(await queue.dead_letters(worker.direction)) == letters

    return until_dead


OUTCOMES = [
    (NEVER, "refused", False),
    (AWAY, "unavailable", True),
    (NotLinked("no thread", code="not_linked", component="test"), "not_linked", True),
    (KeyError("a bug"), "internal", False),
]


@pytest.mark.parametrize(("error", "reason", "kept_trying"), OUTCOMES, ids=["refused", "away", "not linked", "bug"])
async def test_one_notice_for_a_message_that_is_given_up(error, reason, kept_trying, worker, put, until_dead, notices):
    """It goes the other way, under the trace of the message, and holds nothing of what was said."""
    await put("s", "the secret text")
    await until_dead(worker(error))
    [envelope] = await notices()
    assert (envelope.direction, envelope.tenant, envelope.session, envelope.trace) == (
        "to-teams",
        "t1",
        THREAD,
        "0" * 32,
    )
    assert envelope.message_id == "t1|notice:s:the secret text"
    assert b"secret" not in envelope.body
    notice = Notice.from_bytes(envelope.body)
    assert notice == Notice(reason=reason, kept_trying=kept_trying, locale="ko-KR", place=PLACE)


async def test_a_message_is_told_once_ever(worker, put, until_dead, notices, queue):
    """Replayed by itself or by a person and given up again: silence."""
    await put("s", "a")
    failing = worker(AWAY)
    await until_dead(failing)
    assert len(await notices()) == 1
    for automatic in (True, False):
        [letter] = await queue.dead_letters("to-freshchat")
        assert await queue.replay(letter.id, automatic=automatic)
        await until_dead(failing)
    assert await notices() == []


@pytest.fixture
def come_back(queue, clock):
    """Put the letter back as often as the bridge does by itself, or once more; each time it fails."""

    async def come_back(worker, times):
        for _ in range(times):
            [letter] = await queue.dead_letters("to-freshchat")
            assert await queue.replay(letter.id, automatic=True)
            await worker.drain()
            clock.advance(15)

    return come_back


async def test_the_end_of_the_tries_is_told_once(worker, put, until_dead, come_back, notices):
    """Who read "we keep trying" does not wait for ever; a person's replay that fails too tells nobody again."""
    await put("s", "a")
    failing = worker(AWAY)
    await until_dead(failing)
    assert Notice.from_bytes((await notices())[0].body).kept_trying
    await come_back(failing, len(BACKOFF) - 1)
    assert await notices() == []
    await come_back(failing, 1)
    [last] = await notices()
    assert Notice.from_bytes(last.body) == Notice(reason="unavailable", kept_trying=False, locale="ko-KR", place=PLACE)
    assert ids.about(ids.parse_dedupe_id(last.message_id)[1]) == "s:a"
    await come_back(failing, 1)
    assert await notices() == []


async def test_a_replay_that_is_refused_is_told(worker, put, until_dead, come_back, notices):
    """It was away and is back, and then refuses the message for good: "we keep trying" is not true any more."""
    await put("s", "a")
    await until_dead(worker(AWAY))
    assert len(await notices()) == 1
    await come_back(worker(NEVER), 1)
    [last] = await notices()
    assert Notice.from_bytes(last.body) == Notice(reason="refused", kept_trying=False, locale="ko-KR", place=PLACE)


async def test_a_notice_that_is_given_up_is_a_letter_and_nothing_more(worker, put, until_dead, notices, queue):
    """No notice about a notice, in either direction."""
    await put("s", "a")
    await until_dead(worker(NEVER))
    await until_dead(worker(NEVER, direction="to-teams"))
    assert await notices("to-freshchat") == []
    assert [letter.envelope.kind for letter in await queue.dead_letters("to-teams")] == [NOTICE]


@pytest.mark.parametrize("trouble", [NEVER, AWAY, KeyError("a bug")], ids=["refused", "away", "bug"])
async def test_a_letter_is_written_even_if_nobody_can_be_told(trouble, worker, put, until_dead, notices):
    """Else its thread would wait for ever."""

    async def find(_delivery):
        raise trouble

    await put("s", "a")
    await until_dead(worker(NEVER, find))
    assert await notices() == []


async def test_nobody_is_told_where_nobody_waits(worker, put, until_dead, notices):
    """A letter all the same."""

    async def find(_delivery):
        return None

    await put("s", "a")
    await until_dead(worker(NEVER, find))
    assert await notices() == []


@pytest.mark.parametrize("what", ["question", "answer"])
@pytest.mark.parametrize("kept_trying", [True, False])
@pytest.mark.parametrize("reason", ["unavailable", "not_linked", "refused", "internal"])
def test_every_notice_can_be_said_in_every_language(what, kept_trying, reason):
    """With its reference, and the same each time."""
    said = set()
    for locale in ("en-GB", "ko-KR"):
        notice = Notice(reason=reason, kept_trying=kept_trying, locale=locale)
        text = notice.text(texts.say, what, "7f3a09bc" + "0" * 24)
        assert "7F3A-09BC" in text
        assert "{" not in text
        said.add(text)
    assert len(said) == 2


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
@pytest.mark.parametrize("what", ["question", "answer"])
def test_a_notice_about_files(what, locale):
    """One line for each, in whatever words it is called; it survives the queue."""
    files = (("a {x}.pdf", "infected"), ("b.exe", "program"))
    notice = Notice(reason="refused", kept_trying=False, locale=locale, place=PLACE, files=files)
    assert Notice.from_bytes(notice.to_bytes()) == notice
    text = notice.text(texts.say, what, "7f3a09bc" + "0" * 24)
    assert [line.partition(":")[0] for line in text.splitlines() if line.startswith("•")] == ["• a {x}.pdf", "• b.exe"]
    assert "7F3A-09BC" in text


def test_every_reason_has_its_words():
    """Of whatever keeps a file out."""
    reasons = {*get_args(Objection), *_REASONS.values(), "infected", "not_scanned", "refused", "unavailable"}
    assert {f"file_reason_{reason}" for reason in reasons} <= texts.TEXTS.keys()
