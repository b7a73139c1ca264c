"""JSON that is written as it was read: order, unknown fields, big integers, and numbers that a float would round.

Non-ASCII text is written as itself, on one line. A number that Python would write otherwise (`1.10`, `1E3`, `-0`) is
carried as a text with a mark that no document can hold, because the mark is drawn anew in each process.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

_MARK = f"number-{secrets.token_hex(16)}:"
_MARKED = re.compile(f'"{_MARK}([^"]*)"')
_LONE = re.compile("[\ud800-\udfff]")
_DIGITS = 4000
"""Python reads no longer integers."""


def loads(text: bytes | str) -> Any:
    """Read a document; ValueError if it is none, or has NaN in it, or is nested too deep."""
    try:
        return json.loads(text, parse_float=_float, parse_int=_int, parse_constant=_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def dumps(value: Any) -> str:
    """Write a value on one line. What UTF-8 cannot say (half a surrogate pair) stays an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if _MARK in text:
        text = _MARKED.sub(r"\1", text)
    return _LONE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def _float(text: str) -> float | str:
    value = float(text)
    return value if repr(value) == text else _MARK + text


def _int(text: str) -> int | str:
    return int(text) if text != "-0" and len(text) < _DIGITS else _MARK + text


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")
