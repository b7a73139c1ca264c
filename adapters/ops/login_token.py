"""Logging in with the operator token, which comes from the secret source."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence

from bridge.telemetry import Telemetry

SECRET = "ops-token"  # noqa: S105 - the name of the secret, not its value
SHORTEST = 20
"""Characters of a token that is accepted as one: a shorter one could be guessed."""


class TokenLogin:
    """Compares a given token with the live versions, which may be several while it is being changed."""

    def __init__(self, versions: Callable[[], Awaitable[Sequence[str]]], telemetry: Telemetry) -> None:
        """`versions` raises Unavailable when secrets cannot be read now."""
        self._versions, self._telemetry = versions, telemetry

    async def proof(self, given: str) -> str | None:
        """Give the digest of the token if it is a live one. Takes as long for a wrong one."""
        digest = _digest(given.strip())
        return digest if await self.live(digest) else None

    async def live(self, digest: str) -> bool:
        """Tell whether a digest is that of a live token."""
        matches = [hmac.compare_digest(digest, _digest(version)) for version in await self._usable()]
        return any(matches)

    async def _usable(self) -> list[str]:
        versions = await self._versions()
        usable = [version for version in versions if len(version) >= SHORTEST]
        if len(usable) < len(versions):
            self._telemetry.error("ops_token_too_short", shortest=SHORTEST)
        return usable


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
