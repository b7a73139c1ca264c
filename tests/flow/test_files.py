"""Signed addresses of the embedded object store, served by the running product."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from stack import Stack

from adapters.local.files_objects import LocalObjects
from adapters.local.files_secrets import LocalSecrets

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_signed_address_is_served(stack: Stack) -> None:
    """And no other one; nothing of it is in the log."""
    data = stack.folder / "data"
    store = LocalObjects(data / "objects", LocalSecrets(data / "secrets", {}), stack.bridge_url)
    ref = await store.put("private name.pdf", pieces(b"%PDF", b"-1.7"), "application/pdf")
    url = await store.signed_url(ref, 60)
    path = url.removeprefix(stack.bridge_url)
    status, headers, text = await stack.raw(path, None, {}, "GET")
    assert (status, text, headers["X-Content-Type-Options"]) == (200, "%PDF-1.7", "nosniff")
    assert headers["Content-Disposition"].startswith("attachment;")
    for forged in (
        f"{path[:-1]}{'A' if path[-1] != 'A' else 'B'}",
        "/files/",
        "/files/..%2fsecrets%2ffiles-key.secret",
    ):
        assert (await stack.raw(forged, None, {}, "GET"))[0] == 404
    log = (stack.folder / "bridge.log").read_text(encoding="utf-8")
    assert not any(word in log for word in (ref.id, "private name"))
