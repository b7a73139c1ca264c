"""Which files came with a Teams message, and where they can be had.

In a personal chat the activity brings addresses. In channels and group chats it brings stubs in its HTML copy at most:
what they stand for is read from Graph (reference: section 2.1). Links in the text are no files.
"""

from __future__ import annotations

from collections.abc import Sequence

from selectolax.lexbor import LexborHTMLParser

from bots import rich_text
from bots.raw import Raw, list_at, text_at
from bridge.events import SharedFile
from bridge.objects import safe_name
from cards.texts import say

DOWNLOAD_INFO = "application/vnd.microsoft.teams.file.download.info"
MAX_FILES = 20
"""Teams lets a person attach ten."""
IN_GRAPH = SharedFile(way="graph", url="")
"""Stands for all files of a message that only Graph shows."""
NO_FILES = ("Emoji", "Giphy", "Sticker")
"""Ends of the `itemtype` of pictures that are part of the words, and are no files of anybody."""


def read_files(raw: Raw, *, personal: bool) -> tuple[SharedFile, ...]:
    """List them, in the order of the message; none twice. Graph knows no personal chats with a bot."""
    attachments = [one for one in list_at(raw, "attachments") if isinstance(one, dict)]
    if not personal and any(_has_stubs(one, attachments) for one in attachments):
        return (IN_GRAPH,)
    found = [file for one in attachments if (file := _addressed(one)) is not None]
    return tuple(dict.fromkeys(found))[:MAX_FILES]


def names_line(files: tuple[SharedFile, ...]) -> str:
    """Name the files of a message that says nothing else, as far as the activity names them."""
    names = [safe_name(file.name) for file in files if file.name]
    return say("files_named", None, names=", ".join(names)) if names else say("files_unnamed", None)


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
    if not markup or not rich_text.is_readable(markup) or ("<attachment" not in markup and "<img" not in markup):
        return False
    tree = LexborHTMLParser(markup)
    others = {text_at(one, "id") for one in attachments}
    stubs = [node.attributes.get("id") for node in tree.css("attachment[id]")]
    pictures = [node for node in tree.css("img") if not (node.attributes.get("itemtype") or "").endswith(NO_FILES)]
    return bool(pictures) or any(stub not in others for stub in stubs)
