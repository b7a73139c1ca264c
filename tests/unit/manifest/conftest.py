"""A package as `build` makes it, to be broken in one place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bridgectl.manifest import cli, package, template
from bridgectl.manifest.deployment import Deployment

BOT, HOST = "11111111-2222-4333-8444-555555555555", "bridge.contoso.com"
DEPLOYMENT = Deployment(bot_id=BOT, host=HOST)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings that are in agreement with the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MicrosoftAppId", BOT)
    monkeypatch.setenv("BRIDGE_PUBLIC_URL", f"https://{HOST}")


@pytest.fixture
def files() -> dict[str, bytes]:
    return template.fill("prod", DEPLOYMENT, "1.2.3")


Command = Callable[..., str]


@pytest.fixture
def manifest() -> Command:
    """Run `bridgectl manifest …`, which must end with this code; give what it prints."""

    def run(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return run


Findings = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def problems(manifest: Command, tmp_path: Path) -> Findings:
    """Check these files as a zip; give what is not as it should be."""

    def check(files: dict[str, bytes], *options: object, code: int = 1) -> list[dict[str, Any]]:
        path = tmp_path / "app.zip"
        path.write_bytes(package.pack(files))
        found = json.loads(manifest("check", path, "--json", *options, code=code))["checks"]
        return [finding for finding in found if finding["status"] in ("problem", "warning")]

    return check
