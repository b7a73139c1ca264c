"""What can go wrong, and what to do about it.

    BridgeError                 again?
    ├── Unavailable             yes      upstream down, time-out, 5xx
    │   ├── Throttled           yes      429; wait `after` seconds
    │   └── NotLinked           yes      the conversation is not mapped (yet)
    ├── Forbidden               hold     401: the whole upstream refuses us; an operator is alerted
    ├── Rejected                no       400: this message is refused, for good
    │   ├── Unsupported         no       cannot be said on the other platform
    │   ├── Infected            no       a file is malware
    │   └── Unscannable         no       a file cannot be checked
    Misconfigured               –        outside the tree: stops the start-up

A worker needs no knowledge of a vendor: it reads `again`. Whatever is given up, at once or after its window, its sender
is told (`bridge/notices.py`). No error text carries a message body, a name or a secret; the raw body stays in the
queue or in the dead letter.
"""

from __future__ import annotations

from typing import ClassVar, Literal


class BridgeError(Exception):
    """Base of all errors that a delivery may end with; `code` is a stable word for lists and alerts."""

    again: ClassVar[Literal["yes", "hold", "no"]] = "no"

    def __init__(self, message: str, *, code: str, component: str, maybe_done: bool = False) -> None:
        """`maybe_done`: the call may have had its effect although it failed, so look before sending again."""
        super().__init__(message)
        self.code = code
        self.component = component
        self.maybe_done = maybe_done


class Unavailable(BridgeError):
    """The upstream cannot do it now. Try again with backoff."""

    again = "yes"


class Throttled(Unavailable):
    """The upstream asked us to wait `after` seconds (None: it did not say how long).

    `ours`: nobody was asked, we keep a limit ourselves and know when it is this message's turn. That is no failure.
    """

    def __init__(
        self, message: str, *, code: str, component: str, after: float | None = None, ours: bool = False
    ) -> None:
        super().__init__(message, code=code, component=component)
        self.after = after
        self.ours = ours


class NotLinked(Unavailable):
    """A Freshchat conversation in one of our inboxes has no Teams thread (yet)."""


class Forbidden(BridgeError):
    """The upstream refuses our credentials: hold the queue and alert, lose nothing."""

    again = "hold"


class Rejected(BridgeError):
    """This message is refused for good: dead letter at once."""


class Unsupported(Rejected):
    """The message cannot be expressed on the other platform at all."""


class Infected(Rejected):
    """A file contains malware: it is kept out."""


class Unscannable(Rejected):
    """A file could not be checked within its bound: it is kept out."""


class Misconfigured(Exception):
    """A setting is missing or wrong. Not a BridgeError: no worker may swallow it."""


class LeaseLost(Exception):
    """Another worker holds this session now; stop working on it, do not settle."""


class StoreFull(Exception):
    """The queue cannot take more now (disk full, read-only, locked); doors answer 503."""
