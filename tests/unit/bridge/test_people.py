"""Who a person is in Freshchat: made once, kept up to date, and never a reason to wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.errors import Unavailable
from bridge.events import Event, Place, Sender
from bridge.people import AT_ONCE, DAY, RETRY, People
from cards import texts

PLACE = Place(scope="personal", conversation_id="a:1", service_url="https://x")
ADA = {"name": "Ada Fenn", "mail": "ada@fenn.example", "department": "Facilities", "title": "Manager", "language": "de"}


class Directory:
    """Tells `facts`; waits for `open` first if there is one."""

    def __init__(self):
        self.facts, self.asked, self.open = dict(ADA), 0, None

    async def person(self, place, teams_user_id):
        self.asked += 1
        if self.open is not None:
            await self.open.wait()
        return self.facts or None


class Account:
    """Keeps what it is told of users."""

    def __init__(self):
        self.made, self.updated, self.error = [], [], None

    async def ensure_user(self, person):
        self.made.append(person)
        return "u-1"

    async def update_user(self, user_id, person):
        if self.error:
            raise self.error
        self.updated.append((user_id, person))
        return True


def event(**more):
    facts = {"kind": "user", "id": "29:ada", "name": "Ada", "locale": "en-US", "time_zone": "Europe/Berlin"}
    return Event(
        idempotency_key="teams:-/c/100/1:create",
        tenant_id="t1",
        direction="inbound",
        kind="create",
        timestamp="2026-01-02T00:00:00Z",
        sender=Sender(**(facts | more)),
        user_hash="ab",
        place=PLACE,
    )


@pytest.fixture
def directory():
    return Directory()


@pytest.fixture
def account():
    return Account()


@pytest.fixture
async def people(threads, directory, clock, telemetry):
    made = People(threads, directory, texts.say, clock, telemetry)
    yield made
    await made.close()


@pytest.fixture
def asks(people, account):
    """Open a conversation as Ada, then let what goes on beside it come to its end."""

    async def asks(**more):
        user = await people.user(event(**more), account)
        await asyncio.gather(*people._reading)
        return user

    return asks


async def test_a_new_person_is_made_with_all_that_is_known(asks, account):
    assert await asks() == "u-1"
    (person,) = account.made
    assert (person.name, person.mail) == ("Ada Fenn", "ada@fenn.example")
    assert person.properties == {
        "title": "Manager",
        "department": "Facilities",
        "locale": "en-US",
        "time_zone": "Europe/Berlin",
    }


async def test_the_language_of_the_profile_stands_in_for_a_missing_locale(asks, account):
    await asks(locale=None, time_zone=None)
    assert account.made[0].properties == {"title": "Manager", "department": "Facilities", "locale": "de"}


async def test_a_profile_is_read_once_a_day_and_written_on_change(asks, account, directory, clock):
    await asks()
    await asks()
    assert directory.asked == 1
    clock.advance(DAY)
    await asks()
    assert (directory.asked, account.updated) == (2, [])
    directory.facts["department"] = "Finance"
    await asks()
    assert directory.asked == 2
    clock.advance(DAY)
    await asks()
    await asks()
    ((user, person),) = account.updated
    assert (user, person.properties["department"], directory.asked) == ("u-1", "Finance", 3)
    clock.advance(DAY)
    await asks()
    assert len(account.updated) == 1


async def test_nobody_waits_for_a_profile(people, account, directory, clock):
    """And one that is being read is not read twice."""
    await people.user(event(), account)
    clock.advance(DAY)
    directory.open = asyncio.Event()
    for _ in range(3):
        async with asyncio.timeout(5):
            assert await people.user(event(), account) == "u-1"
    await asyncio.sleep(0)
    assert directory.asked == 2
    await people.close()
    assert not people._reading


@pytest.mark.parametrize("trouble", ["nobody is known", "helpdesk"])
async def test_a_failure_leaves_the_old_data_and_is_tried_again(trouble, asks, account, directory, clock, threads):
    await asks()
    before = await threads.fact("t1", "person", "ab")
    clock.advance(DAY)
    directory.facts = {} if trouble == "nobody is known" else ADA | {"title": "Director"}
    if trouble == "helpdesk":
        account.error = Unavailable("x", code="freshchat_503", component="freshchat")
    await asks()
    await asks()
    assert (directory.asked, await threads.fact("t1", "person", "ab")) == (2, before)
    directory.facts, account.error = ADA | {"title": "Director"}, None
    clock.advance(RETRY)
    await asks()
    assert [person.properties["title"] for _, person in account.updated] == ["Director"]


async def test_who_was_made_without_a_profile_gets_it_with_the_next_question(asks, account, directory):
    directory.facts = {}
    await asks()
    assert account.made[0].name == "Ada"
    directory.facts = dict(ADA)
    await asks()
    assert [person.name for _, person in account.updated] == ["Ada Fenn"]


async def test_a_user_remembered_by_an_older_version_is_brought_up_to_date(asks, account, threads):
    await threads.learn("t1", "person", "ab", {"user": "u-old"}, None)
    assert await asks() == "u-old"
    assert account.made == []
    assert [user for user, _ in account.updated] == ["u-old"]


async def test_so_many_profiles_are_read_at_once_and_no_more(people, account, directory, threads):
    """Who is beyond that has a turn with the next question."""
    directory.open = asyncio.Event()
    crowd = [f"{number:02}" for number in range(AT_ONCE + 5)]
    for who in crowd:
        await threads.learn("t1", "person", who, {"user": f"u-{who}"}, None)
        await people.user(replace(event(), user_hash=who), account)
    await asyncio.sleep(0)
    assert directory.asked == AT_ONCE
    directory.open.set()
    await asyncio.gather(*people._reading)
    for who in crowd:
        await people.user(replace(event(), user_hash=who), account)
    await asyncio.gather(*people._reading)
    assert sorted(user for user, _ in account.updated) == [f"u-{who}" for who in crowd]
