"""An agent's answer as it looks in Teams."""

from __future__ import annotations

import html

from bridge.ports import Reply


def render(reply: Reply) -> str:
    """Render as the small HTML subset that Graph and the connector (`textFormat` xml) both show.

    Everything the agent wrote is escaped: it can hold no markup, and `<at>` in it mentions nobody.
    """
    author = f"<p><strong>{html.escape(reply.author)}</strong></p>" if reply.author else ""
    late = f"<p><em>{html.escape(reply.late)}</em></p>" if reply.late else ""
    return f"{author}{late}<p>{_lines(reply.text)}</p>"


def _lines(text: str) -> str:
    return html.escape(text.replace("\r\n", "\n"), quote=False).replace("\n", "<br/>")
