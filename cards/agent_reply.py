"""An agent's answer as it looks in Teams."""

from __future__ import annotations

import html

from bridge.mentions import named
from bridge.ports import Reply


def render(reply: Reply) -> str:
    """Render as the small HTML subset that Graph and the connector (`textFormat` xml) both show.

    Plain text is escaped: it can hold no markup, and `<at>` in it mentions nobody. HTML is what `cards.agent_text`
    made; mentions get the form that Graph asks for.
    """
    author = f"<p><strong>{html.escape(reply.author)}</strong></p>" if reply.author else ""
    late = f"<p><em>{html.escape(reply.late)}</em></p>" if reply.late else ""
    return f"{author}{late}{named(reply)[0] if reply.is_html else f'<p>{_lines(reply.text)}</p>'}"


def _lines(text: str) -> str:
    return html.escape(text.replace("\r\n", "\n"), quote=False).replace("\n", "<br/>")
