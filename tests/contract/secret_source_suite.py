"""What every `SecretSource` promises. A new adapter joins by giving a `SecretRig` fixture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from bridge.errors import StoreFull, Unavailable
from bridge.ports import SecretSource


@dataclass
class SecretRig:
    """How the suite uses one adapter. `open` gives one more source on the same store, like another replica.

    `settle` is how long another replica may take to see a new version. `lock` makes the store read-only, `break_it`
    makes it unreadable.
    """

    open: Callable[[], Awaitable[SecretSource]]
    settle: float = 0.0
    lock: Callable[[], Awaitable[None]] | None = None
    break_it: Callable[[], Awaitable[None]] | None = None


class SecretSourceSuite:
    """Versions, newest first, shared by all replicas."""

    async def test_an_unknown_secret_is_empty(self, rig: SecretRig) -> None:
        secrets = await rig.open()
        assert list(await secrets.get("unknown")) == []

    async def test_what_is_put_is_got(self, rig: SecretRig) -> None:
        """Any text: long, several lines, any language."""
        secrets = await rig.open()
        for value in ("plain", "line\nline; and 비밀 \U0001f511", "x" * 10_000):
            await secrets.put("some-secret", value)
            assert list(await secrets.get("some-secret")) == [value]

    async def test_secrets_are_apart(self, rig: SecretRig) -> None:
        secrets = await rig.open()
        await secrets.put("one", "1")
        await secrets.put("two", "2")
        assert (list(await secrets.get("one")), list(await secrets.get("two"))) == (["1"], ["2"])

    async def test_a_new_version_replaces_the_old_one(self, rig: SecretRig) -> None:
        secrets = await rig.open()
        await secrets.put("key", "old", keep=3)
        await secrets.put("key", "new")
        assert list(await secrets.get("key")) == ["new"]

    async def test_as_many_versions_live_as_asked_for(self, rig: SecretRig) -> None:
        """Newest first, so that a key change has both for a while."""
        secrets = await rig.open()
        for number in range(4):
            await secrets.put("key", f"v{number}", keep=3)
        assert list(await secrets.get("key")) == ["v3", "v2", "v1"]

    async def test_other_replicas_see_a_new_version(self, rig: SecretRig) -> None:
        """Also one that has read the old version before."""
        secrets, other = await rig.open(), await rig.open()
        for value in ("a", "b", "c"):
            await secrets.put("key", value)
            await asyncio.sleep(rig.settle)
            assert list(await other.get("key")) == [value]

    async def test_parallel_puts_lose_no_version(self, rig: SecretRig) -> None:
        first, second = await rig.open(), await rig.open()
        values = [f"v{number}" for number in range(10)]
        await asyncio.gather(*((first, second)[i % 2].put("key", v, keep=10) for i, v in enumerate(values)))
        await asyncio.sleep(rig.settle)
        assert sorted(await first.get("key")) == values

    async def test_a_change_sees_the_newest_version_and_replaces_all(self, rig: SecretRig) -> None:
        secrets = await rig.open()
        await secrets.change("key", lambda old: f"made of {old}")
        assert list(await secrets.get("key")) == ["made of None"]
        await secrets.put("key", "newer", keep=3)
        await secrets.change("key", lambda old: f"made of {old}")
        assert list(await secrets.get("key")) == ["made of newer"]

    async def test_parallel_changes_lose_none(self, rig: SecretRig) -> None:
        first, second = await rig.open(), await rig.open()
        await asyncio.gather(
            *((first, second)[n % 2].change("key", lambda old, n=n: f"{old or ''}{n},") for n in range(10))
        )
        await asyncio.sleep(rig.settle)
        [value] = await first.get("key")
        assert sorted(value.split(",")) == ["", *(str(n) for n in range(10))]

    async def test_a_change_that_fails_stores_nothing(self, rig: SecretRig) -> None:
        """What went wrong is told as it is, and the next change goes on."""
        secrets = await rig.open()
        await secrets.put("key", "kept")

        def fail(old: str | None) -> str:
            raise LookupError(old)

        with pytest.raises(LookupError, match="kept"):
            await secrets.change("key", fail)
        assert list(await secrets.get("key")) == ["kept"]
        await secrets.change("key", lambda old: f"{old} on")
        assert list(await secrets.get("key")) == ["kept on"]

    async def test_ping_passes_when_it_works(self, rig: SecretRig) -> None:
        secrets = await rig.open()
        await secrets.ping()
        await secrets.put("key", "value")
        await secrets.ping()

    async def test_a_read_only_store_says_so(self, rig: SecretRig) -> None:
        if rig.lock is None:
            pytest.skip("this store cannot be made read-only")
        secrets = await rig.open()
        await secrets.put("key", "value")
        await rig.lock()
        with pytest.raises(StoreFull):
            await secrets.put("key", "another")
        assert list(await secrets.get("key")) == ["value"]

    async def test_an_unreadable_store_is_unavailable(self, rig: SecretRig) -> None:
        if rig.break_it is None:
            pytest.skip("this store cannot be made unreadable")
        secrets = await rig.open()
        await secrets.put("key", "value")
        await rig.break_it()
        with pytest.raises(Unavailable):
            await (await rig.open()).get("key")
        with pytest.raises(Unavailable):
            await secrets.ping()
