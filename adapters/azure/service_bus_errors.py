"""The one place where errors of the Service Bus SDK become ours. Texts name the kind of error only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from azure.core.exceptions import ClientAuthenticationError
from azure.servicebus import exceptions as sdk

from adapters.azure.service_bus_messages import COMPONENT
from bridge.errors import BridgeError, LeaseLost, Misconfigured, StoreFull, Throttled, Unavailable

T = TypeVar("T")
BUSY_SECONDS = 10.0
"""What the service's own documentation asks clients to wait after `server-busy`."""

_LOST = (sdk.SessionLockLostError, sdk.MessageLockLostError, sdk.SessionCannotBeLockedError, sdk.MessageAlreadySettled)
_REFUSED = (sdk.ServiceBusAuthenticationError, sdk.ServiceBusAuthorizationError, ClientAuthenticationError)


class NoSession(Exception):
    """No session had a message within the time that the service waited."""


async def call(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Make a call of the SDK, waiting for at most `seconds`; whatever it raises becomes an error of ours.

    After any error the link must be given up: whether the call had its effect is not known, nor what the link expects.
    """
    try:
        async with asyncio.timeout(seconds):
            return await work()
    except Exception as error:
        raise ours(error) from None


def ours(error: Exception) -> Exception:
    """Translate an error of the SDK."""
    if isinstance(error, (BridgeError, LeaseLost, StoreFull, Misconfigured)):
        return error
    kind = type(error).__name__
    if isinstance(error, _LOST):
        return LeaseLost(kind)
    if isinstance(error, sdk.ServiceBusQuotaExceededError):
        return StoreFull("the queue has reached its size in Service Bus")
    if isinstance(error, sdk.MessageSizeExceededError):
        return StoreFull("the message is larger than the tier of this namespace takes")
    if isinstance(error, sdk.ServiceBusServerBusyError):
        return Throttled("Service Bus throttles", code="throttled", component=COMPONENT, after=BUSY_SECONDS)
    return Unavailable(f"Service Bus: {kind}", code="unavailable", component=COMPONENT)


def misconfigured(error: Exception, queue: str) -> Misconfigured | None:
    """Say what an administrator must change, if the error tells; None if it may pass by itself.

    With a shared key the service answers a queue that is not there as a refused token, so both are named.
    """
    if isinstance(error, sdk.MessagingEntityNotFoundError):
        return Misconfigured(f"Service Bus: there is no queue {queue!r} in this namespace.")
    if isinstance(error, sdk.MessagingEntityDisabledError):
        return Misconfigured(f"Service Bus: the queue {queue!r} is disabled.")
    if isinstance(error, _REFUSED):
        return Misconfigured(
            f"Service Bus refuses our credentials for the queue {queue!r}, or there is no such queue. It takes the "
            "rights to send and to listen (role Azure Service Bus Data Owner, or a policy with Send and Listen)."
        )
    if isinstance(error, sdk.ServiceBusError) and "amqp:not-allowed" in _condition(error):
        return Misconfigured(f"Service Bus: the queue {queue!r} must be created with sessions (requires_session).")
    return None


def _condition(error: sdk.ServiceBusError) -> str:
    condition = getattr(error, "_condition", None)
    return condition.decode() if isinstance(condition, bytes) else str(condition or error)
