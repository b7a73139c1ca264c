"""The real clamd of ClamAV with one signature of our own, for tests; Debian's package is `clamav-daemon`.

Nothing is downloaded: one signature file is enough for clamd to start (0.05 s), and it knows the test string only.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

START_SECONDS = 20.0
EICAR = "".join(("X5O!P%@AP[4", "\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE", "!$H+H*")).encode()
"""The harmless string that scanners agree to find; in parts, so that none finds this file."""
NAME = "Test-Eicar"


def program() -> str | None:
    """Tell where clamd is; None if it is not installed."""
    return shutil.which("clamd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Clamd:
    """One daemon on a unix socket and on TCP; a context manager. It can be ended and started again in its place."""

    def __init__(self, *, stream_max: int = 25 * 1024 * 1024) -> None:
        """`stream_max` is its StreamMaxLength in bytes."""
        self._folder = Path(tempfile.mkdtemp(prefix="clamd-"))  # short: a socket's path has 107 bytes at most
        self.path = self._folder / "socket"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        (self._folder / "signatures").mkdir()
        (self._folder / "signatures" / "test.ndb").write_text(f"{NAME}:0:*:{EICAR.hex()}\n")
        (self._folder / "clamd.conf").write_text("\n".join(self._settings(stream_max)) + "\n")

    def _settings(self, stream_max: int) -> list[str]:
        return [
            "Foreground yes",
            f"DatabaseDirectory {self._folder / 'signatures'}",
            f"TemporaryDirectory {self._folder}",
            f"LogFile {self._folder / 'log'}",
            f"LocalSocket {self.path}",
            f"TCPSocket {self.port}",
            "TCPAddr 127.0.0.1",
            f"StreamMaxLength {stream_max}",
            "MaxScanSize 200M",
            "MaxFileSize 200M",
        ]

    @property
    def unix(self) -> str:
        """Its address as `CLAMD_ADDRESS`, by the unix socket."""
        return f"unix:{self.path}"

    @property
    def tcp(self) -> str:
        """Its address as `CLAMD_ADDRESS`, by TCP."""
        return f"tcp:127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers."""
        if self._process is not None:
            return
        self.path.unlink(missing_ok=True)
        command = [program() or "clamd", "--config-file", str(self._folder / "clamd.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"clamd does not start: {self._log()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"zPING\0")
                return self.path.exists() and connection.recv(5) == b"PONG\0"
        except OSError:
            return False

    def _log(self) -> str:
        log = self._folder / "log"
        return log.read_text()[-1000:] if log.exists() else ""
