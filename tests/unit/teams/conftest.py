"""A scripted upstream, a clock that stands still, and secrets that live in memory."""

from __future__ import annotations

import pytest

from adapters import http
from tests.unit.freshchat.upstream import Upstream

NOW = 1_767_600_000.0


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


class MemorySecrets:
    """A secret store shared by all who hold it; raises `fault` on put if there is one."""

    def __init__(self):
        self.kept, self.fault, self.puts = {}, None, 0

    async def get(self, name):
        return list(self.kept.get(name, []))

    async def put(self, name, value, *, keep=1):
        if self.fault:
            raise self.fault
        self.puts += 1
        self.kept[name] = [value, *self.kept.get(name, [])][:keep]

    async def ping(self):
        return None


@pytest.fixture
async def upstream():
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def session():
    async with http.session() as session:
        yield session


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def secrets():
    return MemorySecrets()
