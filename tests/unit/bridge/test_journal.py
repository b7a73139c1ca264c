"""At most one effect per call: what a crash leaves open is looked up before it is done again."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from bridge.errors import Rejected, StoreFull, Throttled, Unavailable
from bridge.journal import Journal
from bridge.ports import ConversationClosed

KEY = "teams:-/c/1/2:create#message.0"


@pytest.fixture
def desk(clock):
    """The other platform: `posted` is what it has; `before` and `after` are errors around its next effect."""
    desk = SimpleNamespace(posted=[], looked=[], before=None, after=None)

    def say(text):
        async def call():
            clock.advance(1)
            if desk.before:
                error, desk.before = desk.before, None
                raise error
            desk.posted.append((clock(), text, f"c1/m{len(desk.posted)}"))
            if desk.after:
                error, desk.after = desk.after, None
                raise error
            return desk.posted[-1][2]

        async def look_back(attempt):
            desk.looked.append(attempt.started_at)
            return [sent for at, what, sent in desk.posted if what == text and at >= attempt.started_at]

        return call, look_back

    desk.say = say
    return desk


@pytest.fixture
def journal(threads, clock):
    return Journal(threads, clock)


async def _once(journal, desk, key=KEY, text="hi", tenant="t1"):
    return await journal.once(tenant, key, *desk.say(text))


async def test_a_call_is_made_once_and_remembered(journal, desk, threads):
    """A redelivery gets the same answer without a call or a look; the message is known as ours."""
    assert await _once(journal, desk) == await _once(journal, desk) == "c1/m0"
    assert (len(desk.posted), desk.looked) == (1, [])
    assert await threads.origin("t1", "c1/m0") == KEY
    assert await threads.origin("t2", "c1/m0") is None


LOST = [
    asyncio.CancelledError(),
    KeyError("crash"),
    StoreFull("full"),
    TimeoutError(),
    Unavailable("no answer", code="timeout", component="test", maybe_done=True),
]


@pytest.mark.parametrize("error", LOST, ids=repr)
async def test_a_crash_behind_the_call_does_not_send_twice(error, journal, desk, threads):
    """The redelivery finds the message on the other side and adopts it."""
    desk.after = error
    with pytest.raises(type(error)):
        await _once(journal, desk)
    assert await _once(journal, desk) == "c1/m0"
    assert len(desk.posted) == 1
    assert await threads.origin("t1", "c1/m0") == KEY


@pytest.mark.parametrize("error", LOST, ids=repr)
async def test_a_crash_before_the_call_took_effect_loses_nothing(error, journal, desk):
    """The redelivery looks, finds nothing, and sends."""
    desk.before = error
    with pytest.raises(type(error)):
        await _once(journal, desk)
    assert await _once(journal, desk) == "c1/m0"
    assert (len(desk.posted), len(desk.looked)) == (1, 1)


async def test_a_crash_between_the_answer_and_the_record_does_not_send_twice(journal, desk, threads, monkeypatch):
    """The store fails just when the result should be kept."""
    with monkeypatch.context() as broken:

        async def full(*_args):
            raise StoreFull("full")

        broken.setattr(threads, "done", full)
        with pytest.raises(StoreFull):
            await _once(journal, desk)
    assert await _once(journal, desk) == "c1/m0"
    assert len(desk.posted) == 1


DEFINITE = [
    Throttled("slow", code="429", component="test"),
    Unavailable("refused", code="connect", component="test"),
    ConversationClosed(),
]


@pytest.mark.parametrize("error", DEFINITE, ids=repr)
async def test_a_definite_failure_needs_no_look_back(error, journal, desk):
    """Nothing was sent, so an equal text on the other side is somebody else's and is not adopted."""
    desk.before = error
    with pytest.raises(type(error)):
        await _once(journal, desk)
    desk.posted.append((1e12, "hi", "c1/typed-by-hand"))
    assert await _once(journal, desk) == "c1/m1"
    assert desk.looked == []


@pytest.mark.parametrize("error", [*DEFINITE, Rejected("no", code="400", component="test")], ids=repr)
async def test_a_definite_failure_of_a_second_try_does_not_forget_the_first(error, journal, desk):
    """The first try may still have had its effect, found later: it is looked for again."""
    desk.after = Unavailable("no answer", code="timeout", component="test", maybe_done=True)
    with pytest.raises(Unavailable):
        await _once(journal, desk)
    hidden, desk.posted[:] = list(desk.posted), []
    desk.before = error
    with pytest.raises(type(error)):
        await _once(journal, desk)
    desk.posted[:] = hidden
    assert await _once(journal, desk) == "c1/m0"
    assert desk.posted == hidden


async def test_a_refusal_that_had_its_effect_is_found_by_a_replay(journal, desk, threads, clock):
    """Posted, and then answered 400: the replay of the dead letter, days later, adopts what is there."""
    desk.after = Rejected("no", code="400", component="test")
    with pytest.raises(Rejected):
        await _once(journal, desk)
    clock.advance(3 * 86_400)
    assert await _once(Journal(threads, clock), desk) == "c1/m0"
    assert len(desk.posted) == 1
    assert await threads.origin("t1", "c1/m0") == KEY


async def test_a_refusal_without_an_effect_is_sent_by_a_replay(journal, desk):
    """At once: the call has ended, so nobody waits for it to show."""
    desk.before = Rejected("no", code="400", component="test")
    with pytest.raises(Rejected):
        await _once(journal, desk)
    assert await _once(journal, desk) == "c1/m0"
    assert (len(desk.posted), len(desk.looked)) == (1, 1)


async def test_two_equal_texts_are_two_messages(journal, desk, threads):
    """Both sent, both answers lost: each redelivery adopts one of its own."""
    keys = [KEY, KEY.replace("/2:", "/3:")]
    for key in keys:
        desk.after = asyncio.CancelledError()
        with pytest.raises(asyncio.CancelledError):
            await _once(journal, desk, key)
    assert [await _once(journal, desk, key) for key in keys] == ["c1/m0", "c1/m1"]
    assert [await threads.origin("t1", sent) for sent in ("c1/m0", "c1/m1")] == keys
    assert len(desk.posted) == 2


async def test_an_equal_text_of_another_message_is_not_adopted(journal, desk):
    """The second question was never sent, and the first one's copy is not taken for it."""
    await _once(journal, desk)
    desk.before = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await _once(journal, desk, KEY + "1")
    assert await _once(journal, desk, KEY + "1") == "c1/m1"
    assert [text for _, text, _ in desk.posted] == ["hi", "hi"]


async def test_the_look_back_begins_where_the_first_try_began(journal, desk, clock):
    """An older equal text, such as a second "thanks", is not adopted."""
    desk.posted.append((clock() - 5, "hi", "c1/old"))
    began = clock()
    desk.before = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await _once(journal, desk)
    clock.advance(600)
    assert await _once(journal, desk) == "c1/m1"
    assert desk.looked == [began]


async def test_a_transport_that_cannot_look_sends_again(journal, desk):
    """The gap that is written down: rather twice than never."""
    desk.after = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await _once(journal, desk)

    async def blind(_attempt):
        return None

    call, _ = desk.say("hi")
    assert await journal.once("t1", KEY, call, blind) == "c1/m1"


async def test_the_first_tries_note_is_what_the_look_back_gets(journal, desk):
    """It tells over which transport the open try went."""
    call, _ = desk.say("hi")
    notes = []

    async def look_back(attempt):
        notes.append(dict(attempt.note))
        return []

    desk.before = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await journal.once("t1", KEY, call, look_back, {"via": "graph"})
    await journal.once("t1", KEY, call, look_back, {"via": "bot"})
    assert notes == [{"via": "graph"}]


async def test_what_was_sent_can_be_asked_for_without_sending(journal, desk, threads):
    """What was written down, else what a look back finds, which is then written down; nothing if there was no try."""
    _, look_back = desk.say("hi")
    assert await journal.found("t1", KEY, look_back) is None
    desk.after = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await _once(journal, desk)
    assert [await journal.found("t1", KEY, look_back) for _ in range(2)] == ["c1/m0"] * 2
    assert len(desk.looked) == 1 and await threads.origin("t1", "c1/m0") == KEY
    assert await _once(journal, desk) == "c1/m0" and len(desk.posted) == 1


async def test_tenants_do_not_see_each_others_calls(journal, desk):
    """The same key in two tenants is two calls."""
    assert await _once(journal, desk) == "c1/m0"
    assert await _once(journal, desk, tenant="t2") == "c1/m1"
