"""An export that goes on is the same one: of the same account, and with all that it could not have still named."""

from __future__ import annotations

from pathlib import Path

import pytest
from account import Account, read, run

from bridge.errors import Forbidden, Misconfigured


async def interrupted(account: Account, root: Path) -> None:
    """Begin an export whose key is refused on the way."""
    account.chat("c1", [])
    account.fails["/v2/conversations/c1"] = [(401, {})]
    with pytest.raises(Forbidden):
        await run(account, root, "freshchat")
    account.fails.clear()
    account.seen.clear()


async def test_another_host_is_refused(account: Account, tmp_path: Path) -> None:
    """The settings name another account by now, or no tenant: two accounts must not end up in one archive."""
    await interrupted(account, tmp_path / "out")
    right, account.url = account.url, account.url.replace("127.0.0.1", "localhost")
    with pytest.raises(Misconfigured, match=r"another account of freshchat: 127\.0\.0\.1"):
        await run(account, tmp_path / "out", "freshchat")
    assert not account.seen
    account.url = right
    assert (await run(account, tmp_path / "out", "freshchat"))["complete"]


async def test_another_account_of_the_same_host_is_refused(account: Account, tmp_path: Path) -> None:
    await interrupted(account, tmp_path / "out")
    account.answers["/v2/accounts/configuration"] = {"account_id": "2"}
    for _ in range(2):  # the first try has not made it the archive's own
        with pytest.raises(Misconfigured, match="the number 1"):
            await run(account, tmp_path / "out", "freshchat")
    account.answers["/v2/accounts/configuration"] = {"account_id": "1"}
    assert (await run(account, tmp_path / "out", "freshchat"))["complete"]


async def test_what_was_refused_is_still_told_when_only_writing_was_left(account: Account, tmp_path: Path) -> None:
    """Nothing is read any more then, so a gap must not be forgotten as if it were."""
    account.chat("c1", [])
    account.fails["/v2/agents"] = [(403, {})]
    in_the_way = tmp_path / "out" / "checksums.sha256"
    in_the_way.mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        await run(account, tmp_path / "out", "freshchat")
    in_the_way.rmdir()
    report = await run(account, tmp_path / "out", "freshchat")
    assert [(gap["id"], gap["reason"]) for gap in read(tmp_path / "out", "gaps.json")] == [("agents", "not_permitted")]
    assert not report["complete"]
