"""Who scans files: never silently nobody, and in production never nobody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from adapters.local.clamav import ClamdScanner
from adapters.scanners import open_scanner
from bridge.errors import Misconfigured, Unscannable
from bridge.settings import load
from bridge.telemetry import Telemetry


async def file() -> AsyncIterator[bytes]:
    yield b"a file"


@pytest.mark.parametrize("env", ["development", "production"])
@pytest.mark.parametrize(
    "chosen",
    [
        {"CLAMD_ADDRESS": "tcp:127.0.0.1:3310"},
        {"BRIDGE_SCANNER": "local.clamav"},
        {"BRIDGE_SCANNER": "off", "CLAMD_ADDRESS": "unix:/run/clamav/clamd.ctl"},
    ],
)
def test_an_address_or_the_name_switches_scanning_on(env, chosen, capsys):
    """Both together or one alone; there is nothing to warn of."""
    settings = load(BRIDGE_ENV=env, **chosen)
    assert settings.scans_files
    assert isinstance(open_scanner(settings, Telemetry("INFO")), ClamdScanner)
    assert "no_scanner" not in capsys.readouterr().out


@pytest.mark.parametrize("chosen", [{}, {"BRIDGE_SCANNER": "off"}])
async def test_in_development_files_may_go_unscanned(chosen, capsys):
    """It is said at the start."""
    await open_scanner(load(**chosen), Telemetry("INFO")).scan(file(), 6)
    assert [json.loads(line)["action"] for line in capsys.readouterr().out.splitlines()] == ["no_scanner"]


async def test_in_production_no_file_goes_unscanned(capsys):
    """Without a scanner each is kept out, and it is said at the start."""
    scanner = open_scanner(load(BRIDGE_ENV="production"), Telemetry("INFO"))
    with pytest.raises(Unscannable):
        await scanner.scan(file(), 6)
    assert "no_scanner" in capsys.readouterr().out


def test_production_refuses_off():
    """The message says what to set."""
    with pytest.raises(Misconfigured, match="CLAMD_ADDRESS"):
        load(BRIDGE_ENV="production", BRIDGE_SCANNER="off")


def test_an_address_that_cannot_be_read_stops_the_start():
    with pytest.raises(Misconfigured, match="CLAMD_ADDRESS"):
        open_scanner(load(CLAMD_ADDRESS="clamd:3310"), Telemetry("INFO"))
