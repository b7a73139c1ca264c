"""What is left of files: nothing in logs and metrics, nothing on the disk but what somebody has a link to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from file_material import PDF, content, file, macros, png, said, told
from stack import Stack, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A tenant that wants deletions to be redacted."""
    folder: Path = tmp_path_factory.mktemp("traces")
    async with running(folder, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.2", BRIDGE_DELETES="redact") as made:
        yield made


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def afresh(stack: Stack) -> AsyncIterator[None]:
    """Each test begins with an empty world."""
    yield
    await stack.clear_faults()
    await stack.settled()
    await stack.post("reset")


def stored(stack: Stack) -> list[str]:
    """List the files that the bridge has on its disk, besides its database, secrets and locks."""
    data = stack.folder / "data"
    return [str(path) for name in ("objects", "spool") for path in (data / name).rglob("*") if path.is_file()]


async def test_what_has_arrived_is_not_kept(stack: Stack) -> None:
    """Neither in the object store nor below the spool; the journal shows the calls and no name."""
    files = [file("planted-shot.png", png(), "image/png"), file("planted-plan.pdf", PDF)]
    files.append(file("planted-letter.docx", macros()))
    asked = await stack.say("Three files", scope="personal", mention=False, files=files)
    *_, line = await said(stack, 4)
    assert "planted-letter.docx" in line["text"]["content"]
    assert await told(stack) == ["• planted-letter.docx: it contains macros"]
    assert stored(stack) == []
    database = b"".join(path.read_bytes() for path in (stack.folder / "data").glob("bridge.db*") if path.is_file())
    assert asked["id"].encode() in database
    log = (stack.folder / "bridge.log").read_text(encoding="utf-8")
    async with stack.session.get(f"{stack.bridge_url}/metrics") as answer:
        metrics = await answer.text()
    assert 'bridge_events_total{what="file_macro"} 1.0' in metrics
    for word in ("planted", f"{stack.url}/files/", "/views/original"):
        assert word not in log
        assert word not in metrics
    (trace,) = {r["trace"] for r in stack.log() if r["action"] == "file"}
    code, story, _ = await stack.bridgectl("trace", trace, "--json")
    assert (code, "planted" in story, story.count("file.")) == (0, False, 3)


async def test_a_link_ends_with_its_message(stack: Stack) -> None:
    """The file behind it is kept for the agent, until somebody deletes the message."""
    await stack.fault("freshchat", "status", match="upload", status=413)
    asked = await stack.say("See here", files=[file("plan.pdf", PDF)])
    _, line = await said(stack, 2)
    link = line["text"]["content"].partition(": ")[2]
    assert await content(stack, link) == PDF
    ada, tenant = stack.config["users"][0], stack.config["tenant"]
    activity = {
        "type": "messageDelete",
        "id": asked["id"],
        "channelId": "msteams",
        "serviceUrl": stack.config["service_url"],
        "from": {"id": ada["teams_id"], "name": ada["name"], "aadObjectId": ada["aad_id"]},
        "conversation": {
            "conversationType": "channel",
            "isGroup": True,
            "tenantId": tenant,
            "id": asked["conversation_id"],
        },
        "recipient": {"id": stack.config["bot"]["id"]},
        "channelData": {"tenant": {"id": tenant}, "eventType": "softDeleteMessage"},
    }
    assert (await stack.post("teams/activity", activity=activity))["status"] == 200
    await said(stack, 3)
    async with stack.session.get(link) as answer:
        assert answer.status == 404
    assert stored(stack) == []


async def test_who_reads_korean_is_told_in_korean(stack: Stack) -> None:
    """In the language of the client that sent the file."""
    mina = next(user["key"] for user in stack.config["users"] if user["locale"] == "ko-KR")
    await stack.say("파일입니다", user=mina, scope="personal", mention=False, files=[file("편지.docx", macros())])
    await said(stack, 2)
    assert await told(stack) == ["• 편지.docx: 매크로가 포함되어 있음"]


async def test_a_server_that_is_away_for_a_moment(stack: Stack) -> None:
    """Is asked again; nobody reads of it."""
    await stack.fault("files", "status", status=503, times=2)
    await stack.say("See here", scope="personal", mention=False, files=[file("plan.pdf", PDF)])
    _, document = await said(stack, 2)
    assert document["file"]["name"] == "plan.pdf"
    (thread,) = await stack.threads()
    assert [m["from"]["kind"] for m in thread["messages"]] == ["user"]
