"""The seed world: repeatable from a seed, and found by any of its names."""

import pytest

from sandbox.ids import Ids
from sandbox.settings import Settings
from sandbox.world import build_world, find

WORLD = build_world()


def test_the_same_seed_gives_the_same_world_and_the_same_ids():
    assert build_world(seed="a") == build_world(seed="a")
    assert build_world(seed="a").team != build_world(seed="b").team
    assert [Ids("a").uuid() for _ in range(3)] == [Ids("a").uuid() for _ in range(3)]


def test_message_ids_are_rising_milliseconds_and_never_repeat():
    ids = Ids(None)
    made = [int(ids.message_id()) for _ in range(1000)]
    assert made == sorted(set(made))
    assert len(str(made[0])) == 13


@pytest.mark.parametrize(
    "name",
    ["minjun", "min-jun", "Min-jun Kim", "MIN-JUN KIM (김민준)", WORLD.users[1].aad_id, WORLD.users[1].upn],
)
def test_a_person_is_found_by_key_name_or_id(name):
    assert find(WORLD.users, name) is WORLD.users[1]


@pytest.mark.parametrize("name", ["it-help", "IT help", "ithelp", WORLD.channels[1].id])
def test_a_channel_is_found_by_key_name_or_id(name):
    assert find(WORLD.channels, name) is WORLD.channels[1]


@pytest.mark.parametrize("name", ["", "nobody", None])
def test_nothing_is_found_for_an_unknown_name(name):
    assert find(WORLD.users, name) is None


def test_a_crowd_is_five_people_and_a_second_chat_for_all_of_them():
    crowd = build_world(crowd=True)
    assert crowd.users[:2] == WORLD.users
    assert len({user.personal_chat for user in crowd.users}) == 5
    assert [len(crowd.members(chat.id)) for chat in crowd.group_chats] == [2, 5]
    assert [len(WORLD.members(chat.id)) for chat in WORLD.group_chats] == [2]


def test_the_general_channel_has_the_teams_thread_id():
    assert WORLD.channels[0].id == WORLD.team.thread_id


def test_one_inbox_is_disabled():
    assert [inbox.enabled for inbox in WORLD.inboxes] == [True, True, False]


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"rsc": False, "latency_ms": 5}, None),
        ({"webhook_retry_seconds": 0}, None),
        ({"nonsense": 1}, "unknown setting nonsense"),
        ({"rsc": 1}, "setting rsc must be bool"),
        ({"latency_ms": True}, "setting latency_ms must be int"),
        ({"latency_ms": -1}, "setting latency_ms must be int"),
        ({"bridge": "ftp://x"}, "setting bridge must be str"),
        ({"rsc": False, "latency_ms": "x"}, "setting latency_ms must be int"),
    ],
)
def test_settings_change_as_a_whole_or_not_at_all(wanted, complaint):
    settings = Settings()
    assert settings.change(wanted) == complaint
    assert (settings == Settings()) is (complaint is not None)
