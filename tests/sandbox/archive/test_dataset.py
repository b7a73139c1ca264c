"""Data sets: repeatable, larger than memory, and honest about what is in them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.archive_settings import ArchiveSettings
from sandbox.dataset import Dataset, Shape
from sandbox.dataset.plan import Plan
from sandbox.dataset.truth import Truth
from sandbox.exact import exact, spelled
from sandbox.freshdesk.data import TicketView
from sandbox.lazy import Every, Lazy
from sandbox.s3 import S3Links
from sandbox.wire import dumps

ROOT = Path(__file__).parents[3]


def dataset(**shape):
    links = S3Links(lambda: "http://files.example", ArchiveSettings(stale_links=False), now=lambda: 1_700_000_000.0)
    return Dataset(Shape(**shape), links, lambda: "http://desk.example")


def run(*arguments):
    command = [sys.executable, "-m", "sandbox.dataset", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def everything(data, count=60):
    """The first of everything as bytes."""
    chats, desk = data.chats, data.desk
    ids = [data.conversations.id(number) for number in range(count)]
    tickets = desk.tickets(TicketView(order_by="updated_at"))[:count]
    return dumps(
        [
            chats.users(None, None, False)[:count],
            [chats.conversation(i) for i in ids],
            [list(chats.messages(i) or ()) for i in ids],
            tickets,
            [list(desk.conversations(ticket["id"], False) or ()) for ticket in tickets],
        ]
    )


def test_the_same_seed_gives_the_same_data_and_another_seed_other_data():
    assert everything(dataset(seed="a")) == everything(dataset(seed="a"))
    assert everything(dataset(seed="a")) != everything(dataset(seed="b"))


def test_a_million_conversations_are_at_hand_at_once():
    data = dataset(conversations=1_000_000, tickets=300_000)
    for number in (0, 50_021 + 11, 999_999):
        conversation_id = data.conversations.id(number)
        assert data.conversations.number(conversation_id) == number
    assert len(data.chats.messages(data.conversations.id(50_021 + 11))) == 2500
    assert len(data.chats.users("2025-01-01T00:00:00Z", None, False)) > 200_000
    rows = data.desk.tickets(TicketView(updated_since=0, created_since=None, order_by="updated_at", descending=False))
    assert rows[29_999]["updated_at"] <= rows[200_000]["updated_at"]


def test_the_command_prints_the_counts_and_the_ids():
    counts = json.loads(run("--conversations", "400", "--tickets", "200").stdout)
    lines = run("--conversations", "400", "--tickets", "200", "--ids", "readable").stdout.splitlines()
    assert len(lines) == counts["readable"] == len(set(lines))
    assert counts == json.loads(json.dumps(Truth(dataset(conversations=400, tickets=200)).counts()))
    by_users = json.loads(run("--conversations", "400", "--tickets", "200", "--sources", "users").stdout)
    assert by_users["conversations"] < counts["conversations"]


def test_the_truth_says_how_much_was_said_where():
    data = dataset(conversations=200, tickets=150)
    truth = Truth(data)
    for conversation_id, count in truth.ids("messages"):
        assert len(data.chats.messages(conversation_id)) == count
    for ticket_id, count in truth.ids("replies"):
        archived = ticket_id in set(truth.ids("archived"))
        assert len(data.desk.conversations(ticket_id, archived)) == count
    counts = truth.counts()
    assert sum(count for _, count in truth.ids("messages")) == counts["messages"]
    assert sum(count for _, count in truth.ids("replies")) == counts["ticketConversations"]


def test_the_command_says_which_ids_there_are():
    refused = run("--ids", "help")
    assert refused.returncode == 2
    assert "unlinked" in refused.stderr
    assert "--spacing" in run("--help").stdout


def test_each_source_alone_misses_conversations_and_some_are_in_one_source_only():
    truth = Truth(dataset(conversations=800))
    every = truth.counts()
    for source in Truth.SOURCES:
        assert 0 < truth.counts(frozenset({source}))["conversations"] < every["conversations"]
    assert every["conversations"] == 800
    assert every["onlyIn"]["bridge"] > 0
    assert truth.counts(frozenset({"users", "report"}))["onlyIn"]["bridge"] == every["onlyIn"]["bridge"]


def test_links_show_where_the_truth_says():
    data = dataset(conversations=600, tickets=400)
    links = list(Truth(data).ids("links"))
    assert {link["where"] for link in links} == {
        *("ticket_id", "properties.cf_freshdesk_ticket_id", "meta.ticket_id", "note", "description", "probable"),
        "custom_fields.cf_freshchat_conversation_id",
    }
    for link in links:
        shown = _shown(data, link)
        assert shown == (str(link["ticket_id"]) if link["where"] != "probable" else None), link
    unlinked = set(Truth(data).ids("unlinked"))
    assert unlinked.isdisjoint(link["conversation_id"] for link in links)
    assert len(unlinked) + len(links) == Truth(data).counts()["readable"]


def _shown(data, link):
    """The number of the ticket that a link's place shows, by reading that place only."""
    number = data.plan.ticket_by_id(link["ticket_id"])
    chat, ticket = data.chats.conversation(link["conversation_id"]), data.tickets.whole(number)
    internal = str(chat["conversation_internal_id"])
    last = data.chats.messages(link["conversation_id"])[0]
    places = {
        "ticket_id": chat.get("ticket_id"),
        "properties.cf_freshdesk_ticket_id": chat["properties"].get("cf_freshdesk_ticket_id"),
        "meta.ticket_id": chat.get("meta", {}).get("ticket_id"),
        "note": last.get("message_parts", [{}])[0].get("text", {}).get("content", "").partition("/a/tickets/")[2]
        or None,
        "description": link["ticket_id"] if internal in ticket["description"] else None,
        "custom_fields.cf_freshchat_conversation_id": link["ticket_id"]
        if ticket["custom_fields"].get("cf_freshchat_conversation_id") == link["conversation_id"]
        else None,
    }
    found = {place: value for place, value in places.items() if value is not None}
    assert set(found) <= {link["where"]}
    return str(next(iter(found.values()))) if found else None


def test_a_probable_link_has_the_same_person_at_the_same_time():
    data = dataset(conversations=600, tickets=400)
    probable = [link for link in Truth(data).ids("links") if link["confidence"] == "probable"]
    assert probable
    for link in probable:
        chat = data.chats.conversation(link["conversation_id"])
        ticket = data.tickets.row(data.plan.ticket_by_id(link["ticket_id"]), frozenset({"requester"}))
        user = data.chats.user(chat["user_id"])
        assert user["email"] == ticket["requester"]["email"] is not None
        assert ticket["source"] in (7, 15, 21)
        assert chat["created_time"] <= ticket["created_at"]


def test_with_a_fixed_spacing_a_larger_set_continues_a_smaller_one():
    smaller = dataset(conversations=1000, tickets=500, spacing=600.0)
    larger = dataset(conversations=1200, tickets=600, spacing=600.0)
    for number in range(990):
        conversation_id = smaller.conversations.id(number)
        assert smaller.chats.conversation(conversation_id) == larger.chats.conversation(conversation_id)
    for ticket in range(490):
        ours, theirs = smaller.tickets.row(ticket), larger.tickets.row(ticket)
        assert ours | {"updated_at": ""} == theirs | {"updated_at": ""}
    since = smaller.desk.now
    grown = larger.desk.tickets(TicketView(updated_since=since - 48 * 3600, order_by="updated_at"))
    assert {row["id"] for row in grown} >= {larger.plan.ticket_id(t) for t in range(500, 600)} & set(
        Truth(larger).ids("live")
    )


@pytest.mark.parametrize(
    "shape", [Shape(0, 50), Shape(50, 0), Shape(1, 1), Shape(7, 1000), Shape(1000, 7), Shape(0, 0)]
)
def test_tickets_and_conversations_agree_about_each_other(shape):
    plan = Plan(shape)
    moments = [plan.moment_of(ticket) for ticket in range(shape.tickets)]
    assert moments == sorted(moments)
    assert not moments or moments[-1] < max(shape.conversations, 1)
    for conversation in range(shape.conversations):
        during = [ticket for ticket, moment in enumerate(moments) if moment == conversation]
        assert list(plan.tickets_during(range(conversation, conversation + 1))) == during
        assert plan.ticket_of(conversation) == (during[0] if during else None)
    assert [plan.user_of(c) for c in range(shape.conversations)] == [
        user for user in range(plan.users) for _ in plan.conversations_of(user)
    ]
    ids = [plan.ticket_id(ticket) for ticket in range(shape.tickets)]
    assert [plan.ticket_by_id(ticket_id) for ticket_id in ids] == list(range(shape.tickets))
    assert all(plan.ticket_by_id(absent) is None for absent in {0, -1, *range(1, 60)} - set(ids))


def test_every_position_of_a_selection_by_rank_and_back():
    for length in range(40):
        chosen = Every(7, [5, 0, 3, 3], length)
        expected = [i for i in range(length) for _ in range([0, 3, 3, 5].count(i % 7))]
        assert list(chosen) == expected == chosen[:]
        assert all(chosen.rank(i) == sum(e < i for e in expected) for i in range(length))
        assert [i for i in range(length) if chosen.has(i)] == sorted(set(expected))
    assert list(Every(7, [], 100)) == []


@pytest.mark.parametrize("order", ["created_at", "updated_at"])
@pytest.mark.parametrize("first", [0, 1, 63, 64, 100, 191, 199])
def test_tickets_created_since_a_time_are_the_same_in_every_order(order, first):
    data = dataset(conversations=1000, tickets=260, same_second=64)
    everything = data.desk.tickets(TicketView(descending=False))
    view = TicketView(created_since=data.plan.created_s(data.tickets.lists["live"][first]), order_by=order)
    assert sorted(row["id"] for row in data.desk.tickets(view)) == [row["id"] for row in everything[first:]]
    assert len(everything) > 192


def test_a_lazy_list_slices_and_ends_like_a_list():
    lazy = Lazy(5, lambda i: i * i)
    assert lazy[1:9] == [1, 4, 9, 16]
    assert lazy[9:12] == []
    assert lazy[-1] == 16
    with pytest.raises(IndexError):
        lazy[5]


@pytest.mark.parametrize("number", ["1.10", "-0.0", "1E+2", "1e-7", "0", "12345678901234567890123.450"])
def test_a_number_keeps_its_spelling(number):
    assert dumps({"n": exact(number), "t": "1.10"}) == b'{"n":%s,"t":"1.10"}' % number.encode()


def test_texts_with_the_mark_stay_texts():
    assert spelled('"\ue000no\ue000"') == '"\ue000no\ue000"'
    with pytest.raises(ValueError, match="not a JSON number"):
        exact("01")
