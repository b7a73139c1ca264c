"""Freshchat's users as they change: what is written, what stays, and what an account does not take."""

from __future__ import annotations

import time

import pytest

from adapters import http
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.http import HostRule
from bridge.errors import Forbidden, Rejected, Unavailable
from bridge.ports import Person, Portrait
from sandbox import Options, Sandbox
from tests.unit.freshchat.upstream import DROP, HANG, Upstream

HOSTS = HostRule(["127.0.0.1"], allow_loopback_http=True)
ADA = Person(reference_id="teams:ab", name="Ada Fenn", mail="ada@x.example", properties={"department": "QA"})
ROW = {
    "id": "u-1",
    "reference_id": "teams:ab",
    "first_name": "Ada",
    "last_name": "Fenn",
    "email": "ada@x.example",
    "properties": [{"name": "plan", "value": "gold"}, {"name": "department", "value": "QA"}],
}
USER = "/v2/users/u-1"


@pytest.fixture
async def upstream():
    async with Upstream() as upstream:
        yield upstream


def helpdesk(session, url, key):
    async def api_key():
        return key

    return FreshchatHelpdesk(session, url, api_key, HOSTS, clock=time.time, timeout=0.5)


@pytest.fixture
async def desk(upstream):
    async with http.session() as session:
        yield helpdesk(session, upstream.url, "k")


CHANGES = [
    ({}, {}),
    ({"name": "Ada Lind"}, {"last_name": "Lind"}),
    ({"name": "Ada"}, {"last_name": ""}),
    ({"mail": "new@x.example"}, {"email": "new@x.example"}),
    ({"mail": None}, {}),
    ({"properties": {}}, {}),
    (
        {"properties": {"department": "HR", "title": "Lead"}},
        {
            "properties": [
                {"name": "plan", "value": "gold"},
                {"name": "department", "value": "HR"},
                {"name": "title", "value": "Lead"},
            ]
        },
    ),
]


@pytest.mark.parametrize(("change", "written"), CHANGES)
async def test_only_what_changed_is_written_and_nothing_else_is_lost(desk, upstream, change, written):
    upstream.on(f"GET {USER}", ROW)
    upstream.on(f"PUT {USER}", (200, b""))
    facts = {"name": ADA.name, "mail": ADA.mail, "properties": ADA.properties} | change
    assert await desk.update_user("u-1", Person(reference_id="teams:ab", **facts)) is bool(written)
    assert [one.json for one in upstream.asked_for(f"PUT {USER}")] == ([written] if written else [])


@pytest.mark.parametrize(("answer", "error"), [((404, {}), Rejected), ((503, {}), Unavailable), (HANG, Unavailable)])
async def test_a_refused_change_is_told(desk, upstream, answer, error):
    upstream.on(f"GET {USER}", ROW | {"email": "old"})
    upstream.on(f"PUT {USER}", answer)
    with pytest.raises(error):
        await desk.update_user("u-1", ADA)


UPLOAD, CAT = "POST /v2/images/upload", Portrait("image/jpeg", b"\xff\xd8\xff a cat")


async def test_a_picture_is_handed_over_and_its_address_becomes_the_users(desk, upstream):
    """Nothing else of the user is written."""
    upstream.on(UPLOAD, {"url": "https://fc.example/cat.jpg", "content_type": "image/jpeg"})
    upstream.on(f"PUT {USER}", (200, b""))
    await desk.set_portrait("u-1", CAT)
    upload, change = upstream.asked
    assert upload.headers["Content-Type"].startswith("multipart/form-data")
    assert upload.headers["Authorization"] == "Bearer k"
    head, _, rest = upload.body.partition(b"\r\n\r\n")
    assert b'name="image"; filename="picture.jpg"' in head
    assert b"Content-Type: image/jpeg" in head
    assert rest.startswith(CAT.content + b"\r\n--")
    assert change.json == {"avatar": {"url": "https://fc.example/cat.jpg"}}


@pytest.mark.parametrize(
    ("answer", "error"),
    [((400, {}), Rejected), ((403, {}), Forbidden), ((503, {}), Unavailable), ({}, Unavailable), ([], Unavailable)],
)
async def test_a_picture_that_is_not_taken_is_nobodys(desk, upstream, answer, error):
    upstream.on(UPLOAD, answer)
    with pytest.raises(error):
        await desk.set_portrait("u-1", CAT)
    assert upstream.asked_for(f"PUT {USER}") == []


async def test_a_user_is_rather_made_without_properties_than_not_at_all(desk, upstream):
    upstream.on("GET /v2/users", {"users": []})
    upstream.on("POST /v2/users", lambda asked: (400, {}) if "properties" in asked.json else (201, ROW))
    assert await desk.ensure_user(ADA) == "u-1"
    assert [sorted(one.json) for one in upstream.asked_for("POST /v2/users")] == [
        ["email", "first_name", "last_name", "properties", "reference_id"],
        ["email", "first_name", "last_name", "reference_id"],
    ]


FIELDS = [
    (
        [
            {"name": "cf_a"},
            {"name": "cf_text", "type": "custom_text", "choices": []},
            {"name": "cf_long", "type": "custom_paragraph"},
            {"name": "cf_region", "type": "custom_dropdown", "choices": [{"id": "1", "value": "KR"}, {"id": "2"}]},
            {"name": "cf_count", "type": "custom_number"},
            {"label": "odd"},
            5,
        ],
        {
            "cf_a": None,
            "cf_text": None,
            "cf_long": None,
            "cf_region": frozenset({"KR"}),
            "cf_count": frozenset(),
        },
    ),
    ([], None),
    ({}, None),
    (DROP, None),
    (HANG, None),
    ((403, {}), None),
]


@pytest.mark.parametrize(("answer", "names"), FIELDS)
async def test_the_fields_of_conversations_are_told_or_not(desk, upstream, answer, names):
    upstream.on("GET /v2/conversations/fields", answer)
    assert await desk.conversation_fields() == names


async def test_it_is_so_with_the_sandbox():
    async with Sandbox(Options(port=0, page=False, seed="1")) as sandbox, http.session() as session:
        env = sandbox.env
        desk = helpdesk(session, env["FRESHCHAT_API_URL"], env["FRESHCHAT_API_KEY"])
        user = await desk.ensure_user(ADA)
        assert not await desk.update_user(user, ADA)
        lead = Person(reference_id="teams:ab", name="Ada Lind", mail=ADA.mail, properties={"title": "Lead"})
        assert await desk.update_user(user, lead)
        assert not await desk.update_user(user, lead)
        assert {"cf_teams_link", "cf_sentiment"} <= (await desk.conversation_fields() or {}).keys()
