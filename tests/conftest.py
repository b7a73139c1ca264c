"""Rules for all tests: nothing leaves the host, and in CI nothing is skipped unless it is listed with a reason."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

LIVE = Path(__file__).parent / "live"
ALLOWED = Path(__file__).parent / "allowed_skips.txt"
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Tests run in the background of a shell ignore Ctrl-C, and processes they start inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let tests/live be asked for; without it, it is not even collected."""
    parser.addoption("--live", action="store_true", help="run tests/live against the services the environment names")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even look into tests/live unless it is asked for."""
    within = LIVE in (collection_path, *collection_path.parents)
    return True if within and not config.getoption("--live") else None


def _allowed() -> list[list[str]]:
    """Read the list: where the skip is (a prefix of the node id), and what it says."""
    lines = (line.split("#")[0].strip() for line in ALLOWED.read_text(encoding="utf-8").splitlines())
    return [[part.strip() for part in line.split("|")] for line in lines if line]


def _refuse_unlisted(report: Any) -> None:
    """In CI, turn a skip that is not listed into a failure."""
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("CI"):
        return
    said = str(report.longrepr)
    if not any(report.nodeid.startswith(where) and reason in said for where, reason in _allowed()):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI without being listed in {ALLOWED.name}: {said}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Look at each test's skip."""
    _refuse_unlisted((yield).get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    """Look at a module that skips itself as a whole."""
    _refuse_unlisted((yield).get_result())


@pytest.fixture(autouse=True)
def _stay_on_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to anywhere but loopback."""
    real = socket.getaddrinfo

    def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not str(name).startswith(LOOPBACK):
            raise socket.gaierror(socket.EAI_NONAME, "tests stay on this host")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
