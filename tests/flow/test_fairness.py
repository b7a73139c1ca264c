"""One customer's flood, with a Freshchat that is stuck, is nobody else's trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running, texts
from test_conversation import word

from bench.client import replay
from bench.material import TeamsWorld
from bench.processes import resident_mib

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLOODED = "a0a0a0a0-7a41-4c0b-9e55-8b2d1a9f0c11"
FLOOD, THREADS = 20_000, 400
MIB = 250
"""What the bridge may take with the whole flood waiting; it takes about 100 without any."""

TENANT = """
[[tenant]]
id = "{id}"
name = "{name}"
[tenant.freshchat]
url = "{url}/v2"
inbox = "{inbox}"
api_key = "secret:{name}_KEY"
webhook_keys = "secret:{name}_HOOK"
"""


@dataclass
class Town:
    """`quiet` plays everybody's Teams and the quiet tenant's Freshchat, `stuck` the flooding tenant's Freshchat."""

    quiet: Stack
    stuck: Stack
    tokens: list[str]
    number: int = 0

    def requests(self, tenant: str, count: int, threads: int) -> list[bytes]:
        """Make messages of a tenant's Teams, as they go over the wire."""
        first, self.number = self.number, self.number + count
        world = TeamsWorld({**self.quiet.config, "tenant": tenant}, self.tokens)
        return [world.request(first + n, n % threads, f"flood {first + n}") for n in range(count)]

    async def send(self, requests: list[bytes]) -> None:
        """Send them as fast as the door takes them, from a process of its own; each is answered 2xx."""
        job = self.quiet.folder / "job.bin"
        await asyncio.to_thread(replay, job, requests, self.quiet.port, core=None, limit=300.0)

    async def both_ways(self) -> None:
        """Ask as the quiet tenant and answer as its agent: both arrive."""
        question, answer = word(), word()
        said = TeamsWorld(self.quiet.config, self.tokens).activity(self.number, 0, question)
        self.number += 1
        assert (await self.quiet.post("teams/activity", activity=said))["status"] == 200

        async def asked() -> Any:
            return [c for c in await self.quiet.conversations() if question in "".join(texts(c, "user"))]

        [conversation] = await self.quiet.until(asked)
        await self.quiet.answer(conversation["conversation_id"], answer)

        async def answered() -> bool:
            return any(answer in m["text"] for t in await self.quiet.threads() for m in t["messages"])

        await self.quiet.until(answered)

    async def talk(self, rounds: int) -> list[float]:
        """Go both ways several times; how many deliveries were given back meanwhile, in each round."""
        given_back = [await self.quiet.metric("bridge_retries_total")]
        for _ in range(rounds):
            await self.both_ways()
            given_back.append(await self.quiet.metric("bridge_retries_total"))
        return [after - before for before, after in pairwise(given_back)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Two tenants in one bridge that logs no more than it does in production."""
    folders = tmp_path_factory.mktemp("quiet"), tmp_path_factory.mktemp("stuck")
    async with running(folders[0], bridge=False) as quiet, running(folders[1], bridge=False) as stuck:
        await stuck.post("settings", bridge=quiet.bridge_url)
        sections = []
        for name, tenant, one in (("QUIET", quiet.config["tenant"], quiet), ("STUCK", FLOODED, stuck)):
            env, inbox = one.config["env"], one.config["inboxes"][0]["id"]
            quiet.extra |= {f"{name}_KEY": env["FRESHCHAT_API_KEY"], f"{name}_HOOK": env["FRESHCHAT_WEBHOOK_KEYS"]}
            sections.append(TENANT.format(id=tenant, name=name, url=one.url, inbox=inbox))
        (quiet.folder / "tenants.toml").write_text("".join(sections), encoding="utf-8")
        quiet.extra |= {
            "BRIDGE_TENANTS_FILE": str(quiet.folder / "tenants.toml"),
            "BRIDGE_LOG_LEVEL": "INFO",
            "BRIDGE_GRACE": "1",
            "TEAMS_REPLY_VIA": "bot",
        }
        await quiet.post("settings", strict_threads=False)
        await quiet.start_bridge()
        claims = {"serviceurl": quiet.config["service_url"]}
        tokens = [(await quiet.post("teams/token", **claims))["token"] for _ in range(4)]
        yield Town(quiet, stuck, tokens)


async def test_a_flood_into_a_stuck_account(town: Town) -> None:
    """While twenty thousand messages of one tenant wait, the other one talks as if nothing were; memory stays small."""
    await town.both_ways()
    await town.stuck.fault("freshchat", "timeout", times=None, delay_ms=35_000)
    flood = asyncio.create_task(town.send(town.requests(FLOODED, FLOOD, THREADS)))
    assert 0 in await town.talk(5), "nobody of the flood has to give a slot back first"
    await flood
    assert await town.quiet.waiting() >= FLOOD - THREADS
    assert 0 in await town.talk(5)
    mib = resident_mib(town.quiet.bridge_pid)
    assert mib is None or mib < MIB

    await town.stuck.clear_faults()
    await town.stuck.fault("freshchat", "status", status=429, retry_after=1, times=None)
    await town.talk(3)
    assert await town.quiet.waiting() >= FLOOD - THREADS
    assert not [r for r in town.quiet.log() if r.get("action") in ("bug", "worker_error", "dead_letter")]

    await town.stuck.clear_faults()

    async def flows() -> bool:
        return len(await town.stuck.conversations()) > 10

    await town.stuck.until(flows, 90)
