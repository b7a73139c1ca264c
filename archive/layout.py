"""Where things are in an archive folder."""

from __future__ import annotations

from typing import Final

CHECKSUMS: Final = "checksums.sha256"
METADATA: Final = "export_metadata.json"
REPORT: Final = "verification_report.json"
SUMMARY: Final = "VERIFICATION_SUMMARY.txt"
WORK: Final = ".work"
"""Only there while the export runs."""

CONVERSATIONS: Final = "freshchat/conversations.json"
MESSAGES: Final = "freshchat/messages"
USERS: Final = "freshchat/users.json"
FRESHCHAT_AGENTS: Final = "freshchat/agents.json"
CHANNELS: Final = "freshchat/channels.json"
TICKETS: Final = "freshdesk/tickets.json"
REPLIES: Final = "freshdesk/conversations"
CONTACTS: Final = "freshdesk/contacts.json"
COMPANIES: Final = "freshdesk/companies.json"
FRESHDESK_AGENTS: Final = "freshdesk/agents.json"
FIELDS: Final = "freshdesk/fields.json"
ATTACHMENT_FILES: Final = "attachments"
ATTACHMENTS: Final = "attachments.json"
LINKS: Final = "links.json"
GAPS: Final = "gaps.json"
