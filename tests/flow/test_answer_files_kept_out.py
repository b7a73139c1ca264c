"""Files of agents that do not reach Teams: the words do, a line says why in the file's place, and the agent is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, free_port, running
from test_conversation import conversation_with, word
from test_files_to_teams import PDF, PERSONAL, file, link_in, png, shown_after, text
from test_formatting import asked, graph, somewhere  # noqa: F401 - fixtures

from tests.peers.clamd import EICAR, Clamd, program

pytestmark = pytest.mark.asyncio(loop_scope="module")

Somewhere = tuple[Stack, dict[str, str], str]


async def notes(stack: Stack, conversation: str) -> list[str]:
    """List the private notes of a conversation."""
    (found,) = [c for c in await stack.conversations() if c["conversation_id"] == conversation]
    return [m["text"] for m in found["messages"] if m["type"] == "private"]


async def kept_out(stack: Stack, place: dict[str, str], part: dict[str, Any], name: str, reason: str) -> None:
    """Answer with a file between words; in its place a line tells the reason, and so does one note to the agent."""
    _, conversation = await asked(stack, place)
    before = await notes(stack, conversation)
    mark, after = word(), word()
    await stack.answer(conversation, "", parts=[text(mark), part, text(after)])
    said = await shown_after(stack, mark, 3)
    assert [said[1]["text"], said[2]["text"]] == [f"(📎 {name} was not passed on: {reason}.)", after]

    async def told() -> Any:
        return (await notes(stack, conversation))[len(before) :]

    (note,) = await stack.until(told)
    assert note.splitlines()[1] == f"• {name}: {reason}" and "Reference" in note


SCRIPTS = "scripts and web pages are not passed on"
REASONS: list[tuple[dict[str, Any], str, str]] = [
    ({"file": file("setup.pdf", b"MZ" + bytes(100))}, "setup.pdf", "programs are not passed on"),
    (
        {"file": file("a.html", b"<!doctype html><script>1</script>")},
        "a.html",
        "scripts and web pages are not passed on",
    ),
    (
        {"image": file("a.svg", b"<svg onload='x'/>", "image/svg+xml")},
        "a.svg",
        "scripts and web pages are not passed on",
    ),
    ({"file": file("a.txt", b"")}, "a.txt", "it is empty"),
    ({"file": file("big.pdf", PDF + bytes(300_000))}, "big.pdf", "it is too large"),
    ({"file": file("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(99))}, "a.7z", "files of this type are not passed on"),
    ({"file": {"name": "a.pdf", "url": "https://files.example/a.pdf"}}, "a.pdf", "its address is not trusted"),
    ({"file": {"name": "a.pdf", "url": "file:///etc/passwd"}}, "a.pdf", "its address is not trusted"),
    ({"file": {"name": "../../etc/a.pdf", "url": "no address"}}, "_.._etc_a.pdf", "its address is not trusted"),
]


SMALL = """
[[tenant]]
id = "{id}"
max_file_bytes = 200000
refused_files = ["program", "script", "archive"]

[tenant.freshchat]
url = "{url}"
inbox = "{inbox}"
api_key = "secret:A_KEY"
webhook_keys = "secret:A_HOOK"
webhook_token = "secret:A_PATH"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The product for a tenant that wants small files only."""
    folder = tmp_path_factory.mktemp("small")
    tenants = {
        "TEAMS_REPLY_VIA": "bot",
        "BRIDGE_RETRY_WAIT": "0.2",
        "BRIDGE_TENANTS_FILE": str(folder / "tenants.toml"),
    }
    async with running(folder, bridge=False, **tenants) as stack:
        env = stack.config["env"]
        stack.extra |= {
            "A_KEY": env["FRESHCHAT_API_KEY"],
            "A_HOOK": env["FRESHCHAT_WEBHOOK_KEYS"],
            "A_PATH": env["FRESHCHAT_WEBHOOK_TOKEN"],
        }
        facts = {"id": stack.config["tenant"], "url": env["FRESHCHAT_API_URL"], "inbox": env["FRESHCHAT_CHANNEL_ID"]}
        (folder / "tenants.toml").write_text(SMALL.format(**facts), encoding="utf-8")
        await stack.start_bridge()
        yield stack


@pytest.mark.parametrize(("part", "name", "reason"), REASONS, ids=[name for _, name, _ in REASONS])
async def test_the_words_go_and_people_are_told(small: Stack, part: dict[str, Any], name: str, reason: str) -> None:
    """Whatever the name or the type that it is sent as: what the file is decides."""
    await kept_out(small, PERSONAL, part, name, reason)


async def test_it_is_told_wherever_the_answer_goes(somewhere: Somewhere) -> None:  # noqa: F811
    """In each scope, through both transports."""
    stack, place, _ = somewhere
    await kept_out(stack, place, REASONS[0][0], *REASONS[0][1:])


async def test_the_administrator_learns_which_host_is_missing(small: Stack) -> None:
    """And no more of the address."""
    part = {"file": {"name": "a.pdf", "url": "https://s3.example/a/secret.pdf?X-Amz-Signature=1"}}
    await kept_out(small, PERSONAL, part, "a.pdf", "its address is not trusted")
    (record,) = [r for r in small.log() if r.get("host") == "s3.example"]
    assert (record["action"], record["reason"]) == ("file_kept_out", "bad_address")
    assert "secret.pdf" not in (small.folder / "bridge.log").read_text(encoding="utf-8")


async def test_a_file_that_stays_away_is_given_up(stack: Stack) -> None:
    """Its address never comes, or each that comes has run out."""
    gone = "it is not there any more, or its link has expired"
    await kept_out(stack, PERSONAL, {"file": file("a.pdf", PDF, hidden_reads=1000)}, "a.pdf", gone)
    await stack.post("settings", file_link_seconds=0)
    await kept_out(stack, PERSONAL, {"file": file("b.pdf", PDF, link_seconds=0)}, "b.pdf", gone)
    await stack.post("settings", file_link_seconds=3600)


async def test_freshchats_refusal_holds_nothing_that_is_for_teams(stack: Stack) -> None:
    """While the message cannot be read again, its words are there, and other conversations go on."""
    _, conversation = await asked(stack, PERSONAL)
    _, other = await asked(stack, {"scope": "groupChat"})
    await stack.settled()
    mark, beside = word(), word()
    await stack.fault("freshchat", "status", match="GET .*/messages$", status=401, times=None)
    late = {"image": file("a.png", png(), "image/png", hidden_reads=1)}
    await stack.answer(conversation, "", parts=[text(mark), late])

    async def retried() -> bool:
        return await stack.metric("bridge_retries_total", direction="to-teams", code="freshchat_401") > 0

    await stack.until(retried)
    await stack.answer(other, beside)
    await appears(stack, beside)
    assert await stack.metric("bridge_held", direction="to-teams") == 0
    await stack.clear_faults()
    assert (await shown_after(stack, mark, 2))[1]["attachments"]


async def appears(stack: Stack, mark: str) -> None:
    """Wait for a message, whatever else is under way."""

    async def found() -> bool:
        return any(mark in m["text"] for t in await stack.threads() for m in t["messages"])

    await stack.until(found)


async def test_who_asks_in_korean_reads_korean(stack: Stack) -> None:
    """The employee and the agent."""
    question, mark = word(), word()
    await stack.say(question, scope="personal", user="minjun")
    conversation = await conversation_with(stack, question)
    await stack.answer(conversation["conversation_id"], mark, files=[file("a.exe", b"MZ" + bytes(64))])
    said = await shown_after(stack, mark, 2)
    assert said[1]["text"] == "(📎 a.exe 파일이 전달되지 않았습니다: 프로그램 파일은 전달할 수 없음.)"

    async def told() -> Any:
        return await notes(stack, conversation["conversation_id"])

    assert "프로그램" in (await stack.until(told))[0]


async def test_one_line_and_one_note_although_teams_is_away(stack: Stack) -> None:
    """The line is tried again, and the bridge is killed in between."""
    _, conversation = await asked(stack, PERSONAL)
    await stack.settled()
    before, mark = len(await notes(stack, conversation)), word()
    await stack.fault("connector", "status", match="POST .*/activities$", status=503, skip=1, times=None)
    await stack.answer(conversation, mark, files=[file("a.exe", b"MZ" + bytes(64))])

    async def told() -> Any:
        return (await notes(stack, conversation))[before:]

    await stack.until(told)
    await stack.kill_bridge()
    await stack.clear_faults()
    await stack.start_bridge()
    said = await shown_after(stack, mark, 2)
    assert "not passed on" in said[1]["text"]
    assert len(await told()) == 1


async def test_nothing_of_a_file_is_in_the_log(stack: Stack) -> None:
    """No name, no address; the reason is."""
    _, conversation = await asked(stack, PERSONAL)
    name, mark = f"geheim-{word()[-8:]}", word()
    files = [file(f"{name}.pdf", PDF), file(f"{name}.exe", b"MZ" + bytes(64))]
    await stack.answer(conversation, mark, files=files)
    said = await shown_after(stack, mark, 3)
    log = (stack.folder / "bridge.log").read_text(encoding="utf-8")
    assert not [found for found in (name, "X-Amz", link_in(said[1])[0].rpartition("/")[2]) if found in log]
    assert [r for r in stack.log() if r["action"] == "file_kept_out" and r["reason"] == "program"]


@pytest.mark.skipif(program() is None, reason="clamd is not installed")
async def test_malware_is_kept_out(tmp_path: Path) -> None:
    """Found by clamd; a clean file is carried. Both are counted."""
    with Clamd() as daemon:
        async with running(tmp_path, TEAMS_REPLY_VIA="bot", CLAMD_ADDRESS=daemon.unix) as stack:
            await kept_out(stack, PERSONAL, {"file": file("a.txt", EICAR)}, "a.txt", "it contains malware")
            _, conversation = await asked(stack, PERSONAL)
            mark = word()
            await stack.answer(conversation, mark, files=[file("b.png", png(), "image/png")])
            assert (await shown_after(stack, mark, 2))[1]["attachments"]
            counted = [await stack.metric("bridge_events_total", what=f"file_{what}") for what in ("infected", "image")]
            assert counted == [1, 1]


@pytest.mark.skipif(program() is None, reason="clamd is not installed")
async def test_a_file_waits_for_the_scanner_and_its_words_do_not(tmp_path: Path) -> None:
    """What follows in the conversation waits with it; other conversations go on."""
    with Clamd() as daemon:
        async with running(
            tmp_path, TEAMS_REPLY_VIA="bot", CLAMD_ADDRESS=daemon.unix, BRIDGE_RETRY_WAIT="0.2"
        ) as stack:
            _, conversation = await asked(stack, PERSONAL)
            _, other = await asked(stack, {"scope": "groupChat"})
            daemon.kill()
            mark, after, beside = word(), word(), word()
            await stack.answer(conversation, mark, files=[file("b.png", png(), "image/png")])
            await stack.answer(conversation, after)
            await stack.answer(other, beside)

            async def retried() -> bool:
                return await stack.metric("bridge_retries_total", direction="to-teams") > 1

            await stack.until(retried)
            everything = [m["text"] for t in await stack.threads() for m in t["messages"]]
            assert [any(mark in said for said in everything) for mark in (mark, after, beside)] == [True, False, True]
            daemon.start()
            said = await shown_after(stack, mark, 3)
            assert said[1]["attachments"] and after in said[2]["text"]


async def test_a_scanner_that_stays_away_is_waited_for_no_longer(tmp_path: Path) -> None:
    """Then the file is kept out."""
    away = {"CLAMD_ADDRESS": f"tcp:127.0.0.1:{free_port()}", "BRIDGE_FILE_PATIENCE_SECONDS": "1"}
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.2", **away) as stack:
        part = {"file": file("a.pdf", PDF)}
        await kept_out(stack, PERSONAL, part, "a.pdf", "it could not be checked for malware")
