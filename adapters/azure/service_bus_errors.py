"""The one place where errors of the Service Bus SDK become ours. Texts name the kind of error only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from azure.core.exceptions import ClientAuthenticationError
from azure.servicebus import exceptions as sdk

from adapters.azure.service_bus_messages import COMPONENT
from bridge.errors import BridgeError, LeaseLost, Misconfigured, StoreFull, Throttled, Unavailable

T = TypeVar("T")
BUSY_SECONDS = 10.0
"""What the service's own documentation asks clients to wait after `server-busy`."""

_LOST = (sdk.SessionLockLostError, sdk.MessageLockLostError, sdk.SessionCannotBeLockedError, sdk.MessageAlreadySettled)
Right = Literal["send", "listen"]
RIGHTS: tuple[Right, ...] = ("send", "listen")
_RIGHTS = "It takes the rights to send and to listen: the role Azure Service Bus Data Owner, or a policy with both."
_CLOCK = "this machine's clock is wrong. Let it be set by the network (chrony, systemd-timesyncd)."
_PLAIN: dict[type[BaseException], str] = {
    sdk.MessagingEntityNotFoundError: "there is no queue {queue!r} in this namespace.",
    sdk.MessagingEntityDisabledError: "the queue {queue!r} is disabled.",
    sdk.ServiceBusAuthorizationError: "the right to {right} is missing for the queue {queue!r}. " + _RIGHTS,
}
LONGEST_LOCK, SLACK = 300.0, 60.0
"""Seconds: the service locks nothing for longer; how far off a clock may be."""


class NoSession(Exception):
    """No session had a message within the time that the service waited."""


async def call(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Make a call of the SDK, waiting for at most `seconds`; whatever it raises becomes an error of ours.

    After any error the link must be given up: whether the call had its effect is not known, nor what the link expects.
    A cancellation that the SDK keeps to itself (it closes links and goes on) is passed on.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        async with asyncio.timeout(seconds):
            return await work()
    except Exception as error:
        raise ours(error) from None
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


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


def misconfigured(error: BaseException, queue: str, right: Right) -> Misconfigured | None:
    """Say what an administrator must change, if the error tells; None if it may pass by itself. `right` was tried."""
    text = _PLAIN[type(error)].format(queue=queue, right=right) if type(error) in _PLAIN else _told(error, queue)
    return Misconfigured(f"Service Bus: {text}") if text else None


def _told(error: BaseException, queue: str) -> str:
    """Tell what the error is about, if that is for an administrator.

    With a shared key the service answers a queue that is not there as a refused token, so both are named.
    """
    if not isinstance(error, sdk.ServiceBusError):
        return ""
    if isinstance(error.inner_exception, ClientAuthenticationError):
        return "this machine gets no token: give it an identity, or correct AZURE_CLIENT_ID."
    if isinstance(error, sdk.ServiceBusAuthenticationError):
        if "ExpiredToken" in str(error.inner_exception):
            return f"it finds our token expired, so {_CLOCK}"
        return f"it refuses our credentials for the queue {queue!r}, or there is no such queue. {_RIGHTS}"
    if "amqp:not-allowed" in _condition(error):
        return f"the queue {queue!r} must be created with sessions (requires_session)."
    return ""


def clock_problem(left: float) -> Misconfigured | None:
    """Judge our clock by how long a new lock lasts by it, in seconds; None if it will do.

    The SDK settles nothing whose lock is over by our clock.
    """
    if 0 < left < LONGEST_LOCK + SLACK:
        return None
    return Misconfigured(f"Service Bus: a new lock ends {left:.0f} s from now by our clock, so {_CLOCK}")


def _condition(error: sdk.ServiceBusError) -> str:
    condition = getattr(error, "_condition", None)
    return condition.decode() if isinstance(condition, bytes) else str(condition or error)
