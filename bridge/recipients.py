"""Public keys that archives are sealed for: age's `age1…` (https://age-encryption.org)."""

from __future__ import annotations

MOST = 20


def recipients(text: str) -> tuple[str, ...]:
    """Split a list of public keys, separated by commas; ValueError if one is none, without showing it.

    A key carries a checksum, so what passes was not misspelt.
    """
    keys = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if len(keys) > MOST:
        raise ValueError(f"at most {MOST} public keys")
    for number, key in enumerate(keys, 1):
        _check(number, key)
    return keys


def _check(number: int, key: str) -> None:
    from pyrage import RecipientError, x25519  # noqa: PLC0415 - only where archives are sealed

    if key.upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError(f"key {number} is a private key: give the public one (age1…), and keep the private one away")
    try:
        x25519.Recipient.from_str(key)
    except RecipientError:
        raise ValueError(f"key {number} is no public key of age (age1…), or is misspelt") from None
