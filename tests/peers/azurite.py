"""Azurite, Microsoft's emulator of Blob Storage: installed once into a cache folder by npm, started on a free port."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from .npm import installed
from .tls import Certificate

VERSION = "3.37.0"
ACCOUNT = "bridgetest"
START_SECONDS = 30.0
_MAIN = Path("node_modules/azurite/dist/src/blob/main.js")


def install() -> Path:
    """Give the folder with this version, installing it first if it is not there."""
    return installed("azurite", f"azurite@{VERSION}")


class Azurite:
    """One account in memory; a context manager. With `tls` it takes Entra tokens too."""

    def __init__(self, folder: Path, *, tls: Certificate | None = None) -> None:
        self._folder, self.tls = folder, tls
        self.key = base64.b64encode(os.urandom(64)).decode()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The account's address, which has its name in the path."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """As the portal shows it, for this address."""
        scheme = "https" if self.tls else "http"
        return f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={self.key};BlobEndpoint={self.url};"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, empty, on a new port if it does not run."""
        if self._process is not None:
            return
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        if self.tls:
            options += ["--cert", str(self.tls.chain), "--key", str(self.tls.key), "--oauth", "basic"]
        address = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port)]
        self._process = subprocess.Popen(
            ["node", str(self._folder / _MAIN), *address, *options],
            env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Azurite does not start (exit code {self._process.poll()})")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it without warning; all that was stored is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0
