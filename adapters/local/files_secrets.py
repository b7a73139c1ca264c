"""The embedded `SecretSource`: environment variables first, then encrypted files in one folder.

A file holds the live versions of one secret, newest first, encrypted with Fernet. The key is `BRIDGE_SECRET_KEY`
(several separated by `;` while it is being changed: the first one encrypts) or, without that, a generated key file
beside the secrets, which protects copies of single files but not of the whole folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from adapters.local.files import refusals
from bridge.errors import Misconfigured, StoreFull

try:
    import fcntl
except ImportError:  # not on Windows, where one process at a time writes secrets
    fcntl = None  # type: ignore[assignment]

KEY_VARIABLE = "BRIDGE_SECRET_KEY"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_KEY_FILE = ".key"
_LOCK_FILE = ".lock"
_refusals = partial(refusals, "the secrets folder", "secrets", "files_secrets")


class LocalSecrets:
    """The `SecretSource` port; every process on the machine that uses the folder sees each other's versions."""

    def __init__(self, folder: Path | str, environ: Mapping[str, str]) -> None:
        """`environ` is read at each call, so give `os.environ` or a merged copy with the `.env` file."""
        self._folder = Path(folder)
        self._environ = environ
        self._given_key = _parse_keys(environ.get(KEY_VARIABLE, ""), KEY_VARIABLE)
        self._cache: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {}

    async def get(self, name: str) -> Sequence[str]:
        """Give the live versions, newest first; empty if there is no such secret."""
        given = self._from_environment(name)
        if given:
            return given
        with _refusals():
            stamp = _stamp(self._path(name))
            if stamp is None:
                return ()
            cached = self._cache.get(name)
            if cached is None or cached[0] != stamp:
                cached = stamp, await asyncio.to_thread(self._read, name)
                self._cache[name] = cached
        return cached[1]

    async def put(self, name: str, value: str, *, keep: int = 1) -> None:
        """Store a new version durably and keep the `keep` newest; StoreFull where the environment sets the secret."""
        await self._replace(name, lambda old: [value, *(v for v in old if v != value)][: max(keep, 1)])

    async def change(self, name: str, edit: Callable[[str | None], str]) -> None:
        """Replace all versions by what `edit` makes of the newest, while no other process writes here."""
        await self._replace(name, lambda old: [edit(old[0] if old else None)])

    async def stored(self) -> Mapping[str, int]:
        """Tell the names of the secrets in the folder, sorted, and how many versions each has."""
        with _refusals():
            return await asyncio.to_thread(self._count)

    async def ping(self) -> None:
        """Raise Unavailable if the folder or its key cannot be read, Misconfigured if the key is no key."""
        with _refusals():
            await asyncio.to_thread(self._look)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _from_environment(self, name: str) -> tuple[str, ...]:
        _check(name)
        if name == KEY_VARIABLE:
            return ()  # never handed out
        return tuple(part.strip() for part in self._environ.get(name, "").split(";") if part.strip())

    def _path(self, name: str) -> Path:
        return self._folder / f"{_check(name)}.secret"

    def _look(self) -> None:
        if self._folder.exists():
            next(self._folder.iterdir(), None)
            self._keys()

    def _read(self, name: str) -> tuple[str, ...]:
        try:
            sealed = self._path(name).read_bytes()
        except FileNotFoundError:
            return ()
        keys = self._keys()
        try:
            if keys is None:
                raise InvalidToken
            return tuple(json.loads(keys.decrypt(sealed)))
        except InvalidToken:
            raise Misconfigured(
                f"the secret {name} in {self._folder} cannot be opened with this key. Set {KEY_VARIABLE} to the key "
                f"it was stored with (or put the folder's {_KEY_FILE} file back), or delete {name}.secret and store "
                "it anew."
            ) from None

    def _count(self) -> dict[str, int]:
        names = sorted(path.stem for path in self._folder.glob("*.secret")) if self._folder.exists() else []
        return {name: len(self._read(name)) for name in names}

    async def _replace(self, name: str, edit: Callable[[Sequence[str]], list[str]]) -> None:
        if self._from_environment(name):
            raise StoreFull(f"{name} is set in the environment, which wins: change it there, or unset it first")
        with _refusals(writing=True):
            await asyncio.to_thread(self._write, name, edit)

    def _write(self, name: str, edit: Callable[[Sequence[str]], list[str]]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(OSError):  # a mounted volume may belong to somebody else
            self._folder.chmod(0o700)
        with _locked(self._folder / _LOCK_FILE):
            versions = json.dumps(edit(self._read(name))).encode()
            _write_file(self._path(name), self._key_to_write().encrypt(versions))

    def _key_to_write(self) -> MultiFernet:
        keys = self._keys()
        if keys is None:
            _write_file(self._folder / _KEY_FILE, Fernet.generate_key())
            keys = self._keys()
        assert keys is not None
        return keys

    def _keys(self) -> MultiFernet | None:
        if self._given_key is not None:
            return self._given_key
        path = self._folder / _KEY_FILE
        if not path.exists():
            return None
        keys = _parse_keys(path.read_text(encoding="ascii", errors="replace"), str(path))
        if keys is None:
            raise Misconfigured(f"{path} is empty: put the key back that the secrets beside it were stored with")
        return keys


def _check(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise Misconfigured("a secret's name has letters, digits, '_', '-' and '.' only, at most 128, no leading '.'")
    return name


def _parse_keys(text: str, where: str) -> MultiFernet | None:
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if not parts:
        return None
    try:
        return MultiFernet([Fernet(part) for part in parts])
    except ValueError:
        raise Misconfigured(
            f"{where} is not a key: 32 random bytes in url-safe base64 are needed. Make one with: "
            'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
        ) from None


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Tell one state of a file from another; a replaced file has another inode or time."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _write_file(path: Path, content: bytes) -> None:
    """Replace a file so that after a crash it is the old one or the new one, whole and private (mode 0600)."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable too; Windows has no such call."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time read, change and write."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
