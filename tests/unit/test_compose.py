"""`compose.yaml` and what it mounts are what docs/live-tests.md promises; no container engine is needed to look."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.ports import DIRECTIONS
from bridge.settings import load
from tests.live.targets import queue_prefix

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
EMULATORS = {name: service for name, service in SERVICES.items() if "emulators" in service.get("profiles", [])}
CONFIG = SERVICES["service-bus"]["volumes"][0].split(":")[0]


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" not in service])
def test_an_image_is_pinned(name: str) -> None:
    """To a version, not to whatever is the newest."""
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.search(r"\d{2}|\d\.\d", tag), tag
    assert "latest" not in tag


@pytest.mark.parametrize("name", EMULATORS)
def test_an_emulator_is_reachable_from_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in EMULATORS[name].get("ports", []))
    assert "network_mode" not in EMULATORS[name]


def test_readiness_is_told_of_each_emulator() -> None:
    """By its own health check or by the one that asks for it, so that `--wait` waits for all."""
    asking = " ".join(EMULATORS["emulators-ready"]["healthcheck"]["test"])
    assert all("healthcheck" in service or f"//{name}:" in asking for name, service in EMULATORS.items())


def test_what_is_mounted_is_there() -> None:
    assert (ROOT / CONFIG).is_file()


def queues() -> dict[str, dict[str, Any]]:
    (namespace,) = json.loads((ROOT / CONFIG).read_text(encoding="utf-8"))["UserConfig"]["Namespaces"]
    return {queue["Name"]: queue["Properties"] for queue in namespace["Queues"]}


def test_the_emulator_has_the_queues_of_the_live_tests_and_of_the_bridge() -> None:
    """They differ: live tests empty theirs."""
    prefixes = (queue_prefix(load(AZURE_SERVICEBUS_PREFIX="")), "")
    assert set(queues()) == {prefix + direction for prefix in prefixes for direction in DIRECTIONS}


@pytest.mark.parametrize("name", queues())
def test_a_queue_is_as_near_to_what_we_need_as_the_emulator_allows(name: str) -> None:
    """Its bounds: 10 deliveries, 5 minutes of duplicate detection, an hour to live (its own Config-schema.json)."""
    assert queues()[name] == {
        "RequiresSession": True,
        "RequiresDuplicateDetection": True,
        "DuplicateDetectionHistoryTimeWindow": "PT5M",
        "LockDuration": "PT1M",
        "MaxDeliveryCount": 10,
        "DefaultMessageTimeToLive": "PT1H",
        "DeadLetteringOnMessageExpiration": False,
    }
