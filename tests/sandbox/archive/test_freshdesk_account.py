"""Freshdesk's people and dictionaries, its key, its limits, and the account export."""

import io
import json
import zipfile

import pytest

EVER = "updated_since=1970-01-01T00:00:00Z"


def ids(rows):
    return [row["id"] for row in rows]


async def test_contacts_come_in_passes(hands):
    passes = {}
    for query in ("", "state=blocked", "state=deleted", "contact_type=visitor", "state=verified", "state=unverified"):
        passes[query] = ids(await hands.desk_list(f"/contacts?{query}"))
    default = set(passes.pop(""))
    assert default == set(passes.pop("state=verified")) | set(passes.pop("state=unverified"))
    assert all(passes.values())
    everyone = sorted(default.union(*passes.values()))
    assert sorted(hands.truth.ids("contacts")) == everyone
    assert len(everyone) == len(default) + sum(map(len, passes.values()))


async def test_contacts_are_not_ordered_by_time(hands):
    rows = await hands.desk_list("/contacts")
    times = [row["updated_at"] for row in rows]
    assert times != sorted(times)


@pytest.mark.parametrize(("documented", "name"), [(False, "_updated_since"), (True, "updated_since")])
async def test_contacts_changed_since_a_time_by_one_of_two_names(hands, documented, name):
    await hands.switch(contacts_updated_since=documented)
    rows = await hands.desk_list("/contacts")
    edge = sorted(row["updated_at"] for row in rows)[len(rows) // 2]
    since = await hands.desk_list(f"/contacts?{name}={edge}")
    assert sorted(ids(since)) == sorted(row["id"] for row in rows if row["updated_at"] >= edge)
    other = {"_updated_since": "updated_since", "updated_since": "_updated_since"}[name]
    refused = await hands.desk(f"/contacts?{other}={edge}")
    assert (refused.status, refused.body["errors"][0]["code"]) == (400, "invalid_field")


async def test_a_single_contact_has_what_the_list_leaves_out(hands):
    rows = await hands.desk_list("/contacts")
    whole = [(await hands.desk(f"/contacts/{row['id']}")).body for row in rows[:24]]
    assert all({"avatar", "tags", "deleted"} <= set(contact) for contact in whole)
    assert any(contact["avatar"] for contact in whole)
    assert any(
        contact["other_companies"] == [{"company_id": 51_000_000_001, "view_all_tickets": True}] for contact in whole
    )
    assert any(row["other_companies"] == [51_000_000_001] for row in rows), "plain ids in the list"
    assert (await hands.desk("/contacts/1")).status == 404


async def test_contacts_and_tickets_of_a_company(hands):
    companies = await hands.desk_list("/companies")
    assert len(companies) == hands.truth.counts()["companies"]
    assert companies[0]["created_at"].endswith("+00:00")
    wanted = companies[1]["id"]
    found = await hands.desk_list(f"/contacts?company_id={wanted}")
    assert sorted(ids(found)) == sorted(
        row["id"] for row in await hands.desk_list("/contacts") if row["company_id"] == wanted
    )
    since = companies[-1]["updated_at"].replace("+00:00", "Z")
    assert ids(await hands.desk_list(f"/companies?updated_since={since}")) == [companies[-1]["id"]]


async def test_authors_are_agents_contacts_agents_who_left_or_nobody(hands):
    agents = set(ids(await hands.desk_list("/agents")))
    contacts = set(hands.truth.ids("contacts"))
    kinds = set()
    for ticket_id in list(hands.truth.ids("live"))[:60]:
        answer = await hands.desk(f"/tickets/{ticket_id}/conversations?per_page=100")
        for row in answer.body if answer.status == 200 else []:
            author = row["user_id"]
            kinds.add("agent" if author in agents else "contact" if author in contacts else "nobody")
    assert kinds == {"agent", "contact", "nobody"}
    left = max(agents) + 1
    assert (await hands.desk(f"/contacts/{left}")).status == 200
    assert (await hands.desk(f"/agents/{left}")).status == 404


async def test_agents_are_for_administrators_and_me_is_for_everybody(hands):
    me = (await hands.desk("/agents/me")).body
    agents = await hands.desk_list("/agents")
    assert me == agents[0]
    assert (await hands.desk(f"/agents/{me['id']}")).body == me
    assert len(await hands.desk_list("/agents?state=occasional")) == 1
    await hands.switch(admin=False)
    for path in ("/agents", f"/agents/{me['id']}", "/admin/groups", "/admin/ticket_fields"):
        refused = await hands.desk(path)
        assert (refused.status, refused.body["code"]) == (403, "access_denied")
    assert (await hands.desk("/account/export", "POST", json={"resources": []})).status == 403
    limited = (await hands.desk("/agents/me")).body
    assert (limited["role_ids"], limited["ticket_scope"]) == ([2], 3)


@pytest.mark.parametrize(
    "name",
    [
        *("groups", "roles", "products", "ticket_fields", "contact_fields", "company_fields", "sla_policies"),
        *("business_hours", "email_configs", "surveys", "admin/ticket_fields", "admin/groups"),
    ],
)
async def test_dictionaries_are_bare_lists(hands, name):
    rows = (await hands.desk(f"/{name}")).body
    assert rows
    assert all("id" in row for row in rows)


async def test_the_account_is_an_object(hands):
    assert (await hands.desk("/account")).body["account_domain"]
    assert (await hands.desk("/settings/helpdesk")).body["primary_language"] == "ko"


async def test_the_key_is_the_user_of_basic_authentication(hands):
    assert (await hands.desk("/agents/me")).headers["X-Freshdesk-Api-Version"] == "latest=v2; requested=v2"
    for headers in (
        {},
        {"Authorization": "Basic !"},
        {"Authorization": f"Bearer {hands.server.env['FRESHDESK_API_KEY']}"},
    ):
        answer = await hands.call("GET", "/api/v2/agents/me", headers=headers)
        assert (answer.status, answer.body["code"]) == (401, "invalid_credentials")
    assert (await hands.desk("/agents/me", key="wrong")).status == 401
    assert (await hands.desk("/agents/me", headers={"Accept": "text/html"})).status == 406


async def test_unknown_paths_and_verbs_are_errors_of_freshdesk(hands):
    assert (await hands.desk("/nothing")).status == 404
    assert (await hands.desk("/tickets", "DELETE")).status == 405


async def test_headers_show_the_limit_and_what_a_request_cost(serve):
    hands = await serve(freshdesk_rate=50)
    costs = []
    for path in ("/agents/me", f"/tickets?{EVER}", f"/tickets?{EVER}&include=stats,requester,description"):
        headers = (await hands.desk(path)).headers
        costs.append((headers["X-RateLimit-Used-CurrentRequest"], headers["X-RateLimit-Remaining"]))
    ticket_id = next(iter(hands.truth.ids("live")))
    headers = (await hands.desk(f"/tickets/{ticket_id}?include=conversations")).headers
    costs.append((headers["X-RateLimit-Used-CurrentRequest"], headers["X-RateLimit-Remaining"]))
    assert costs == [("1", "49"), ("1", "48"), ("7", "41"), ("2", "39")]
    assert headers["X-RateLimit-Total"] == "50"


async def test_beyond_the_limit_the_answer_is_429_until_the_window_ends(serve):
    hands = await serve(freshdesk_rate=3, window_seconds=0.4)
    statuses = [(await hands.desk("/agents/me")).status for _ in range(3)]
    refused = await hands.desk("/agents/me", key="wrong")
    assert statuses == [200, 200, 200]
    assert (refused.status, refused.headers["Retry-After"], refused.headers["X-RateLimit-Remaining"]) == (429, "1", "0")
    assert (await hands.let_in(lambda: hands.desk("/agents/me"))).status == 200


@pytest.mark.parametrize(
    ("switch", "path"), [("tickets_list_rate", f"/tickets?{EVER}"), ("contacts_list_rate", "/contacts")]
)
async def test_two_lists_have_limits_of_their_own(serve, switch, path):
    hands = await serve(freshdesk_rate=100, **{switch: 2})
    assert [(await hands.desk(path)).status for _ in range(3)] == [200, 200, 429]
    other = await hands.desk("/agents/me")
    assert other.status == 200
    assert int(other.headers["X-RateLimit-Remaining"]) > 90


async def test_invalid_requests_count(serve):
    hands = await serve(freshdesk_rate=10)
    await hands.desk("/agents/me", key="wrong")
    assert (await hands.desk("/agents/me")).headers["X-RateLimit-Remaining"] == "8"


async def test_an_account_export_is_a_job_that_ends_with_a_signed_zip(hands):
    body = {"resources": [{"name": "tickets"}, {"name": "archive_tickets"}], "output_format": "json"}
    started = await hands.desk("/account/export", "POST", json=body)
    job = started.body["job"]
    path = job["link"]["href"].partition("/api/v2")[2]
    assert (await hands.desk(path)).body["status"] == "IN PROGRESS"
    done = (await hands.desk(path)).body
    assert (done["id"], done["status"]) == (str(job["id"]), "COMPLETED")
    packed = await hands.call("GET", done["download_url"])
    with zipfile.ZipFile(io.BytesIO(packed.raw)) as archive:
        archived = json.loads(archive.read("archive_tickets.json"))
    assert ids(archived) == list(hands.truth.ids("archived"))
    await hands.switch(export_url=False)
    assert "download_url" not in (await hands.desk(path)).body
    assert (await hands.desk("/account/export", "POST", json={})).status == 400
    assert (await hands.desk("/jobs/1")).status == 404
