"""Files behind signed links: no key, not late, not changed; missing ones, stale links, pictures in texts."""

import re

import pytest

EVER = "updated_since=1970-01-01T00:00:00Z"


async def attachments(hands):
    """Attachments of live tickets and their replies."""
    for ticket_id in hands.truth.ids("live"):
        ticket = await hands.desk(f"/tickets/{ticket_id}")
        if ticket.status == 200:
            for row in (ticket.body, *await hands.desk_list(f"/tickets/{ticket_id}/conversations")):
                for attachment in row["attachments"]:
                    yield ticket_id, attachment


async def test_an_attachment_is_read_without_the_key(serve):
    hands = await serve(conversations=420, tickets=260)
    read = missing = stale = 0
    async for _, attachment in attachments(hands):
        answer = await hands.call("GET", attachment["attachment_url"])
        if answer.status == 200:
            assert len(answer.raw) == attachment.get("size", attachment.get("file_size"))
            assert answer.headers["Content-Type"] == attachment["content_type"]
        read, missing, stale = (
            count + (answer.status == status) for count, status in ((read, 200), (missing, 404), (stale, 403))
        )
        assert answer.status in (200, 403, 404)
    counts = hands.truth.counts()
    assert read > 100
    assert missing > 0
    assert stale > 0
    assert read + missing + stale <= counts["freshdeskFiles"]["linked"]


async def test_a_key_that_comes_along_is_a_400(hands):
    async for _, attachment in attachments(hands):
        answer = await hands.call("GET", attachment["attachment_url"], headers={"Authorization": "Basic eDp5"})
        assert answer.status == 400
        assert b"<Code>InvalidArgument</Code>" in answer.raw
        break


async def test_the_files_live_on_another_host(hands):
    async for _, attachment in attachments(hands):
        assert attachment["attachment_url"].startswith("http://localhost:")
        assert hands.server.url.startswith("http://127.0.0.1:")
        break


async def test_a_late_link_is_a_403_and_a_fresh_one_works(hands):
    ticket_id, attachment = await anext(attachments(hands))
    await hands.switch(link_seconds=0, stale_links=False)
    path = f"/tickets/{ticket_id}"

    async def link():
        for row in ((await hands.desk(path)).body, *await hands.desk_list(f"{path}/conversations")):
            for found in row["attachments"]:
                if found["id"] == attachment["id"]:
                    return found["attachment_url"]
        raise AssertionError("the attachment is gone")

    late = await hands.call("GET", await link())
    assert late.status == 403
    assert b"Request has expired" in late.raw
    await hands.switch(link_seconds=60)
    assert (await hands.call("GET", await link())).status in (200, 404)


@pytest.mark.parametrize(
    "change", [("Expires=300", "Expires=999999"), ("original/", "original/x"), ("Signature=", "Signature=0")]
)
async def test_a_changed_link_is_a_403(hands, change):
    async for _, attachment in attachments(hands):
        answer = await hands.call("GET", attachment["attachment_url"].replace(*change))
        assert (answer.status, b"SignatureDoesNotMatch" in answer.raw) == (403, True)
        break


async def test_some_links_are_stale_when_they_are_given_out_first(serve):
    hands = await serve(conversations=100, tickets=200)
    stale = []
    async for ticket_id, attachment in attachments(hands):
        if (await hands.call("GET", attachment["attachment_url"])).status == 403:
            stale.append((ticket_id, attachment["id"]))
    assert stale
    again = {}
    async for ticket_id, attachment in attachments(hands):
        again[ticket_id, attachment["id"]] = (await hands.call("GET", attachment["attachment_url"])).status
    assert all(again[pair] in (200, 404) for pair in stale)


async def test_names_of_files_are_as_bad_as_people_make_them(hands):
    names = {attachment["name"] async for _, attachment in attachments(hands)}
    assert {"../../etc/passwd", "CON.txt", "", "report.pdf", "Report.PDF"} <= names
    assert any(len(name.encode()) > 255 for name in names)
    assert any("\x00" in name for name in names)


async def test_pictures_in_texts_are_signed_on_the_own_host_inside_or_missing(hands):
    seen = {}
    for ticket_id in hands.truth.ids("live"):
        answer = await hands.desk(f"/tickets/{ticket_id}/conversations?per_page=100")
        for row in answer.body if answer.status == 200 else []:
            for source in re.findall(r'<img[^>]* src="([^"]+)"', row["body"]):
                url = source.replace("&amp;", "&")
                seen.setdefault(next(kind for kind in ("/s3/", "/inline/", "data:", "/nowhere/") if kind in url), url)
    assert set(seen) == {"/s3/", "/inline/", "data:", "/nowhere/"}
    assert (await hands.call("GET", seen["/nowhere/"])).status == 404
    own = seen["/inline/"]
    assert (await hands.call("GET", own)).status == 401
    assert (await hands.desk("", url=own)).status in (200, 404)
    assert (await hands.desk("", url=own.partition("token=")[0] + "token=x")).status == 404
