"""What the versions of a secret in Key Vault mean, read as a log: which are live, and which change came through.

Key Vault has no conditional write and dates versions in whole seconds. So each version that we write says in its tags
where it stands: `bridge-order`, one more than the highest that its writer saw, orders versions of one second;
`bridge-keep` is how many versions live on with it (a put); `bridge-after` names the version that a change was made of;
`bridge-write` is the same for versions that come from one write, which the HTTP client repeats if it gets no answer;
`bridge-settled` is set on a change once it is known to have come through, so that nobody needs the log to tell.
Everybody who replays the log comes to the same result: a change counts only if it directly follows the version it was
made of, so of several that were made of one version the first counts and the others are as if they had never been.
A version without these tags was made by somebody else (portal, Terraform): it joins those that live.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.errors import Misconfigured

ORDER, KEEP, AFTER, WRITE, SETTLED = "bridge-order", "bridge-keep", "bridge-after", "bridge-write", "bridge-settled"
NOTHING = "nothing"
"""What a change is made of where there was no version."""
MAX_NAME = 127
_OURS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_ESCAPED = re.compile(r"[_.]|-(?=[xX])")
_ESCAPE = re.compile(r"-x([0-9a-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version as the vault lists it. Times are epoch seconds; None: there is no such bound."""

    id: str
    created: float
    enabled: bool = True
    not_before: float | None = None
    expires: float | None = None
    order: int = 0
    keep: int | None = None
    after: str | None = None
    write: str | None = None
    settled: bool = False

    @property
    def place(self) -> tuple[float, float, str]:
        """Where it stands in the log: somebody else's comes last in its second, so that none of ours hides it."""
        return self.created, self.order or math.inf, self.id

    @property
    def alone(self) -> bool:
        """Whether no version before it can be live."""
        return self.keep == 1 or self.settled

    def usable(self, now: float) -> bool:
        """Whether it may be used now."""
        return self.enabled and (self.not_before or 0) <= now and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class State:
    """What a log comes to: its last version that counts, those that are live (newest first), all writes that count."""

    head: str = NOTHING
    live: Sequence[Version] = ()
    counting: frozenset[str] = frozenset()
    order: int = 0


def replay(versions: Iterable[Version], now: float) -> State:
    """Read the log from its beginning."""
    head, order, counting = NOTHING, 0, set()
    live: list[Version] = []
    for version in sorted(versions, key=lambda one: one.place):
        order = max(order, version.order)
        repeated = version.write in counting
        if repeated or (version.after is not None and version.after != head):
            continue
        head = version.id
        counting.add(version.write or version.id)
        before = [] if version.after is not None else [one for one in live if one.usable(now)]
        live = [version, *before][: version.keep]
    return State(head, [one for one in live if one.usable(now)], frozenset(counting), order)


def vault_name(name: str) -> str:
    """Give the name in the vault, which allows letters, digits and hyphens; Misconfigured if there is none.

    `_` becomes `-x5f`, `.` becomes `-x2e`, and a hyphen before an x `-x2d`. Upper and lower case are the same there.
    """
    if _OURS.fullmatch(name) is None:
        raise Misconfigured("a secret's name has letters, digits, '_', '-' and '.' only, at most 128, no leading '.'")
    mapped = _ESCAPED.sub(lambda match: f"-x{ord(match.group()):02x}", name)
    if len(mapped) > MAX_NAME:
        raise Misconfigured(f"the name of the secret {name} is too long for Key Vault, which allows {MAX_NAME}")
    return mapped


def our_name(mapped: str) -> str:
    """Give the name that `vault_name` was given."""
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), mapped)
