"""Tokens of a managed identity: for a bot registered as `UserAssignedMSI`, which has no password, and for services."""

from __future__ import annotations

from azure.core.exceptions import AzureError
from azure.identity.aio import ManagedIdentityCredential

from bridge.errors import Forbidden, Unavailable


class ManagedIdentityTokens:
    """`token()` for one client id (None: the system-assigned) and one scope; azure-identity caches and refreshes it."""

    def __init__(self, client_id: str | None, scope: str) -> None:
        self._credential = ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
        self._scope = scope

    async def token(self) -> str:
        """Give a token; Forbidden when this machine has no such identity, Unavailable when it cannot be asked."""
        try:
            token: str = (await self._credential.get_token(self._scope)).token
            return token
        except AzureError as error:
            kind = type(error).__name__
            problem = Forbidden if kind in ("CredentialUnavailableError", "ClientAuthenticationError") else Unavailable
            raise problem(f"managed identity: {kind}", code="managed_identity", component="azure") from None

    def invalidate(self, token: str | None = None) -> None:
        """Do nothing: the service's own cache decides, and it hands out a new token before the old one expires."""

    async def close(self) -> None:
        """Let go of the connection."""
        await self._credential.close()
