"""Keys and recorded bodies as files, for the commands; what is a secret is written for its owner only."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

import typer

from bridgectl.output import fail

MAX_KEY_BYTES = 16_384


def read_file(file: Path) -> bytes:
    """Read a file; ends the command if that cannot be done."""
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"{file}: cannot be read ({error.strerror}).")


def read_key(file: Path | None) -> str:
    """Read the text of a key from a file, or from standard input; ends the command if it can be none."""
    if file is None and sys.stdin.isatty():
        typer.echo("Paste the key, then press Ctrl-D on a new line.", err=True)
    try:
        raw = sys.stdin.buffer.read(MAX_KEY_BYTES + 1) if file is None else _head(file)
        text = raw.decode().strip()
    except OSError as error:
        fail(f"{file}: cannot be read ({error.strerror}).")
    except UnicodeDecodeError:
        fail("That is no key: it is not text.")
    if not text or len(raw) > MAX_KEY_BYTES:
        fail("That is no key: it is empty." if not text else "That is no key: it is too long.")
    return text


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_KEY_BYTES + 1)


def draw_secret(file: Path) -> str:
    """Draw a secret of 256 bits into a file that only its owner may read, for the gateway that signs with it."""
    text = base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(text + "\n")
    except OSError as error:
        fail(f"{file}: cannot be written ({error.strerror}).")
    return text
