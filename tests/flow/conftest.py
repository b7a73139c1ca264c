"""One sandbox and one bridge per test module; each test works in threads of its own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from stack import Stack, running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The product on the embedded defaults, answering through the bot."""
    async with running(
        tmp_path_factory.mktemp("flow"), TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.2"
    ) as running_stack:
        yield running_stack
