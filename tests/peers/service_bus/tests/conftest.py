"""One peer and one SDK client per module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

pytest.register_assert_rewrite("tests.peers.service_bus.tests.rig")

from tests.peers.service_bus.tests.rig import Rig, rig  # noqa: E402


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus() -> AsyncIterator[Rig]:
    """The peer, and the SDK on it."""
    async with rig() as running:
        yield running
