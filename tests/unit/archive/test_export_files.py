"""Files are fetched without our keys, with fresh addresses, and never from inside our own network."""

from __future__ import annotations

import asyncio
import io
import socket
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from account import Account, read, run
from aiohttp import web

from adapters.archive_files import ArchiveFiles, allowed
from bridge.errors import Rejected


def with_file(number: int, url: str, name: str = "a.txt") -> dict[str, Any]:
    part = {"file": {"name": name, "url": url, "content_type": "text/plain"}}
    return {
        "id": f"m{number}",
        "created_time": "2026-01-05T08:00:00Z",
        "message_parts": [{"collection": {"sub_parts": [part]}}],
    }


async def test_a_file_is_fetched_without_the_key(account: Account, tmp_path: Path) -> None:
    account.chat(
        "c1", [with_file(1, f"{account.url}/cdn/1", "한글 문서.txt"), with_file(2, f"{account.url}/cdn/2", "../x")]
    )
    for number in (1, 2):
        account.answers[f"/cdn/{number}"] = lambda _: web.Response(body=b"content")
    report = await run(account, tmp_path / "out", "freshchat", "attachments")
    names = sorted(path.name for path in (tmp_path / "out/attachments/freshchat").iterdir())
    assert names == ["message_m1-1_한글 문서.txt", "message_m2-1_.._x"]
    assert (tmp_path / "out/attachments/freshchat" / names[0]).read_bytes() == b"content"
    assert report["totals"]["attachments"] == {"expected": 2, "fetched": 2, "failed": 0}
    assert all("Authorization" not in seen.headers for seen in account.seen if seen.path.startswith("/cdn"))
    row = read(tmp_path / "out", "attachments.json")[0]
    assert (row["name"], row["size"], row["state"]) == ("한글 문서.txt", 7, "fetched")


async def test_files_that_are_not_wanted(account: Account, tmp_path: Path) -> None:
    """They are listed, nothing is fetched, and the archive is not called complete."""
    account.chat("c1", [with_file(1, f"{account.url}/cdn/1")])
    report = await run(account, tmp_path / "out", "freshchat")
    assert not account.requests("/cdn/1")
    assert [row["reason"] for row in read(tmp_path / "out", "attachments.json")] == ["not_fetched"]
    assert not report["complete"]


async def test_an_expired_address_is_read_again(account: Account, tmp_path: Path) -> None:
    """The message is read once more for a fresh one; a file that is really gone is listed with its reason."""
    account.chat("c1", [])
    reads = iter(range(100))
    account.answers["/v2/conversations/c1/messages"] = lambda _: {
        "messages": [with_file(1, f"{account.url}/cdn/{next(reads)}"), with_file(2, f"{account.url}/gone")]
    }
    account.answers["/cdn/0"] = lambda _: web.Response(status=403)
    for number in range(1, 20):
        account.answers[f"/cdn/{number}"] = lambda _: web.Response(body=b"fresh")
    report = await run(account, tmp_path / "out", "freshchat", "attachments")
    assert (tmp_path / "out/attachments/freshchat/message_m1-1_a.txt").read_bytes() == b"fresh"
    assert report["totals"]["attachments"] == {"expected": 2, "fetched": 1, "failed": 1}
    gap = next(gap for gap in read(tmp_path / "out", "gaps.json") if gap["what"] == "attachment")
    assert (gap["id"], gap["reason"]) == ("freshchat message m2 1", "gone")


async def test_files_of_tickets(account: Account, tmp_path: Path) -> None:
    """Of a ticket, of a reply, of a contact, and pictures in texts; two pictures of one page are two."""
    picture = f'<p><img src="{account.url}/inline?token=1"><img src="{account.url}/inline?token=2"></p>'
    file = {"id": 7, "name": "a.pdf", "attachment_url": f"{account.url}/s3/7?X-Amz-Signature=1", "size": 1}
    ticket = {"id": 1, "updated_at": "2026-01-05T12:00:00Z", "attachments": [file], "description": picture}
    account.desk(ticket, replies={1: [{"id": 2, "attachments": [file | {"id": 8}], "body": "<img src='cid:1'>"}]})
    account.answers["/api/v2/contacts"] = [{"id": 5}]
    account.answers["/api/v2/contacts/5"] = {
        "id": 5,
        "avatar": {"id": 9, "name": "me.png", "avatar_url": f"{account.url}/s3/9"},
    }
    for path in ("/s3/7", "/s3/9", "/inline"):
        account.answers[path] = lambda request: web.Response(body=request.query_string.encode() or b"x")
    report = await run(account, tmp_path / "out", "freshdesk", "attachments")
    names = sorted(path.name for path in (tmp_path / "out/attachments/freshdesk").iterdir())
    assert names == [
        "contact_5-9_me.png",
        "inline_1-1_inline",
        "inline_1-2_inline",
        "reply_2-8_a.pdf",
        "ticket_1-7_a.pdf",
    ]
    assert (tmp_path / "out/attachments/freshdesk/inline_1-2_inline").read_bytes() == b"token=2"
    assert report["totals"]["attachments"]["failed"] == 0
    assert {row["reason"] for row in read(tmp_path / "out", "attachments.json")} == {"", "said_to_have_1_bytes"}


async def test_a_file_is_kept_as_it_is_stored(account: Account, tmp_path: Path) -> None:
    """A server that packs what it sends is asked not to; if it does so all the same, it is unpacked."""

    def packs(request: web.Request) -> web.Response:
        answer = web.Response(text="content " * 100)
        answer.enable_compression(web.ContentCoding.gzip if "always" in request.query else None)
        return answer

    account.answers["/cdn"] = packs
    account.chat("c1", [with_file(1, f"{account.url}/cdn"), with_file(2, f"{account.url}/cdn?always")])
    await run(account, tmp_path / "out", "freshchat", "attachments")
    kept = [path.read_text("utf-8") for path in (tmp_path / "out/attachments/freshchat").iterdir()]
    assert kept == ["content " * 100] * 2
    assert account.requests("/cdn")[0].headers["Accept-Encoding"] == "identity"


async def test_messages_of_two_conversations_with_one_id(account: Account, tmp_path: Path) -> None:
    """Only one of their files has a place, which is told."""
    account.answers |= {path: lambda _: web.Response(body=b"content") for path in ("/a", "/b")}
    for name in ("a", "b"):
        account.chat(name, [with_file(1, f"{account.url}/{name}")])
    report = await run(account, tmp_path / "out", "freshchat", "attachments")
    assert [gap["reason"] for gap in read(tmp_path / "out", "gaps.json")] == ["same_id_elsewhere"]
    assert not report["complete"]


async def test_a_host_that_is_away_for_a_moment(account: Account, tmp_path: Path) -> None:
    account.chat("c1", [with_file(1, f"{account.url}/back"), with_file(2, f"{account.url}/away")])
    account.answers["/back"] = lambda _: web.Response(body=b"content")
    account.fails |= {"/back": [(503, {}), (502, {}), (200, {})], "/away": [(503, {})]}
    report = await run(account, tmp_path / "out", "freshchat", "attachments")
    assert report["totals"]["attachments"] == {"expected": 2, "fetched": 1, "failed": 1}
    assert [row["reason"] for row in read(tmp_path / "out", "attachments.json")] == ["", "unavailable_503"]
    assert len(account.requests("/away")) == 3


async def test_a_page_is_not_the_file(account: Account, tmp_path: Path) -> None:
    """Hosts answer 200 with a page when an address has run out; a file that is a page is kept."""
    answers = iter(["<p>Sign in", "content"])
    account.chat(
        "c1", [with_file(n, f"{account.url}/{n}", name) for n, name in ((1, "a.txt"), (2, "b"), (3, "c.HTML"))]
    )
    account.answers["/1"] = lambda _: web.Response(
        text=(body := next(answers)), content_type="text/html" if "<" in body else "text/plain"
    )
    for path in ("/2", "/3"):
        account.answers[path] = lambda _: web.Response(text="<p>Sign in", content_type="text/html")
    report = await run(account, tmp_path / "out", "freshchat", "attachments")
    kept = {path.name: path.read_text("utf-8") for path in (tmp_path / "out/attachments/freshchat").iterdir()}
    assert kept == {"message_m1-1_a.txt": "content", "message_m3-1_c.HTML": "<p>Sign in"}
    assert [gap["reason"] for gap in read(tmp_path / "out", "gaps.json")] == ["file_page"]
    assert not report["complete"]


@asynccontextmanager
async def host(answer: bytes) -> AsyncIterator[str]:
    """Be a host that gives this answer, byte by byte as it stands here."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "header",
    [
        'Content-Disposition: attachment; filename="견적서.pdf"'.encode("cp949"),
        b"Content-Type: text/\xb0\xdf",
    ],
)
async def test_headers_that_are_no_text(header: bytes, account: Account, tmp_path: Path) -> None:
    """What some host answers stops no export; a name that a message does not have is taken as far as it goes."""
    async with host(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + header + b"\r\n\r\nfile") as url:
        account.chat("c1", [with_file(1, f"{url}/", "")])
        report = await run(account, tmp_path / "out", "freshchat", "attachments")
    assert report["totals"]["attachments"]["fetched"] == 1
    assert [path.read_bytes() for path in (tmp_path / "out/attachments/freshchat").iterdir()] == [b"file"]


async def test_a_body_that_ends_early_is_no_file(account: Account, tmp_path: Path) -> None:
    async with host(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nfile") as url:
        account.chat("c1", [with_file(1, f"{url}/")])
        report = await run(account, tmp_path / "out", "freshchat", "attachments")
    assert (report["totals"]["attachments"]["failed"], report["complete"]) == (1, False)


@pytest.mark.parametrize("target", ["http://[bad", "http://x:99999/", "https://\u2100.com/"])
async def test_a_redirect_to_no_address(target: str, account: Account, tmp_path: Path) -> None:
    account.answers["/to"] = lambda _: web.Response(status=302, headers={"Location": target})
    account.chat("c1", [with_file(1, f"{account.url}/to")])
    await run(account, tmp_path / "out", "freshchat", "attachments")
    assert [gap["reason"] for gap in read(tmp_path / "out", "gaps.json")] == ["file_address"]


async def test_half_a_character(account: Account, tmp_path: Path) -> None:
    """Texts that were cut within an emoji: in the name of a file, in an id, in what a person is known by."""
    account.chat("c\ud83d", [with_file(1, f"{account.url}/cdn", "a\ud83d.txt")])
    account.answers["/v2/users"]["users"][0] |= {"reference_id": "x\ud83d"}
    account.answers |= {
        f"/v2/conversations/c\\ud83d{below}": account.answers[f"/v2/conversations/c\ud83d{below}"]
        for below in ("", "/messages")
    }
    account.answers["/cdn"] = lambda _: web.Response(body=b"content")
    await run(account, tmp_path / "out", "freshchat", "attachments")
    assert [path.name for path in (tmp_path / "out/attachments/freshchat").iterdir()] == ["message_m1-1_a_ud83d.txt"]
    assert read(tmp_path / "out", "freshchat/conversations.json")[0]["conversation_id"] == "c\ud83d"


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:192.168.0.1", "100.64.0.1", "224.0.0.1"]
)
def test_addresses_that_are_never_connected_to(address: str) -> None:
    assert not allowed(address, loopback=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "2130706433", "user:x@127.0.0.1"])
async def test_loopback_is_not_fetched_from(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is written; nothing is connected to."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    files = ArchiveFiles()
    with pytest.raises(Rejected) as caught:
        async with files.open(f"http://{host}:9/x"):
            pass
    assert caught.value.code == "file_address"
    await files.close()


async def test_a_redirect_into_our_network_is_not_followed(account: Account) -> None:
    """Neither is the key sent to where a file of the account leads."""

    async def key() -> str:
        return "Basic secret"

    files = ArchiveFiles(loopback=True, keys={"127.0.0.1": key})
    account.answers["/own"] = lambda request: (
        web.Response(status=302, headers={"Location": f"{account.url}/s3"})
        if "Authorization" in request.headers
        else web.Response(status=403)
    )
    account.answers["/s3"] = lambda _: web.Response(body=b"file")
    async with files.open(f"{account.url}/own") as file:
        assert b"".join([chunk async for chunk in file.chunks]) == b"file"
    assert "Authorization" not in account.requests("/s3")[0].headers
    account.answers["/evil"] = lambda _: web.Response(status=302, headers={"Location": "http://169.254.169.254/"})
    with pytest.raises(Rejected):
        async with files.open(f"{account.url}/evil"):
            pass
    await files.close()


async def test_the_key_is_never_sent_in_the_open() -> None:
    """A picture in a text may name the account by plain http, or on another port."""

    async def key() -> str:
        return "Basic secret"

    files = ArchiveFiles(keys={"acme.freshdesk.com": key})
    asked: list[dict[str, str]] = []

    async def follow(_url: Any, headers: dict[str, str]) -> Any:
        asked.append(headers)
        return type("Refused", (), {"status": 403, "close": lambda _: None})()

    files._follow = follow  # type: ignore[method-assign]
    for url in ("http://acme.freshdesk.com/x", "https://acme.freshdesk.com:8443/x", "https://acme.freshdesk.com/x"):
        with pytest.raises(Rejected):
            async with files.open(url):
                pass
    await files.close()
    assert asked == [{}, {}, {}, {"Authorization": "Basic secret"}]


# --- reports


def packed(text: str) -> bytes:
    """Give a ZIP file with one table."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("table.csv", "\ufeff" + text)
    return data.getvalue()


def reports(account: Account, tables: dict[str, str]) -> None:
    """Have these tables as reports: each job is pending once, then done."""
    jobs: dict[str, str] = {}
    looked: set[str] = set()

    async def ask(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if asked["event"] not in tables:
            return web.json_response({"code": 400}, status=400)
        job = str(len(jobs))
        jobs[job] = tables[asked["event"]]
        account.answers[f"/v2/reports/raw/{job}"] = lambda _: look(job)
        return web.json_response({"id": job, "link": {"rel": "extracts"}}, status=202)

    def look(job: str) -> dict[str, Any]:
        if job not in looked:
            looked.add(job)
            return {"id": job, "status": "PENDING"}
        account.answers[f"/zip/{job}"] = lambda _: web.Response(body=packed(jobs[job]))
        return {"id": job, "status": "COMPLETED", "links": [{"link": {"href": f"{account.url}/zip/{job}"}}]}

    account.answers["/v2/reports/raw"] = ask


async def test_reports_find_what_no_user_leads_to(account: Account, tmp_path: Path) -> None:
    """A chat of a user that is gone is read; a message that the API did not give is told; ratings are kept."""
    account.chat("c1", [{"id": "m1", "created_time": "2026-01-05T08:00:00Z"}])
    account.answers["/v2/users"]["users"][0]["created_time"] = "2026-11-20T00:00:00.000Z"
    account.answers["/v2/conversations/c9"] = {"conversation_id": "c9"}
    account.answers["/v2/conversations/c9/messages"] = {"messages": []}
    tables = {
        "Conversation-Created": "Conversation Id,Created At\nc1,x\nc9,y\n",
        "Message-Sent": "conversation_id,message_id\nc1,m1\n",
        "Chat-Transcript": 'conversation_id,message_id,message\nc1,m1,"two\nlines, 한글"\nc1,m2,lost\n',
        "CSAT-Score": "Conversation ID,Rating\nc1,5\n",
    }
    reports(account, tables)
    report = await run(account, tmp_path / "out", "freshchat", "reports")
    root = tmp_path / "out"
    assert [c["conversation_id"] for c in read(root, "freshchat/conversations.json")] == ["c1", "c9"]
    assert report["sources"]["onlyIn"]["report"] == ["c9"]
    differences = report["sources"]["messages"]["differences"]
    assert differences == [{"conversation_id": "c1", "api": 1, "transcript": 2}]
    assert {"conversation_id": "c1", "rating": "5"} in read(root, "freshchat/csat.json")
    kept = sorted((root / "freshchat/reports").glob("Chat-Transcript_*.csv"))[0]
    assert kept.read_text(encoding="utf-8") == "\ufeff" + tables["Chat-Transcript"]
    assert all("Authorization" not in seen.headers for seen in account.seen if seen.path.startswith("/zip"))


async def test_reports_that_an_account_does_not_have_are_told(account: Account, tmp_path: Path) -> None:
    account.answers["/v2/agents"]["agents"] = [{"id": "a", "created_time": "2026-11-20T00:00:00.000Z"}]
    reports(account, {"Conversation-Created": "conversation_id\n"})
    report = await run(account, tmp_path / "out", "freshchat", "reports")
    gaps = read(tmp_path / "out", "gaps.json")
    assert {gap["id"].split("|")[0] for gap in gaps} == {"Message-Sent", "CSAT-Score", "Chat-Transcript"}
    assert {gap["reason"] for gap in gaps} == {"refused_400"}
    assert not report["complete"]
