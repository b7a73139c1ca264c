"""Numbers whose spelling matters: `1.10`, `1E+2`, `-0.0` must reach the reader as they are written here."""

import re

_MARK = "\ue000"
_NUMBER = r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?"
_MARKED = re.compile(f'"{_MARK}({_NUMBER}){_MARK}"')


def exact(number: str) -> str:
    """A JSON number in this spelling, as a value for `spelled`; ValueError when it is none."""
    if not re.fullmatch(_NUMBER, number):
        raise ValueError(f"{number!r} is not a JSON number")
    return f"{_MARK}{number}{_MARK}"


def spelled(text: str) -> str:
    """The JSON text with its marked numbers as numbers."""
    return _MARKED.sub(r"\1", text) if _MARK in text else text
