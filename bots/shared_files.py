"""Which files came with a Teams message, and where they can be had.

In a personal chat the activity brings addresses. In channels and group chats it brings stubs in its HTML copy at most:
what they stand for is read from Graph (reference: section 2.1).
"""

from __future__ import annotations

from collections.abc import Sequence

from selectolax.lexbor import LexborHTMLParser

from bots.raw import Raw, list_at, text_at
from bridge.events import SharedFile

DOWNLOAD_INFO = "application/vnd.microsoft.teams.file.download.info"
MAX_FILES = 20
"""Teams lets a person attach ten."""
IN_GRAPH = SharedFile(way="graph", url="")
"""Stands for all files of a message that only Graph shows."""


def read_files(raw: Raw) -> tuple[SharedFile, ...]:
    """List them, in the order of the message; none twice."""
    attachments = [one for one in list_at(raw, "attachments") if isinstance(one, dict)]
    found = [file for one in attachments if (file := _addressed(one)) is not None]
    if not found and any(_has_stubs(one, attachments) for one in attachments):
        found = [IN_GRAPH]
    return tuple(dict.fromkeys(found))[:MAX_FILES]


def _addressed(attachment: Raw) -> SharedFile | None:
    """Read a file with an address: one's own, which needs no token, or a pasted picture's on the connector."""
    kind, name = (text_at(attachment, "contentType") or "").lower(), text_at(attachment, "name") or ""
    if kind == DOWNLOAD_INFO:
        url = text_at(attachment, "content", "downloadUrl")
        return SharedFile(way="link", url=url, name=name) if url else None
    if kind.startswith("image/"):
        url = text_at(attachment, "contentUrl")
        return SharedFile(way="connector", url=url, name=name) if url else None
    return None


def _has_stubs(attachment: Raw, attachments: Sequence[Raw]) -> bool:
    """Look for files and pictures in the HTML copy; a quoted message and a card are stubs there too."""
    markup = text_at(attachment, "content") if text_at(attachment, "contentType") == "text/html" else None
    if not markup or ("<attachment" not in markup and "<img" not in markup):
        return False
    tree = LexborHTMLParser(markup)
    others = {text_at(one, "id") for one in attachments}
    stubs = [node.attributes.get("id") for node in tree.css("attachment[id]")]
    pictures = [node for node in tree.css("img") if not (node.attributes.get("itemtype") or "").endswith("Emoji")]
    return bool(pictures) or any(stub not in others for stub in stubs)
