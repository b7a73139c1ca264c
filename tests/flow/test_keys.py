"""Webhook keys are changed by commands while the bridge runs: no live key is refused, and no secret is printed."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from stack import Stack, running
from test_conversation import word
from test_doors_freshchat import public, signature

from bench.rotation import rotate

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/freshchat/webhook"
JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A bridge whose settings name the sandbox's key."""
    async with running(tmp_path_factory.mktemp("keys"), TEAMS_REPLY_VIA="bot") as running_stack:
        yield running_stack


async def keys(stack: Stack, *arguments: str, code: int = 0, given: str = "") -> str:
    """Run a `keys` command that must end with this code; give all it said."""
    got, out, err = await stack.bridgectl("keys", *arguments, given=given)
    assert got == code, (arguments, out, err)
    assert "Traceback" not in out + err
    return out + err


async def listed(stack: Stack) -> dict[str, dict[str, Any]]:
    """List the keys as a machine does."""
    return {row["id"]: row for row in json.loads(await keys(stack, "list", "--json"))}


async def answered(stack: Stack, body: bytes, headers: dict[str, str], status: int) -> None:
    """Wait until the door answers so; that it verified a body, and not what the body says, is what is looked at."""

    async def so() -> bool:
        return (await stack.raw(PATH, body, JSON | headers))[0] == status

    await stack.until(so, 60)


def a_body() -> bytes:
    """Make a body that is ignored once it is verified."""
    return json.dumps({"action": "nothing_known", "word": word()}).encode()


async def test_a_key_goes_from_pending_to_current_to_retired(stack: Stack) -> None:
    """The whole life of a key by commands, looked at from the door; what stands against a step is said and refused."""
    [configured] = await listed(stack)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = public(key).decode()
    body, old_body = a_body(), a_body()
    signed = {"X-Freshchat-Signature": signature(key, body)}
    assert (await stack.raw(PATH, body, JSON | signed))[0] == 401

    said = await keys(stack, "add", given=pem)
    [new] = set(await listed(stack)) - {configured}
    assert new in said
    assert "there already (pending)" in await keys(stack, "add", given=pem.replace("\n", "\\n"))
    await answered(stack, body, signed, 200)
    assert "nothing to promote" in await keys(stack, "promote", configured)
    assert "is current." in await keys(stack, "promote", new)
    assert "is current already" in await keys(stack, "promote", new)
    checked = json.loads((await stack.bridgectl("tenants", "check", "--json"))[1])
    assert [row["keys"] for row in checked] == [f"{new}, {configured}"]

    assert (await stack.post("freshchat/webhook", body=json.loads(old_body)))["status"] == [200]
    await stack.until(lambda: _used(stack, configured))
    rows = await listed(stack)
    assert {row["state"] for row in rows.values()} == {"current", "settings"}
    assert rows[new]["count"] >= 1
    assert "less than an hour" in await keys(stack, "retire", configured, code=1)
    assert "settings" in await keys(stack, "retire", configured, "--force")
    assert "retired already" in await keys(stack, "retire", configured)
    assert (await listed(stack))[configured]["state"] == "retired"

    async def refused() -> bool:
        return bool((await stack.post("freshchat/webhook", body=json.loads(old_body)))["status"] == [401])

    await stack.until(refused, 60)
    assert (await stack.raw(PATH, body, JSON | signed))[0] == 200
    assert "last one" in await keys(stack, "retire", new, "--force", code=1)
    await stack.stop_bridge()
    await stack.start_bridge()
    assert await refused(), "what was retired stays retired, although the settings still name it"
    assert (await stack.raw(PATH, body, JSON | signed))[0] == 200


async def _used(stack: Stack, key_id: str) -> bool:
    return (await listed(stack))[key_id]["used_at"] is not None


async def test_a_drawn_secret_goes_to_its_file_only(stack: Stack) -> None:
    """A gateway that signs with HMAC gets it from there, beside an account whose own keys are RSA."""
    file = stack.folder / "gateway.secret"
    said = await keys(stack, "add", "--generate-hmac", str(file))
    secret = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    body = a_body()
    mac = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    await answered(stack, body, {"X-Freshchat-Signature": mac}, 200)
    said += await keys(stack, "list") + await keys(stack, "list", "--json") + await keys(stack, "test")
    said += await keys(stack, "add", "--generate-hmac", str(file), code=2)
    said += "".join((await stack.bridgectl("secrets", "list"))[1:])
    assert secret not in said + (stack.folder / "bridge.log").read_text(encoding="utf-8")
    assert "webhook-keys-" in said


async def test_a_recorded_webhook_names_its_key(stack: Stack) -> None:
    """Exit code 0 and the key, or 1; every wrong use is named and ends with 2."""
    body, key = stack.folder / "body.json", rsa.generate_private_key(public_exponent=65537, key_size=2048)
    body.write_bytes(a_body())
    recorded = ("test", "--body", str(body), "--signature", signature(key, body.read_bytes()), "--json")
    assert json.loads(await keys(stack, *recorded, code=1))["verified"] is False
    await keys(stack, "add", "--scheme", "rsa", "--file", _file(stack.folder / "key.pem", public(key)))
    found = json.loads(await keys(stack, *recorded))
    assert (found["verified"], found["state"], found["key"] in await listed(stack)) == (True, "pending", True)
    assert [row["problem"] for row in json.loads(await keys(stack, "test", "--json"))] == [None] * 4
    for wrong in (
        ("test", "--body", str(body)),
        ("test", "--body", "/nowhere", "--signature", "x"),
        ("promote", "00000000"),
        ("retire", "00000000"),
        ("add", "--file", "/nowhere"),
        ("add", "--file", _file(stack.folder / "none.pem", b"planted, and no key")),
        ("add", "--generate-hmac", "x", "--scheme", "rsa"),
        ("list", "--tenant", "nobody"),
    ):
        assert "planted" not in await keys(stack, *wrong, code=2)
    assert "empty" in await keys(stack, "add", code=2)


def _file(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


async def test_keys_added_by_two_commands_at_once_are_both_there(stack: Stack) -> None:
    """Two operators do not lose each other's key."""
    before = set(await listed(stack))
    await asyncio.gather(*(keys(stack, "add", "--scheme", "hmac", given=f"secret number {n}") for n in range(3)))
    assert len(set(await listed(stack)) - before) == 3


async def test_two_rotations_under_load_refuse_and_lose_nothing(tmp_path: Path) -> None:
    """The short version of `python -m bench.rotation`: webhooks signed with old and new keys all the while."""
    tally = await rotate(tmp_path, rate=20 if os.environ.get("CI") else 30, mix=1)
    assert tally.sent > 200
    assert (dict(tally.refused), tally.lost, tally.twice, tally.invented) == ({}, 0, 0, 0)
    assert set(tally.forged) == {401}
    assert tally.verified == dict(tally.keys)
    assert len(tally.keys) == 3
