"""How the sandbox behaves; each field can be changed while it runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.switches import change


@dataclass
class Settings:
    """The switches of POST /_sandbox/settings."""

    bridge: str = "http://127.0.0.1:3978"
    #: The published limits: Graph 1 request/s per channel or chat, connector 7 sends/s per conversation, and so on.
    enforce_limits: bool = False
    #: Messages posted through the Freshchat API come back as webhooks.
    echo_user_messages: bool = True
    device_code_auto_approve: bool = True
    device_code_seconds: int = 900
    access_token_seconds: int = 3599
    webhook_retry_seconds: float = 1.0
    webhook_timeout_seconds: float = 3.0
    latency_ms: int = 0
    #: Every post to a resolved Freshchat conversation is refused, not only to an old one.
    not_latest: bool = False
    #: Resource-specific consent: every message of a channel or group chat reaches the bot.
    rsc: bool = True
    #: Posts to a thread root that never existed are refused; load drivers that invent threads switch this off.
    strict_threads: bool = True
    #: A file part in a webhook names its URL; really it may be missing until the message is read back.
    webhook_file_urls: bool = True
    #: Freshchat says that it is business time now.
    business_hours: bool = True
    #: How long links to agents' files work; each list of messages has new ones.
    file_link_seconds: int = 3600

    def change(self, wanted: Mapping[str, Any]) -> str | None:
        """Apply the wanted values, or return the complaint and change nothing."""
        return change(self, wanted)

    def restore(self, original: "Settings") -> None:
        """Take every value of the original."""
        self.change(asdict(original))

    def as_dict(self) -> dict[str, Any]:
        """All values by name."""
        return asdict(self)
