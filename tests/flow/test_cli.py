"""The commands of an operator, run as processes: clear words, right exit codes, never a stack trace or a secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import click
import pytest
import pytest_asyncio
import typer
from stack import Stack, running, texts
from test_conversation import conversation_with, word
from typer.testing import CliRunner

from bridgectl.__main__ import cli

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 105
"""More than a page of letters, and more than `dlq list` shows unasked."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A bridge that gives up early."""
    folder = tmp_path_factory.mktemp("cli")
    async with running(
        folder, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.1", BRIDGE_RETRY_WINDOW="0.3"
    ) as running_stack:
        yield running_stack


async def command(stack: Stack, *arguments: str, code: int = 0) -> tuple[str, str]:
    """Run a command that must end with this code, and without a stack trace; give output and error output."""
    got, out, err = await stack.bridgectl(*arguments)
    assert got == code, (arguments, out, err)
    assert "Traceback" not in out + err
    return out, err


async def letters(stack: Stack, *filters: str) -> list[dict[str, Any]]:
    """List letters as a machine does."""
    return list(json.loads((await command(stack, "dlq", "list", "--json", "--limit", "500", *filters))[0]))


def commands(group: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """Walk all commands."""
    yield path
    for name, inner in getattr(group, "commands", {}).items():
        yield from commands(inner, *path, name)


@pytest.mark.parametrize("path", list(commands(typer.main.get_command(cli))), ids=" ".join)
async def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    """--help says what the command does, and what each option means."""
    shown = CliRunner().invoke(cli, [*path, "--help"])
    assert shown.exit_code == 0
    words = [line for line in shown.output.splitlines() if line.strip() and "Usage" not in line]
    assert len(words[0].split()) >= 3, shown.output


async def test_config_prints_no_secret(stack: Stack) -> None:
    """Planted secrets are said to be set, never printed; neither is a value that is wrong."""
    names = ("MicrosoftAppPassword", "FRESHCHAT_API_KEY", "FRESHCHAT_WEBHOOK_KEYS", "FRESHCHAT_WEBHOOK_TOKEN")
    before = dict(stack.extra)
    stack.extra |= {name: f"planted-{name}" for name in names}
    try:
        (table, _), (listed, _) = await asyncio.gather(command(stack, "config"), command(stack, "config", "--json"))
        stack.extra["BRIDGE_RETRY_WAIT"] = "planted-number"
        _, wrong = await command(stack, "config", code=2)
    finally:
        stack.extra = before
    assert "planted" not in table + listed + wrong
    assert "BRIDGE_RETRY_WAIT" in wrong
    rows = {row["name"]: row for row in json.loads(listed)}
    assert [rows[name]["value"] for name in names] == ["(set, not printed)"] * len(names)
    assert (rows["PORT"]["source"], rows["PORT"]["value"]) == ("environment", stack.port)
    assert rows["BRIDGE_GRACE"]["source"] == "default"


async def test_wrong_setting_stops_every_way_to_start(stack: Stack) -> None:
    """A role that is none, a number that is none: the setting is named, exit code 2."""
    before = dict(stack.extra)
    _, role = await command(stack, "serve", "--role", "nonsense", code=2)
    assert "all, web, worker" in role
    try:
        stack.extra["BRIDGE_GRACE"] = "planted-number"
        told = await asyncio.gather(*(command(stack, name, code=2) for name in ("serve", "worker")))
    finally:
        stack.extra = before
    for _, err in told:
        assert "BRIDGE_GRACE" in err
        assert "planted" not in err


async def test_tenants_check(stack: Stack) -> None:
    """Right: 0; a key that is none: 1 and its reason; a file that is not there: 2 and its name."""
    rows = json.loads((await command(stack, "tenants", "check", "--json"))[0])
    assert [row["problem"] for row in rows] == [""]
    before = dict(stack.extra)
    try:
        stack.extra["FRESHCHAT_WEBHOOK_KEYS"] = "planted-key"
        out, _ = await command(stack, "tenants", "check", "--json", code=1)
        assert "public key" in json.loads(out)[0]["problem"]
        assert "planted" not in out
        stack.extra["BRIDGE_TENANTS_FILE"] = "/nowhere/tenants.toml"
        _, err = await command(stack, "tenants", "check", code=2)
        assert "/nowhere/tenants.toml" in err
    finally:
        stack.extra = before


async def test_wrong_data_folder_is_named(stack: Stack) -> None:
    """A folder without a store, a file instead of a folder, a file that is no database: exit code 2, one clear line."""
    file, damaged = stack.folder / "file", stack.folder / "damaged"
    file.write_text("x", encoding="utf-8")
    damaged.mkdir()
    (damaged / "bridge.db").write_bytes(b"this is no database at all " * 400)
    before = dict(stack.extra)
    try:
        for folder in (stack.folder / "empty", file, damaged):
            stack.extra["BRIDGE_DATA_DIR"] = str(folder)
            _, err = await command(stack, "dlq", "list", code=2)
            assert str(folder) in err
    finally:
        stack.extra = before
    assert not (stack.folder / "empty").exists(), "looking does not make one"


async def test_work_through_many_letters(stack: Stack) -> None:
    """A hundred and more letters of both directions: listed, filtered, tried out, replayed and dropped."""
    await stack.fault("freshchat", "status", match="POST .*/(conversations|messages)$", status=400, times=None)
    asked = [word() for _ in range(MANY)]
    await asyncio.gather(*(stack.say(text) for text in asked))
    for number in range(3):
        body = {"action": "message_create", "actor": {"actor_type": "agent"}, "data": {"message": {"n": number}}}
        assert (await stack.post("freshchat/webhook", body=body))["status"] == [200]

    async def all_dead() -> bool:
        return await stack.metric("bridge_queue_dead") == MANY + 3

    await stack.until(all_dead)
    await stack.clear_faults()

    everything, to_teams, refused, ours, theirs = await asyncio.gather(
        letters(stack),
        letters(stack, "--direction", "to-teams"),
        letters(stack, "--code", "freshchat_400"),
        letters(stack, "--tenant", stack.config["tenant"]),
        letters(stack, "--tenant", "another"),
    )
    assert [len(found) for found in (everything, to_teams, refused, ours, theirs)] == [108, 3, 105, 108, 0]
    assert len({letter["id"] for letter in everything}) == 108
    (out, err), (table, _) = await asyncio.gather(
        command(stack, "dlq", "list", "--json"), command(stack, "dlq", "list", "--direction", "to-teams")
    )
    assert (len(json.loads(out)), "--limit" in err) == (100, True)
    assert table.count("not_understood") == 3

    wrong = [
        ("dlq", "replay"),
        ("dlq", "drop", "--yes"),
        ("dlq", "replay", "--all", refused[0]["id"]),
        ("dlq", "show", "424242"),
        ("dlq", "show", "no-id"),
        ("dlq", "replay", "no-id", "424242"),
        ("dlq", "drop", "--yes", "424242"),
        ("dlq", "list", "--direction", "sideways"),
    ]
    errors = await asyncio.gather(*(command(stack, *arguments, code=2) for arguments in wrong))
    assert all(err.strip() for _, err in errors)
    assert "424242" in errors[3][1]
    assert "no-id, 424242" in errors[5][1]
    tried, dropped, _ = await asyncio.gather(
        command(stack, "dlq", "replay", "--all", "--dry-run"),
        command(stack, "dlq", "drop", "--all", "--dry-run", "--code", "not_understood"),
        command(stack, "dlq", "drop", "--all", code=1),  # nobody there to say yes
    )
    assert (tried[0].strip(), dropped[0].strip()) == ("Would have replayed 108.", "Would have dropped 3.")
    assert await stack.metric("bridge_queue_dead") == 108, "nothing of this changed anything"

    out, _ = await command(stack, "dlq", "drop", "--all", "--direction", "to-teams", "--yes")
    assert out.strip() == "Dropped 3."
    out, _ = await command(stack, "dlq", "replay", "--all", "--code", "freshchat_400")
    assert out.strip() == f"Replayed {MANY}."
    await stack.settled()
    said = [text for c in await stack.conversations() for text in texts(c, "user")]
    assert sorted(said) == sorted(asked), "each arrived, once"
    assert await letters(stack) == []


async def test_replay_of_what_had_arrived_sends_nothing_twice(stack: Stack) -> None:
    """Freshchat took the message, said 500, and could not be read: the letter's replay finds it there."""
    first, text = word(), word()
    said = await stack.say(first)
    conversation = await conversation_with(stack, first)
    await stack.fault("freshchat", "status_after", match="POST .*/messages$", status=500, times=1)
    await stack.fault("freshchat", "status", match="GET .*/messages$", status=503, times=None)
    await stack.say(text, thread=said["thread"])

    async def dead() -> bool:
        return await stack.metric("bridge_queue_dead") == 1

    await stack.until(dead)
    await stack.clear_faults()
    [letter] = await letters(stack)
    assert (letter["code"], letter["attempts"] > 1) == ("freshchat_503", True)
    await command(stack, "dlq", "replay", letter["id"])
    await stack.settled()
    found = await conversation_with(stack, text)
    assert found["conversation_id"] == conversation["conversation_id"]
    assert texts(found, "user") == [first, text]
    assert await stack.metric("bridge_queue_dead") == 0
