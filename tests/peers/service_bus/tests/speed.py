"""How fast the peer is without an SDK: `python -m tests.peers.service_bus.tests.speed`. CPU seconds are the peer's."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.peers.service_bus import ServiceBusPeer, codec
from tests.peers.service_bus.frames import Disposition, Flow, Transfer
from tests.peers.service_bus.process import PeerProcess, peer_process
from tests.peers.service_bus.tests.raw import RawClient, raw_client, ready, section

COUNT, WINDOW = 20_000, 400
PAYLOAD = (
    section(0x73, codec.sequence((codec.string("0123456789abcdef" * 2), *(codec.NULL,) * 9, codec.string("thread-1"))))
    + section(0x74, codec.encode({"tenant": "contoso", "kind": "message", "trace": "0" * 32}))
    + section(0x75, codec.binary(b"x" * 1_000))
)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def _send(client: RawClient) -> None:
    client.attach("s", 2, sends=True, address="q")
    await client.expect(Flow)
    answered = 0
    for sent in range(COUNT):
        client.transfer(2, PAYLOAD)
        while sent - answered > WINDOW:
            await client.expect(Disposition)
            answered += 1
    while answered < COUNT:
        await client.expect(Disposition)
        answered += 1


async def _receive(client: RawClient) -> None:
    client.attach("r", 3, sends=False, address="q")
    for got in range(COUNT):
        if got % WINDOW == 0:
            client.send(Flow(1 + got, 1 << 30, 0, 1 << 30, 3, got, 2 * WINDOW))
        transfer, _ = await client.expect(Transfer)
        client.settle(transfer.delivery_id)


async def _measure(process: PeerProcess, peer: ServiceBusPeer) -> None:
    for name, act in (("in", _send), ("out and settled", _receive)):
        async with raw_client(peer) as client:
            await ready(client, "q")
            wall, cpu = time.perf_counter(), _cpu(process.pid)
            await act(client)
            await asyncio.sleep(0.2)
            wall, cpu = time.perf_counter() - wall - 0.2, _cpu(process.pid) - cpu
            print(f"{name}: {COUNT / wall:,.0f}/s by the clock, {COUNT / cpu:,.0f} per CPU second of the peer")


async def main() -> None:
    """Send and receive through a peer in its own process."""
    async with peer_process("--queue", "q") as process:
        where = ServiceBusPeer(port=process.port)
        await _measure(process, where)
        print((await process.stats())["queues"]["q"]["operations"])


if __name__ == "__main__":
    asyncio.run(main())
