"""Is this webhook from our account? Only a body that was verified can be parsed.

Freshchat signs the raw body with RSA (SHA256withRSA, PKCS#1 v1.5, base64 in `X-Freshchat-Signature`); there is no
shared secret. Scheme `hmac` is for gateways that sign on its behalf. Each scheme takes several live keys, so that a
key change loses nothing, and tells which one matched.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn, final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bridge.errors import Misconfigured
from bridge.text import json_text

Scheme = Literal["rsa", "hmac"]

MIN_RSA_BITS = 2048
MAX_DEPTH = 64
"""Real payloads nest about ten deep; deeper ones are nobody's message."""


class NotAuthentic(Exception):
    """The body was not signed with any of our live keys."""


class BadBody(Exception):
    """The body is authentic but is not one JSON object that can be read in only one way."""


_SEAL: Final = object()


@final
class VerifiedBody:
    """A raw body whose signature was checked. Only a `Verifier` makes one, and only this can be parsed."""

    __slots__ = ("key_id", "raw")

    raw: bytes
    key_id: str

    def __new__(cls, raw: bytes = b"", key_id: str = "", seal: object = None) -> VerifiedBody:
        """Refuse everybody who is not a Verifier."""
        if seal is not _SEAL:
            raise TypeError("only a Verifier makes a VerifiedBody")
        body = object.__new__(cls)
        object.__setattr__(body, "raw", raw)
        object.__setattr__(body, "key_id", key_id)
        return body

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a VerifiedBody does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a VerifiedBody does not change")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("a VerifiedBody has no kinds")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a VerifiedBody is not copied past its Verifier")

    def parse(self) -> dict[str, Any]:
        """Read the body as one JSON object; BadBody if it is not, names a key twice or nests absurdly deep."""
        try:
            value = _DECODER.decode(json_text(self.raw))
        except (ValueError, RecursionError):
            raise BadBody("not readable as JSON") from None
        if not isinstance(value, dict):
            raise BadBody("not a JSON object")
        if self.raw.count(b"{") + self.raw.count(b"[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
            raise BadBody("nested too deep")
        return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse repeated names: two readers that pick different ones would disagree on what was signed."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def _deeper_than(value: object, limit: int) -> bool:
    level: list[object] = [value]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


# --- keys -----------------------------------------------------------------------------------------------------------

_Check = Callable[[bytes, bytes], bool]
"""(signature, raw body) -> is it ours"""


@dataclass(frozen=True, slots=True)
class WebhookKey:
    """One key that a body may be signed with. `id` is a short fingerprint; it tells nothing that can be used."""

    id: str
    scheme: Scheme
    check: _Check = field(repr=False)


_PADDING = padding.PKCS1v15()
_SHA256 = hashes.SHA256()


def load_rsa_key(text: str) -> rsa.RSAPublicKey:
    """Read a public key as Freshchat shows it; Misconfigured if it is not RSA of at least 2048 bits.

    Its label says PKCS#1 while the content is SubjectPublicKeyInfo, and copying often leaves one line, literal
    `\\n` or quotes. So the label is dropped, and the DER decides.
    """
    b64 = re.sub(r"-----[^-]*-----|\\r|\\n|[\s\"']", "", text)
    try:
        key = serialization.load_der_public_key(base64.b64decode(b64, validate=True))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Misconfigured("a Freshchat webhook key cannot be read as a public key") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise Misconfigured(f"a Freshchat webhook key is not RSA of at least {MIN_RSA_BITS} bits")
    return key


def _rsa_check(text: str) -> tuple[str, _Check]:
    key = load_rsa_key(text)
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def check(signature: bytes, raw: bytes) -> bool:
        try:
            key.verify(signature, raw, _PADDING, _SHA256)
        except InvalidSignature:
            return False
        return True

    return hashlib.sha256(der).hexdigest()[:8], check


def _hmac_check(text: str) -> tuple[str, _Check]:
    secret = text.strip().encode()
    if not secret:
        raise Misconfigured("a webhook secret is empty")

    def check(signature: bytes, raw: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret, raw, "sha256"), signature)

    return hmac.digest(secret, b"key id", "sha256").hex()[:8], check


_SCHEMES: dict[str, Callable[[str], tuple[str, _Check]]] = {"rsa": _rsa_check, "hmac": _hmac_check}


def load_key(scheme: Scheme, text: str) -> WebhookKey:
    """Read a key; Misconfigured for an unknown scheme or a key that cannot be used, without quoting it."""
    if scheme not in _SCHEMES:
        raise Misconfigured("a webhook scheme is rsa or hmac")
    key_id, check = _SCHEMES[scheme](text)
    return WebhookKey(key_id, scheme, check)


def _not_none(keys: Sequence[WebhookKey]) -> tuple[WebhookKey, ...]:
    if not keys:
        raise Misconfigured("no webhook key: without one nothing can be verified")
    return tuple(keys)


@final
class Verifier:
    """Checks bodies against the live keys of one account; keys are loaded once, here."""

    __slots__ = ("_keys",)

    def __init__(self, scheme: Scheme, texts: Sequence[str]) -> None:
        """Misconfigured for an unknown scheme, no key at all, or a key that cannot be used."""
        self._keys = _not_none([load_key(scheme, text) for text in texts])

    @classmethod
    def of(cls, keys: Sequence[WebhookKey]) -> Verifier:
        """Make one of keys that are loaded, to be tried in this order; Misconfigured if there is none."""
        verifier = object.__new__(cls)
        verifier._keys = _not_none(keys)
        return verifier

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("a Verifier has no kinds")

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Short fingerprints of the live keys, in order; they tell nothing about a secret that can be used."""
        return tuple(key.id for key in self._keys)

    def verify(self, raw: bytes, header: str | None) -> VerifiedBody:
        """Return the body as verified, else raise NotAuthentic. `raw` is the body exactly as received."""
        if not header:
            raise NotAuthentic("no signature")
        try:
            signature = binascii.a2b_base64(header.strip(), strict_mode=True)
        except ValueError:
            raise NotAuthentic("the signature is not base64") from None
        for key in self._keys:
            if key.check(signature, raw):
                return VerifiedBody(raw, key.id, _SEAL)
        raise NotAuthentic("signed with no live key")
