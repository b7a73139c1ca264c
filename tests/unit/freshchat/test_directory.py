"""Inboxes and groups of an account: read to the end of the list, however its pages are told apart."""

from __future__ import annotations

import pytest

from adapters import http
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.http import HostRule
from bridge.errors import Unavailable
from tests.unit.freshchat.upstream import Upstream

HOSTS = HostRule(["127.0.0.1"], allow_loopback_http=True)


@pytest.fixture
async def upstream():
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def desk(upstream):
    async def key():
        return "k"

    async with http.session() as session:
        yield FreshchatHelpdesk(session, upstream.url, key, HOSTS, clock=lambda: 0.0)


def pages(*rows, counted):
    """Answer a page of two rows; with `counted` the answer says how many pages there are."""

    def answer(asked):
        page = int(asked.query["page"])
        body = {"channels": list(rows[2 * page - 2 : 2 * page])}
        if counted:
            body["pagination"] = {"current_page": page, "total_pages": (len(rows) + 1) // 2}
        return body

    return answer


@pytest.mark.parametrize(("counted", "calls"), [(True, 2), (False, 3)])
async def test_inboxes_are_read_to_the_last_page(upstream, desk, counted, calls):
    """The last page is told by its count, else by the first page that brings nothing."""
    rows = [{"id": "a", "enabled": True}, {"id": "b", "enabled": False}, {"id": "c"}, {"name": "no id"}]
    upstream.on("GET /v2/channels", pages(*rows, counted=counted))
    assert await desk.inboxes() == {"a": True, "b": False, "c": True}
    assert len(upstream.asked_for("GET /v2/channels")) == calls


async def test_a_list_that_repeats_itself_ends(upstream, desk):
    """A server that ignores the page gives the same rows for ever."""
    upstream.on("GET /v2/groups", {"groups": [{"id": "g"}]})
    assert await desk.groups() == {"g"}
    assert len(upstream.asked_for("GET /v2/groups")) == 2


async def test_a_list_that_cannot_be_read_is_no_empty_list(upstream, desk):
    """Nobody is told that an inbox is missing because Freshchat is down."""
    upstream.on("GET /v2/channels", (503, {}))
    with pytest.raises(Unavailable):
        await desk.inboxes()
