"""A tenant's webhook keys beside those of the settings, which change while the bridge runs.

The ring is one record in the secret source. A key that is added is `pending` and verifies already; promoting makes it
`current`, which is tried first, and the current one `previous`, which goes on verifying until it is retired. The ids
of retired keys stay: one that is in the settings, or comes back there with an old file, must not verify again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.freshchat.signature import Scheme, WebhookKey, load_key
from bridge.errors import Misconfigured
from bridge.ports import SecretSource

State = Literal["pending", "current", "previous"]

RECORD = "webhook-keys-"
"""What the names of the records begin with; the tenant id follows."""
MAX_ENTRIES = 8
"""A forged webhook costs one check per live key; and the record has to fit where secrets are small (25 kB)."""
MAX_RETIRED = 200


class RingFull(Exception):
    """The ring takes no more keys until one is retired."""


class LastKey(Exception):
    """Nothing could be verified any more without this key."""


class Entry(BaseModel):
    """One key of the ring; `value` is the public key (rsa) or the secret (hmac). Times are epoch seconds."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: str
    scheme: Scheme
    value: str = Field(repr=False)
    state: State = "pending"
    added_at: float
    promoted_at: float | None = None

    def key(self) -> WebhookKey:
        """Load it; Misconfigured if it cannot be used."""
        return load_key(self.scheme, self.value)


class KeyRing(BaseModel):
    """The keys that were added, and when which key was retired. Changes give a new ring."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    entries: tuple[Entry, ...] = ()
    retired: Mapping[str, float] = Field(default_factory=dict)

    def find(self, key_id: str) -> Entry | None:
        """Give the entry of a key, or None."""
        return next((entry for entry in self.entries if entry.id == key_id), None)

    def add(self, scheme: Scheme, value: str, now: float) -> KeyRing:
        """Add a key as pending, also one that was retired. Unchanged if it is there; RingFull, or Misconfigured."""
        key_id = load_key(scheme, value).id
        if self.find(key_id) is not None:
            return self
        if len(self.entries) >= MAX_ENTRIES:
            raise RingFull(f"{MAX_ENTRIES} keys were added already: retire one first")
        entry = Entry(id=key_id, scheme=scheme, value=value, added_at=now)
        return KeyRing(entries=(*self.entries, entry), retired=_without(self.retired, key_id))

    def promote(self, key_id: str, now: float) -> KeyRing:
        """Make a key the current one, and the one that was current a previous one."""
        return KeyRing(entries=tuple(_promoted(entry, key_id, now) for entry in self.entries), retired=self.retired)

    def retire(self, key_id: str, now: float, configured: Sequence[WebhookKey]) -> KeyRing:
        """Take a key out for good, also one of the `configured`; LastKey if no other one is live.

        Of more than `MAX_RETIRED` retired ids the oldest are forgotten.
        """
        entries = tuple(entry for entry in self.entries if entry.id != key_id)
        retired = {**_without(self.retired, key_id), key_id: now}
        after = KeyRing(entries=entries, retired=dict(list(retired.items())[-MAX_RETIRED:]))
        if not after.live(configured):
            raise LastKey(f"key {key_id} is the last one that is live")
        return after

    def live(self, configured: Sequence[WebhookKey]) -> tuple[WebhookKey, ...]:
        """Give all keys that verify, most used first: the current one, those of the settings, previous, pending."""
        states: tuple[State, ...] = ("previous", "pending")
        keys = [*self._keys("current"), *configured, *(key for state in states for key in self._keys(state))]
        return tuple({key.id: key for key in keys if key.id not in self.retired}.values())

    def _keys(self, state: State) -> list[WebhookKey]:
        return [entry.key() for entry in self.entries if entry.state == state]


def _promoted(entry: Entry, key_id: str, now: float) -> Entry:
    if entry.id == key_id:
        return entry if entry.state == "current" else entry.model_copy(update={"state": "current", "promoted_at": now})
    return entry.model_copy(update={"state": "previous"}) if entry.state == "current" else entry


def _without(retired: Mapping[str, float], key_id: str) -> dict[str, float]:
    return {name: at for name, at in retired.items() if name != key_id}


def record_name(tenant_id: str) -> str:
    """Name the secret that holds a tenant's ring."""
    return f"{RECORD}{tenant_id}"


def parse_ring(tenant_id: str, text: str | None) -> KeyRing:
    """Read a stored ring; an absent one is empty. Misconfigured if it is not a ring, without quoting it."""
    try:
        return KeyRing.model_validate_json(text) if text is not None else KeyRing()
    except ValidationError:
        raise Misconfigured(
            f"the secret {record_name(tenant_id)} is no record of webhook keys; restore it, or delete it and add its "
            "keys again (`bridgectl keys add`)"
        ) from None


async def change_ring(
    secrets: SecretSource, tenant_id: str, edit: Callable[[KeyRing], KeyRing]
) -> tuple[KeyRing, KeyRing]:
    """Change a tenant's ring, with no other change in between; give it as it was and as it is now.

    What `edit` raises passes on, and nothing is changed. Raises like `SecretSource.change`.
    """
    seen: list[KeyRing] = []

    def change(text: str | None) -> str:
        before = parse_ring(tenant_id, text)
        seen[:] = [before, edit(before)]
        return seen[1].model_dump_json()

    await secrets.change(record_name(tenant_id), change)
    return seen[0], seen[1]
