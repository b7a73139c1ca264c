"""An account for each test."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

sys.path.insert(0, str(Path(__file__).parent))

from account import Account


@pytest_asyncio.fixture
async def account() -> AsyncIterator[Account]:
    """An empty account that answers."""
    found = Account()
    found.answers["/v2/accounts/configuration"] = {"account_id": "1", "plan_type": "PRO"}
    for name in ("agents", "groups", "channels"):
        found.answers[f"/v2/{name}"] = {name: [], "pagination": {"total_pages": 1}}
    found.answers["/v2/conversations/fields"] = []
    found.answers["/v2/users"] = {"users": [], "pagination": {"total_pages": 1}}
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    async with TestServer(app) as server:
        found.url = str(server.make_url("/")).rstrip("/")
        yield found
