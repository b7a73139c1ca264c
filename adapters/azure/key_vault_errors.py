"""What Key Vault refuses, in our words: errors that say which role or setting is missing, without any value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from bridge.errors import Forbidden, Misconfigured, StoreFull, Throttled, Unavailable

COMPONENT = "key_vault"
CALL_SECONDS = 15.0


def inner_code(error: HttpResponseError) -> str:
    inner = getattr(error.error, "innererror", None) or {}
    return str(inner.get("code", ""))


@asynccontextmanager
async def refusals(*, writing: str = "") -> AsyncIterator[None]:
    """Say in our words what the vault refused, within CALL_SECONDS; `writing` names the secret that is written."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except TimeoutError:
        raise _unavailable("no answer in time") from None
    except ClientAuthenticationError as error:
        raise _forbidden(f"no token for the vault, or it refuses ours ({type(error).__name__})") from None
    except HttpResponseError as error:
        raise _told(error, writing) from None
    except AzureError as error:
        raise _unavailable(type(error).__name__) from None
    except ValueError as error:
        if "challenge resource" not in str(error):
            raise
        raise Misconfigured("AZURE_KEY_VAULT_URL: what answers there is not a vault of that domain") from None


def _told(error: HttpResponseError, writing: str) -> Exception:
    status, inner = error.status_code, inner_code(error)
    if status == 403 and writing:
        return StoreFull(
            f"the vault does not let us store {writing} ({inner or 403}): the bridge's identity needs the role "
            "Key Vault Secrets Officer"
        )
    if status in (401, 403):
        return _forbidden(f"{inner or status}: the bridge's identity needs the role Key Vault Secrets User")
    if status == 409:
        return StoreFull(f"the vault refuses {writing} ({inner or 409}): recover or purge the deleted secret first")
    if status == 429:
        return Throttled("the vault is asked too often", code="key_vault_429", component=COMPONENT, after=_after(error))
    return _unavailable(f"status {status}")


def _after(error: HttpResponseError) -> float | None:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _forbidden(text: str) -> Forbidden:
    return Forbidden(f"Key Vault: {text}", code="key_vault_forbidden", component=COMPONENT)


def _unavailable(text: str) -> Unavailable:
    return Unavailable(f"Key Vault cannot be asked: {text}", code="key_vault", component=COMPONENT)
