"""The Bot Framework's signing keys: fetched off the request path, cached for at most a day, bounded in every way.

Takes the place of the SDK's own metadata class, which blocks the event loop without a time-out, raises IndexError for
an unknown key id, and then does not look for new keys for 24 hours.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWTError
from jwt.algorithms import RSAAlgorithm

from bridge.telemetry import Telemetry

HOUR = 3600.0
Fetch = Callable[[str], Awaitable[Any]]
"""Reads JSON from a URL; raises OSError, TimeoutError or ValueError."""


class KeysUnavailable(Exception):
    """Signing keys cannot be had now, so no caller can be checked; the door answers 503."""


class UnknownKey(PermissionError):
    """No key of that id is published; the caller is not authentic."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One published key, in the shape that the SDK's extractor reads."""

    public_key: Any
    endorsements: list[str]


class SigningKeys:
    """`get(kid)` as the SDK's JwtTokenExtractor calls it."""

    def __init__(self, metadata_url: str, fetch: Fetch, clock: Callable[[], float], telemetry: Telemetry) -> None:
        self._url, self._fetch, self._clock, self._telemetry = metadata_url, fetch, clock, telemetry
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    async def get(self, key_id: str | None) -> SigningKey:
        """Give the key; raises UnknownKey or KeysUnavailable.

        Keys older than 20 hours are refreshed in the background, older than 24 hours they are not used. An unknown
        id leads to one refresh, at most every 10 seconds, so that a new key works at once and a flood of invented
        ids costs nothing.
        """
        if not isinstance(key_id, str) or not key_id:
            raise UnknownKey("the token names no key")
        age = self._clock() - self._fetched_at
        if age > 24 * HOUR:
            await self._refresh_now()
        elif age > 20 * HOUR:
            self._start_refresh()
        found = self._keys.get(key_id)
        if found is None:
            await self._refresh_now()
            found = self._keys.get(key_id)
        if found is None:
            raise UnknownKey("no such key is published")
        return found

    async def warm_up(self) -> None:
        """Fetch the keys before the first request; a failure is only logged, the next request tries again."""
        await asyncio.wait({self._start_refresh()})

    async def close(self) -> None:
        """Stop a refresh that is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait({self._refreshing})

    async def _refresh_now(self) -> None:
        """Wait for a refresh; KeysUnavailable if the newest try failed or the keys are too old."""
        if self._refreshing is not None or self._clock() - self._tried_at >= 10.0:
            await asyncio.wait({self._start_refresh()})
        if self._fetched_at < self._tried_at or self._clock() - self._fetched_at > 24 * HOUR:
            raise KeysUnavailable("the Bot Framework's signing keys cannot be read")

    def _start_refresh(self) -> asyncio.Task[None]:
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh(), name="signing keys")
            self._refreshing.add_done_callback(self._refreshed)
        return self._refreshing

    def _refreshed(self, _task: asyncio.Task[None]) -> None:
        self._refreshing = None

    async def _refresh(self) -> None:
        self._tried_at = self._clock()
        try:
            metadata = await self._fetch(self._url)
            keys = _read(await self._fetch(metadata["jwks_uri"]))
        except (OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
            self._telemetry.error("signing_keys_unavailable", error=type(error).__name__)
            return
        self._keys, self._fetched_at = keys, self._tried_at


def _read(document: Any) -> dict[str, SigningKey]:
    """Read a key set; what is not an RSA signing key is left out. ValueError if none is left: the keys we have stay."""
    keys = {}
    for key in document["keys"]:
        public = _public_key(key) if isinstance(key, dict) and isinstance(key.get("kid"), str) else None
        if public is not None:
            keys[key["kid"]] = SigningKey(public, _endorsements(key.get("endorsements")))
    if not keys:
        raise ValueError("no signing key in the answer")
    return keys


def _public_key(key: dict[str, Any]) -> RSAPublicKey | None:
    if key.get("kty") != "RSA":
        return None
    try:
        public = RSAAlgorithm.from_jwk(json.dumps(key))
    except (PyJWTError, ValueError, TypeError, AttributeError):  # one odd key must not spoil the set
        return None
    return public if isinstance(public, RSAPublicKey) else None


def _endorsements(named: Any) -> list[str]:
    """Read who a key may speak for. The SDK skips its check for an empty list; such a key endorses nobody."""
    channels = [e for e in named if isinstance(e, str)] if isinstance(named, list) else []
    return channels or ["-"]
