"""A file of an agent's answer as it looks in Teams: the picture itself, or a link to it."""

from __future__ import annotations

import html


def linked(label: str, address: str, hint: str) -> str:
    """Write a link to a stored file, with a line that says how long it works."""
    href, text = html.escape(address), html.escape(label, quote=False)
    return f'<p>\U0001f4ce <a href="{href}">{text}</a><br/><em>{html.escape(hint, quote=False)}</em></p>'


def hosted(label: str) -> str:
    """Write the picture that goes to Graph with the message; the line above it is how it is found again."""
    text = html.escape(label)
    return f'<p>{text}</p><p><img src="../hostedContents/1/$value" alt="{text}"/></p>'
