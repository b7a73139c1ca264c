"""Addresses in what an agent writes: which become links, and what is shown for them."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

_ALLOWED = re.compile(r"(?:https?://[^\s/?#]|mailto:[^\s@]+@|tel:[+\d])", re.IGNORECASE)
_SCHEME = re.compile(r"^(?:https?://|mailto:|tel:)", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://\S+|mailto:\S+|www\.\S+|(?<![^\s@/])[^\s@/]+@[^\s@]+"
    r"|(?<![\w.-])[\w-]+(?:\.[\w-]+)+(?:[/:?#]\S*)?",
    re.I,
)


def allowed(address: str) -> str | None:
    """Give the address if a link may go there: http, https, mailto or tel, without a user name in front of the host."""
    address = address.strip()
    if not _ALLOWED.match(address) or any(_is_odd(character) for character in address):
        return None
    try:
        has_user = "@" in urlsplit(address).netloc
    except ValueError:
        return None
    return None if has_user else address


def is_honest(label: str, address: str) -> bool:
    """Tell whether a label is no address, or the very address that the link goes to (its host alone will do)."""
    shown = "".join(c for c in unicodedata.normalize("NFKC", label) if unicodedata.category(c) != "Cf")
    target = _bare(address)
    host = re.split(r"[/?#]", target, maxsplit=1)[0]
    return all(_bare(found) in (target, host) for found in _ADDRESS.findall(shown))


def _is_odd(character: str) -> bool:
    """Tell whether a character has no place in an address: browsers read some as others, people do not see some."""
    return character in '\\"<>`' or character.isspace() or unicodedata.category(character) in ("Cc", "Cf")


def _bare(address: str) -> str:
    """Give an address as people compare it."""
    return _SCHEME.sub("", address.strip().casefold()).removeprefix("www.").rstrip("/.,;:!?)")
