"""Files and pictures of employees reach the agent, in order and once; what may not pass is kept out and told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from file_material import PDF, content, file, macros, packed, parts, png, said, told
from stack import Stack, free_port, running, texts

from tests.peers.clamd import EICAR, Clamd, program

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(program() is None, reason="clamd is not installed"),
]

SETTINGS = {"TEAMS_REPLY_VIA": "bot", "BRIDGE_RETRY_WAIT": "0.2", "BRIDGE_MAX_FILE_BYTES": "500000"}


@pytest.fixture(scope="module")
def clamd() -> Any:
    """The real scanner."""
    with Clamd() as daemon:
        yield daemon


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, clamd: Clamd) -> AsyncIterator[Stack]:
    """The product with a scanner, answering through the bot."""
    folder: Path = tmp_path_factory.mktemp("files")
    async with running(folder, **SETTINGS, CLAMD_ADDRESS=clamd.unix) as running_stack:
        yield running_stack


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def afresh(stack: Stack, clamd: Clamd) -> AsyncIterator[None]:
    """Each test begins with an empty world."""
    yield
    clamd.start()
    await stack.clear_faults()
    await stack.settled()
    await stack.post("reset", settings=True)


async def test_a_picture_and_a_file_in_a_personal_chat(stack: Stack) -> None:
    """Text, picture, file: three messages in this order; a screenshot gets its real type and name."""
    shot, plan = file("image.bin", png(), "image/png"), file("plan.pdf", PDF)
    await stack.say("Look at this", scope="personal", mention=False, files=[shot, plan])
    text, picture, document = await said(stack, 3)
    assert text == {"text": {"content": "Look at this"}}
    assert await content(stack, picture["image"]["url"]) == png()
    assert picture["image"]["url"].endswith("/image.png")
    assert document["file"]["name"] == "plan.pdf"
    assert document["file"]["content_type"] == "application/pdf"
    assert await content(stack, document["file"]["url"]) == PDF


async def test_a_file_without_words(stack: Stack) -> None:
    """Its name opens the conversation."""
    await stack.say("", scope="personal", mention=False, files=[file("plan.pdf", PDF)])
    text, document = await said(stack, 2)
    assert text == {"text": {"content": "📎 plan.pdf"}}
    assert document["file"]["name"] == "plan.pdf"


async def test_malware_is_kept_out(stack: Stack) -> None:
    """The words and the other file go; the agent reads a line in its place, the sender one notice."""
    files = [file("invoice.txt", EICAR), file("plan.pdf", PDF)]
    await stack.say("Two files", scope="personal", mention=False, files=files)
    text, line, document = await said(stack, 3)
    assert text == {"text": {"content": "Two files"}}
    assert line == {"text": {"content": "(📎 invoice.txt was not passed on: it contains malware.)"}}
    assert document["file"]["name"] == "plan.pdf"
    assert await told(stack) == ["• invoice.txt: it contains malware"]


CHANNELS = [{"scope": "channel"}, {"scope": "groupChat"}]


@pytest.mark.parametrize("where", CHANNELS, ids=lambda where: str(where["scope"]))
async def test_files_elsewhere_are_read_from_graph(stack: Stack, where: dict[str, str]) -> None:
    """A pasted picture is a part of the message, a file an item of SharePoint; the words come first."""
    pasted = file("shot.bin", png(3), "image/png", inline=True)
    await stack.say("See the picture", files=[pasted, file("plan.pdf", PDF)], **where)
    text, picture, document = await said(stack, 3)
    assert text == {"text": {"content": "See the picture"}}
    assert await content(stack, picture["image"]["url"]) == png(3)
    assert document["file"]["name"] == "plan.pdf"
    assert await content(stack, document["file"]["url"]) == PDF


async def test_a_reply_with_a_picture_only(stack: Stack) -> None:
    """Its words are that there is something; the picture is found in the reply, not in the root."""
    first = await stack.say("The printer is stuck", user="ada")
    await said(stack, 1)
    pasted = file("shot.png", png(4), "image/png", inline=True)
    await stack.say("", user="ada", mention=False, thread=first["thread"], files=[pasted])
    _, text, picture = await said(stack, 3)
    assert text == {"text": {"content": "📎 (a file or picture)"}}
    assert await content(stack, picture["image"]["url"]) == png(4)


KEPT_OUT = {
    "it is too large": file("big.txt", b"a" * 500_001),
    "it is empty": file("nothing.txt", b""),
    "programs are not passed on": file("plan.pdf", b"MZ\x90\0 is no plan"),
    "scripts and web pages are not passed on": file("page.txt", b"<html><script>alert(1)</script>"),
    "it contains macros": file("letter.docx", macros()),
    "it is a damaged or harmful archive": file("zeros.zip", packed({"zeros": bytes(110 * 1024 * 1024)})),
    "it contains malware": file("notes.zip", packed({"notes.txt": EICAR})),
}


@pytest.mark.parametrize("reason", KEPT_OUT)
async def test_what_is_kept_out(stack: Stack, reason: str) -> None:
    """The words go, the agent and the sender read why the file does not."""
    bad = KEPT_OUT[reason]
    await stack.say("See here", scope="personal", mention=False, files=[bad])
    text, line = await said(stack, 2)
    assert text == {"text": {"content": "See here"}}
    assert line == {"text": {"content": f"(📎 {bad['name']} was not passed on: {reason}.)"}}
    assert await told(stack) == [f"• {bad['name']}: {reason}"]


async def test_a_type_that_is_no_truth(stack: Stack) -> None:
    """What is said to be a picture is what its bytes are; a program is none either."""
    files = [file("a.png", PDF, "image/png"), file("b.png", b"MZ\x90\0", "image/png")]
    await stack.say("Two pictures?", scope="personal", mention=False, files=files)
    _, document, line = await said(stack, 3)
    assert (document["file"]["name"], document["file"]["content_type"]) == ("a.pdf", "application/pdf")
    assert "programs are not passed on" in line["text"]["content"]


@pytest.mark.parametrize(
    ("name", "arrives"),
    [
        ("../../etc/passwd.pdf", "_.._etc_passwd.pdf"),
        ("C:\\windows\\plan.pdf", "C_windows_plan.pdf"),
        ("pla\u202efdp.pdf", "pla_fdp.pdf"),
        ("plan\r\nX: y.pdf", "plan_X_ y.pdf"),
        ("계획 📎.pdf", "계획 📎.pdf"),
    ],
)
async def test_names_are_only_names(stack: Stack, name: str, arrives: str) -> None:
    """Nothing of a path or of a header is left in one, and the ending tells the truth."""
    await stack.say("See here", scope="personal", mention=False, files=[file(name, PDF)])
    _, document = await said(stack, 2)
    assert document["file"]["name"] == arrives


async def test_a_picture_that_is_called_a_program(stack: Stack) -> None:
    """It is one, so it is carried under the name of one."""
    await stack.say("See here", scope="personal", mention=False, files=[file("photo.pdf.exe", png())])
    _, picture = await said(stack, 2)
    assert picture["image"]["url"].endswith("/photo.png")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "status", "status": 404}, "it is not there any more, or its link has expired"),
        ({"kind": "status", "status": 403}, "it is not there any more, or its link has expired"),
        ({"kind": "status", "status": 302, "location": "http://169.254.169.254/token"}, "its address is not trusted"),
        ({"kind": "status", "status": 302, "location": "https://10.0.0.1/x"}, "its address is not trusted"),
    ],
)
async def test_addresses_that_lead_nowhere(stack: Stack, fault: dict[str, Any], reason: str) -> None:
    """An expired one, and one that leads inside; nobody asks there."""
    await stack.fault("files", **fault)
    await stack.say("See here", scope="personal", mention=False, files=[file("plan.pdf", PDF)])
    _, line = await said(stack, 2)
    assert line == {"text": {"content": f"(📎 plan.pdf was not passed on: {reason}.)"}}
    assert await told(stack) == [f"• plan.pdf: {reason}"]


async def test_only_files_are_fetched(stack: Stack) -> None:
    """A link that somebody writes is none, and no picture that a web page hosts."""
    before = (await stack.get("requests/counts"))["files"]
    link = f"{stack.url}/files/x/plan.pdf"
    markup = f'see <a href="{link}">{link}</a> <img src="{link}"> <img itemtype="http://schema.skype.com/Giphy">'
    await stack.say(f"see {link}", scope="groupChat", html=markup)
    await said(stack, 1)
    assert (await stack.get("requests/counts"))["files"] == before


# --- what is away


async def test_while_the_scanner_is_away(stack: Stack, clamd: Clamd) -> None:
    """The words are there at once; the file and the next message wait, and come in their order."""
    clamd.kill()
    await stack.say("First", scope="personal", mention=False, files=[file("plan.pdf", PDF)])
    await stack.say("Second", scope="personal", mention=False)
    await stack.until(lambda: has_failed(stack, "clamav_unreachable"))
    (conversation,) = await stack.conversations()
    assert texts(conversation, "user") == ["First"]
    clamd.start()
    first, document, second = await said(stack, 3)
    assert (first["text"]["content"], second["text"]["content"]) == ("First", "Second")
    assert document["file"]["name"] == "plan.pdf"


async def has_failed(stack: Stack, code: str) -> bool:
    return await stack.metric("bridge_retries_total", code=code) > 0


async def test_a_message_deleted_before_its_file_is_sent(stack: Stack, clamd: Clamd) -> None:
    """None of its files is sent any more."""
    clamd.kill()
    asked = await stack.say("First", files=[file("plan.pdf", PDF)])
    await stack.until(lambda: has_a_conversation(stack))
    ada, tenant = stack.config["users"][0], stack.config["tenant"]
    place = {"conversationType": "channel", "isGroup": True, "tenantId": tenant, "id": asked["conversation_id"]}
    activity = {
        "type": "messageDelete",
        "id": asked["id"],
        "channelId": "msteams",
        "serviceUrl": stack.config["service_url"],
        "from": {"id": ada["teams_id"], "name": ada["name"], "aadObjectId": ada["aad_id"]},
        "conversation": place,
        "recipient": {"id": stack.config["bot"]["id"]},
        "channelData": {"tenant": {"id": tenant}, "eventType": "softDeleteMessage"},
    }
    assert (await stack.post("teams/activity", activity=activity))["status"] == 200
    clamd.start()
    first, deleted = await said(stack, 2)
    assert first == {"text": {"content": "First"}}
    assert "deleted" in deleted["text"]["content"]


async def has_a_conversation(stack: Stack) -> bool:
    return bool(await stack.conversations())


async def test_the_conversation_is_resolved_meanwhile(stack: Stack, clamd: Clamd) -> None:
    """The file opens the next one, by its name."""
    clamd.kill()
    await stack.say("First", scope="personal", mention=False, files=[file("plan.pdf", PDF)])
    await stack.until(lambda: has_a_conversation(stack))
    (old,) = await stack.conversations()
    await stack.post("freshchat/resolve", conversation_id=old["conversation_id"], agent="grace")
    await stack.post("settings", not_latest=True)
    clamd.start()

    async def two() -> bool:
        return len(await stack.conversations()) == 2

    await stack.until(two)
    await stack.settled()
    old, new = await stack.conversations()
    name, document = parts(new)
    assert (texts(old, "user"), name) == (["First"], {"text": {"content": "📎 plan.pdf"}})
    assert document["file"]["name"] == "plan.pdf"


@pytest.mark.parametrize("status", [400, 403, 413, 415])
async def test_freshchat_does_not_take_it(stack: Stack, status: int) -> None:
    """Then the agent gets a link of ours, which gives the file."""
    await stack.fault("freshchat", "status", match="upload", status=status)
    await stack.say("See here", scope="personal", mention=False, files=[file("plan.pdf", PDF)])
    _, line = await said(stack, 2)
    name, _, link = line["text"]["content"].partition(": ")
    assert name == "📎 plan.pdf"
    assert await content(stack, link) == PDF


@pytest.mark.parametrize(
    ("match", "link"),
    [("driveItem", "https://fenn.sharepoint.example/"), ("/messages/", "https://teams.microsoft.com/l/message/")],
)
async def test_graph_may_not_read_files(stack: Stack, match: str, link: str) -> None:
    """The agent gets the link in Teams, the administrator is told; the message is no failure, nobody is alarmed."""
    await stack.fault("graph", "status", match=f"GET .*{match}", status=403, times=None)
    await stack.say("See here", files=[file("plan.pdf", PDF)])
    _, line = await said(stack, 2)
    assert "an administrator has not allowed the bridge to read it" in line["text"]["content"]
    assert link in line["text"]["content"]
    assert [one for one in stack.log() if one["action"] == "files_not_permitted"]
    (thread,) = await stack.threads()
    assert [m["from"]["kind"] for m in thread["messages"]] == ["user"]


@pytest.mark.parametrize("step", ["upload", "/messages"])
async def test_killed_while_a_file_is_handed_over(tmp_path: Path, clamd: Clamd, step: str) -> None:
    """The bridge dies between the upload and its message, or during either: the agent sees the file once."""
    async with running(tmp_path, **SETTINGS, CLAMD_ADDRESS=clamd.unix) as stack:
        await stack.fault("freshchat", "delay", match=f"POST .*{step}$", delay_ms=1500)
        await stack.say("See here", scope="personal", mention=False, files=[file("plan.pdf", PDF)])
        await stack.until(lambda: has_struck(stack))
        await stack.kill_bridge()
        await stack.start_bridge()
        text, document = await said(stack, 2)
        assert text == {"text": {"content": "See here"}}
        assert document["file"]["name"] == "plan.pdf"


async def has_struck(stack: Stack) -> bool:
    return any(fault["hits"] for fault in await stack.get("faults"))


async def test_patience_has_an_end(tmp_path: Path) -> None:
    """A scanner that stays away and a file that drips are given up; the next message waited no longer than that."""
    hasty = {"BRIDGE_FILE_PATIENCE_SECONDS": "1", "BRIDGE_FILE_SECONDS": "1"}
    address = f"tcp:127.0.0.1:{free_port()}"
    async with running(tmp_path, **SETTINGS, **hasty, CLAMD_ADDRESS=address) as stack:
        await stack.say("First", scope="personal", mention=False, files=[file("plan.pdf", PDF)])
        await stack.say("Second", scope="personal", mention=False)
        _, line, second = await said(stack, 3)
        assert "it could not be checked for malware" in line["text"]["content"]
        assert second == {"text": {"content": "Second"}}
        await stack.fault("files", "drip", delay_ms=300, times=None)
        await stack.say("Third", scope="personal", mention=False, files=[file("plan.pdf", PDF)])
        *_, line = await said(stack, 5)
        assert "the server that keeps it could not be reached" in line["text"]["content"]
