"""Files of both directions with Azure Blob Storage as the object store: what people are given opens for them."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from file_material import content, parts
from stack import Stack, running
from test_conversation import conversation_with, word
from test_files_to_teams import PDF, file, link_in, shown_after

from tests.peers.azurite import Azurite, install
from tests.peers.npm import npm_is_here

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    if not npm_is_here():
        pytest.skip("npm is missing, so Azurite cannot be installed")
    folder: Path = tmp_path_factory.mktemp("blob")
    with Azurite(install()) as azurite:
        store = {"BRIDGE_OBJECTS": "azure.blob", "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string}
        async with running(folder, TEAMS_REPLY_VIA="bot", **store) as opened:
            yield opened


async def test_an_agents_file_is_a_link_that_opens(stack: Stack) -> None:
    """The address leads to Blob Storage, and gives the bytes without a login."""
    question, mark = word(), word()
    await stack.say(question)
    conversation = (await conversation_with(stack, question))["conversation_id"]
    await stack.answer(conversation, mark, files=[file("plan.pdf", PDF, "application/pdf")])
    _, shown = await shown_after(stack, mark, 2)
    address, _ = link_in(shown)
    assert "sig=" in address
    async with stack.session.get(html.unescape(address)) as answer:
        assert (answer.status, await answer.read()) == (200, PDF)


async def test_an_employees_file_reaches_the_agent(stack: Stack) -> None:
    """It is on its way through Blob Storage for as long as that takes."""
    question = word()
    plan = file("plan.pdf", PDF, "application/pdf")
    await stack.say(question, scope="personal", mention=False, files=[plan])

    async def document() -> object:
        return next((part["file"] for part in parts(await conversation_with(stack, question)) if "file" in part), None)

    assert await content(stack, (await stack.until(document))["url"]) == PDF
