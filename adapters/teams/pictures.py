"""Which pictures the transports show in a message; any other one is a link (reference, sections 2.1 and 2.3)."""

from __future__ import annotations

from bridge.ports import Picture, Reply

BOT_BYTES, BOT_SIDE = 1_000_000, 1_024
"""What Teams takes of a bot: 1 MB, and pixels in width and height."""
GRAPH_BYTES = 2 * 1024 * 1024
"""Ours: a picture goes to Graph within its request, as base64, and Graph takes requests of about 4 MB."""


def for_bot(reply: Reply) -> Picture | None:
    """Give the picture that a bot's message can show; Teams fetches it from its address."""
    picture = reply.picture
    if picture is None or len(picture.content) > BOT_BYTES or max(picture.width, picture.height) > BOT_SIDE:
        return None
    return picture


def for_graph(reply: Reply) -> Picture | None:
    """Give the picture that a message of the signed-in account can hold."""
    return reply.picture if reply.picture is not None and len(reply.picture.content) <= GRAPH_BYTES else None
