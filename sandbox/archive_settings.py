"""The switches of everything that an export reads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.switches import change


@dataclass
class ArchiveSettings:
    """POST /_sandbox/archive/settings; a rate of 0 is no limit and no limit headers."""

    #: The window of the rates below; really a minute.
    window_seconds: float = 60.0
    #: Credits of Freshdesk, and the requests of its two lists that are limited besides.
    freshdesk_rate: int = 0
    tickets_list_rate: int = 0
    contacts_list_rate: int = 0
    freshchat_rate: int = 0
    #: Report extractions per window; on live accounts about one a minute.
    report_rate: int = 0
    #: Life of a signed link. 300 is in a sample of Freshdesk's documentation; Freshchat's is not known.
    link_seconds: float = 300.0
    #: The first link to some files of a data set has expired already when it is given out.
    stale_links: bool = True
    #: Most accounts have no GET /conversations.
    conversations_listed: bool = False
    user_conversations_paged: bool = False
    #: The answer to POST /reports/raw is 202 or 200; a job stays PENDING for so many looks.
    report_status: int = 202
    report_polls: int = 1
    #: Each so manieth report ends as FAILED; 0 is none.
    report_fail_every: int = 0
    #: One `link` as in older answers instead of `links`.
    report_one_link: bool = False
    #: Columns as `Conversation Id` behind a byte order mark instead of `conversation_id`.
    report_titles: bool = False
    #: The Freshdesk key belongs to an account administrator.
    admin: bool = True
    #: The contacts' filter by time is `updated_since` (documented) instead of `_updated_since` (in use).
    contacts_updated_since: bool = False
    #: Each so manieth list of tickets, somebody changes its first ticket before it is answered; 0 is never.
    touch_every: int = 0
    export_polls: int = 1
    #: The finished account export is a URL of its job; otherwise it would be mailed to the administrator.
    export_url: bool = True

    def change(self, wanted: Mapping[str, Any]) -> str | None:
        """Apply the wanted values, or return the complaint and change nothing."""
        return change(self, wanted)

    def as_dict(self) -> dict[str, Any]:
        """All values by name."""
        return asdict(self)
