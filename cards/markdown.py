"""An agent's Markdown as HTML: what people mean by it in a chat, and nothing that costs them a character.

CommonMark gives a meaning to characters that support staff use for themselves: `\\\\server\\share`, `&amp;`,
`2026. 11. 22.`, `20*30*40`, `+ 5 %`, `네~~`, a line of dashes under a line. Rules for those are off, or their
characters are taken out of sight.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_OFF = ("entity", "escape", "code", "lheading", "reference", "html_block", "html_inline")
_HIDE = 0xE000
"""Private-use characters that stand for ASCII ones while Markdown is read."""
_BACK = {_HIDE + code: chr(code) for code in range(128)}
_HIDDEN = re.compile(f"[{chr(_HIDE)}-{chr(_HIDE + 127)}]|%EE%8")
_IN_ADDRESS = re.compile("%EE%8([01])%([89AB][0-9A-F])")

_STRUCK = r"(?<!\S)~~(?=[^\s~])[^~\n]*(?<=[^\s~])~~(?!\w)"
_LITERAL = re.compile(rf"{_STRUCK}|~~+|(?<=\w)\*(?=\w)|__|^[ \t]*\+(?=\s)", re.MULTILINE)
_NUMBER = re.compile(r"^(?P<margin>(?:[ \t>]|[-*](?=[ \t]))*)(?P<number>\d{1,9})(?P<sign>[.)])(?=\s|$)(?P<rest>.*)")
_DATE = re.compile(r"\s*\d{1,9}[.)](?:\s|$)")
_MARK = re.compile(r"[ \t]*(>|[-*][ \t]|\d{1,9}[.)][ \t])")
_LANGUAGE = re.compile(r"[\w+#.-]*")


def can_read(text: str) -> bool:
    """Tell whether the text has none of the private-use characters that are needed here."""
    return _HIDDEN.search(text) is None


def to_html(text: str) -> str:
    """Write Markdown as HTML in which everything else is escaped."""
    html: str = _MARKDOWN.render(_apart(_numbers(_LITERAL.sub(_literal, text))))
    return _IN_ADDRESS.sub(lambda found: chr(64 * int(found[1]) + int(found[2], 16) - 128), html).translate(_BACK)


def _hidden(text: str) -> str:
    return "".join(chr(_HIDE + ord(character)) for character in text)


def _literal(found: re.Match[str]) -> str:
    """Hide the characters, unless they strike words out."""
    return found[0] if re.fullmatch(_STRUCK, found[0]) else _hidden(found[0])


def _numbers(text: str) -> str:
    """Leave only those numbers as list items that count up from 1; a date is no list."""
    last, lines = 0, text.split("\n")
    for at, line in enumerate(lines):
        found = _NUMBER.match(line)
        if found is None:
            last = last if not line.strip() or line[0] in " \t" else 0
        elif int(found["number"]) in (1, last + 1) and not _DATE.match(found["rest"]):
            last = int(found["number"])
        else:
            lines[at] = f"{found['margin']}{found['number']}{_hidden(found['sign'])}{found['rest']}"
    return "\n".join(lines)


def _apart(text: str) -> str:
    """End quotes and lists where a line begins without their mark: in a chat, the next line is not part of them."""
    lines: list[str] = []
    mark, in_code = "", False
    for line in text.split("\n"):
        found = _MARK.match(line)
        begins = found[1][0] if found else ""
        goes_on = not line.strip() or (line[0] in " \t" and mark != ">")
        if mark and not in_code and not begins and not goes_on:
            lines.append("")
        mark = begins or (mark if goes_on and line.strip() else "")
        in_code ^= line.count("```") == 1
        lines.append(line)
    return "\n".join(lines)


class _Renderer(RendererHTML):
    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Drop the language of a code block, but not a first line of code that stands in its place."""
        token = tokens[idx]
        if not _LANGUAGE.fullmatch(token.info.strip()):
            token.content = f"{token.info}\n{token.content}"
        return super().code_block(tokens, idx, options, env)

    def hr(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType) -> str:
        return f"<p>{tokens[idx].markup[:3]}</p>"


_MARKDOWN = (
    MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 60}, renderer_cls=_Renderer)
    .enable(["table", "strikethrough"])
    .disable(_OFF)
)
