"""Counts the access tokens that a source gives, whatever it keeps and however it gets them."""

from __future__ import annotations

from collections.abc import Callable

from adapters.teams.tokens import Tokens


class CountedTokens:
    """Gives the tokens of a source. A token that was not seen before was fetched; an error is a fetch that failed."""

    def __init__(self, tokens: Tokens, account: str, count: Callable[[str, bool], None]) -> None:
        """`count` is told the account, and whether a token was given."""
        self._tokens, self._account, self._count = tokens, account, count
        self._last = ""

    async def token(self) -> str:
        """Give a token; raises what the source raises."""
        try:
            token = await self._tokens.token()
        except Exception:
            self._count(self._account, False)
            raise
        if token != self._last:
            self._last = token
            self._count(self._account, True)
        return token

    def invalidate(self, token: str) -> None:
        """Forget a token that was refused."""
        self._tokens.invalidate(token)
