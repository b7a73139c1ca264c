"""The bridge with the settings of `compose.yaml`, on peers that are kept to the bounds of Microsoft's emulators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from stack import ROOT, running, texts
from test_conversation import conversation_with, thread_with, word

from tests.peers.process import http_peer_process
from tests.peers.service_bus.process import peer_process

pytestmark = pytest.mark.asyncio(loop_scope="function")

CONNECTIONS = 10
"""That the emulator of Service Bus takes at a time (docs/live-tests.md)."""

THREADS = 5


def service(name: str) -> dict[str, Any]:
    """Give a service of the file."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    return services[name]


def queues() -> dict[str, dict[str, Any]]:
    """Give what the emulator makes of its configuration, by queue."""
    mounted = ROOT / service("service-bus")["volumes"][0].split(":")[0]
    (namespace,) = json.loads(mounted.read_text("utf-8"))["UserConfig"]["Namespaces"]
    return {queue["Name"]: queue["Properties"] for queue in namespace["Queues"]}


async def test_the_bridge_keeps_within_the_emulators_connections(tmp_path: Path) -> None:
    """Several threads at once go there and back, and no connection too many is ever asked for."""
    given = {name: value for name, value in service("bridge")["environment"].items() if name.startswith("BRIDGE_")}
    async with (
        peer_process("--max-connections", str(CONNECTIONS)) as bus,
        http_peer_process("cosmos") as cosmos,
    ):
        for name, properties in queues().items():
            await bus.do(
                "queues",
                name=name,
                requires_session=properties["RequiresSession"],
                duplicate_detection=300.0,
                lock_duration=60.0,
                max_delivery_count=properties["MaxDeliveryCount"],
                ttl=3600.0,
            )
        given |= {
            "AZURE_SERVICEBUS_CONNECTION_STRING": bus.connection_string,
            "AZURE_COSMOS_ENDPOINT": cosmos.url,
            "AZURE_COSMOS_KEY": cosmos.told["key"],
            "BRIDGE_OBJECTS": "local.files_objects",
            "TEAMS_REPLY_VIA": "bot",
        }
        async with running(tmp_path, **given) as stack:
            questions = [word() for _ in range(THREADS)]
            for question in questions:
                await stack.say(question)
            for question in questions:
                conversation = await conversation_with(stack, question)
                assert texts(conversation, "user")[-1].endswith(question)
                await stack.answer(conversation["conversation_id"], answer := word())
                assert question in str(await thread_with(stack, answer))
        events = (await bus.stats())["events"]
    assert events["connect"] > 0
    assert events.get("connect-refused", 0) == 0
