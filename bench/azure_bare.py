"""What the peer and the SDK can carry with no work of ours: one process that sends, one that receives and completes.

Both use the SDK as its documentation shows: several senders that send one message at a time, several receivers that
take the next session, and its messages one by one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import OperationTimeoutError

from bench.azure_stack import Peers
from bench.processes import Child, cpu_seconds

SENDERS, RECEIVERS = 4, 16
BODY = b"x" * 1_500
"""An activity has about so many bytes."""
IDLE_SECONDS = 0.3


@dataclass(frozen=True)
class Bare:
    """One run: messages per second, and the seconds of CPU per message of the peer, the sender and the receiver."""

    per_s: float
    peer: float
    sender: float
    receiver: float


def carry(folder: Path, peers: Peers, name: str, messages: int, sessions: int) -> Bare:
    """Send and receive at the same time, over a queue of its own."""
    peers.make_queue(name)
    before = cpu_seconds(peers.bus.pid) or 0.0
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                Child(
                    ["-m", "bench.azure_bare", role, peers.connection_string, name, str(messages), str(sessions)],
                    folder / f"{name}-{role}.log",
                )
            )
            for role in ("receive", "send")
        ]
        receiver, sender = (json.loads(child.output(120)) for child in children)
    spent = (cpu_seconds(peers.bus.pid) or 0.0) - before
    seconds = receiver["ended"] - sender["began"]
    return Bare(messages / seconds, spent / messages, sender["cpu"] / messages, receiver["cpu"] / messages)


async def _send(client: ServiceBusClient, queue: str, messages: int, sessions: int) -> None:
    numbers = iter(range(messages))

    async def one() -> None:
        async with client.get_queue_sender(queue) as sender:
            for number in numbers:
                message = ServiceBusMessage(BODY, message_id=f"m{number}", session_id=f"s{number % sessions}")
                await sender.send_messages(message)

    await asyncio.gather(*(one() for _ in range(SENDERS)))


async def _receive(client: ServiceBusClient, queue: str, messages: int) -> float:
    """Give the time of the last completion: receivers wait a little longer for what does not come."""
    left, ended = messages, 0.0

    async def session() -> None:
        nonlocal left, ended
        async with client.get_queue_receiver(queue, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=2) as receiver:
            while found := await receiver.receive_messages(1, max_wait_time=IDLE_SECONDS):
                await receiver.complete_message(found[0])
                left, ended = left - 1, time.time()

    async def sessions() -> None:
        while left > 0:
            try:
                await session()
            except OperationTimeoutError:
                continue

    await asyncio.gather(*(sessions() for _ in range(RECEIVERS)))
    return ended


async def _run(role: str, connection_string: str, queue: str, messages: int, sessions: int) -> dict[str, float]:
    tls = ssl.create_default_context()  # once: the SDK would load all root certificates for each connection
    async with ServiceBusClient.from_connection_string(connection_string, retry_total=0, ssl_context=tls) as client:
        began, cpu = time.time(), time.process_time()
        ended = 0.0
        if role == "send":
            await _send(client, queue, messages, sessions)
        else:
            ended = await _receive(client, queue, messages)
        return {"began": began, "ended": ended, "cpu": time.process_time() - cpu}


def main() -> None:
    """Run one role and print when and at what cost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("send", "receive"))
    parser.add_argument("connection_string")
    parser.add_argument("queue")
    parser.add_argument("messages", type=int)
    parser.add_argument("sessions", type=int)
    given = parser.parse_args()
    json.dump(
        asyncio.run(_run(given.role, given.connection_string, given.queue, given.messages, given.sessions)), sys.stdout
    )


if __name__ == "__main__":
    main()
