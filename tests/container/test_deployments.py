"""`fly.toml` and `compose.yaml` fit the image and the settings; neither platform is asked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.errors import Misconfigured
from bridge.settings import Settings, load
from tests.container.dockerfile import ROOT, stages

IMAGE = stages()[-1]
FLY = tomllib.loads((ROOT / "fly.toml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
BRIDGE = SERVICES["bridge"]
CLOSING = 10.0
"""Seconds that a process may take to close its connections after `BRIDGE_GRACE` (docs/operations.md)."""


def loaded(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Load settings from the image's variables and these, and from nothing else."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.title), raising=False)
    for name, value in (IMAGE.variables() | dict(variables)).items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    return load()


def unknown(variables: Mapping[str, str]) -> set[str]:
    """Name the variables that are no setting of ours."""
    return set(variables) - {str(field.title) for field in Settings.model_fields.values()}


@pytest.mark.parametrize("variables", [FLY["env"], BRIDGE["environment"]], ids=["fly.toml", "compose.yaml"])
def test_its_settings_exist_and_load(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = loaded(variables, monkeypatch, tmp_path)
    assert unknown(variables) == set()
    assert (settings.host, settings.port, settings.data_dir) == ("0.0.0.0", 3978, Path("/data"))


def test_a_setting_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As is one that is misspelt: the two checks above do look."""
    with pytest.raises(Misconfigured, match="BRIDGE_PUBLIC_URL must be https"):
        loaded(FLY["env"] | {"BRIDGE_PUBLIC_URL": "http://bridge.example.com"}, monkeypatch, tmp_path)
    assert unknown({"BRIDGE_CONCURENCY": "1"}) == {"BRIDGE_CONCURENCY"}


def test_secrets_stand_in_no_file_of_the_machine() -> None:
    """fly.toml names them in a comment only; each that it names is a setting or the key of the secret store."""
    secret = {str(field.title) for field in Settings.model_fields.values() if "SecretStr" in str(field.annotation)}
    assert not secret & set(FLY["env"])
    comments = "\n".join(re.findall(r"^#.*", (ROOT / "fly.toml").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\b(?:Microsoft\w+|[A-Z]+(?:_[A-Z]+)+)\b", comments))
    assert {"MicrosoftAppPassword", "FRESHCHAT_API_KEY", "BRIDGE_SECRET_KEY"} <= named
    assert unknown(dict.fromkeys(named, "")) == {"BRIDGE_SECRET_KEY"}


def test_fly_knows_the_image() -> None:
    """The port that it listens on, the volume where its data is, and a probe that it serves."""
    assert FLY["build"]["dockerfile"] == "Dockerfile"
    assert str(FLY["http_service"]["internal_port"]) == FLY["env"]["PORT"] == IMAGE.last("EXPOSE")
    assert [mount["destination"] for mount in FLY["mounts"]] == [IMAGE.last("VOLUME")]
    assert [check["path"] for check in FLY["http_service"]["checks"]] == ["/readyz"]


def test_fly_has_one_machine_that_is_never_stopped() -> None:
    """The stores are for one process; what is due is due without traffic too."""
    assert FLY["http_service"]["auto_stop_machines"] == "off"
    assert "processes" not in FLY
    assert "--ha=false" in (ROOT / "fly.toml").read_text(encoding="utf-8")


def test_a_stop_waits_for_what_is_under_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both wait longer than a stop may take, and begin it with the image's signal."""
    for variables, waits in (
        (FLY["env"], float(FLY["kill_timeout"])),
        (BRIDGE["environment"], float(BRIDGE["stop_grace_period"].removesuffix("s"))),
    ):
        assert waits > loaded(variables, monkeypatch, tmp_path).grace + CLOSING
    assert FLY["kill_signal"] == IMAGE.last("STOPSIGNAL")


def test_compose_runs_the_image_without_rights() -> None:
    assert BRIDGE["build"] == "."
    assert (BRIDGE["read_only"], BRIDGE["cap_drop"]) == (True, ["ALL"])
    assert [volume.split(":")[1] for volume in BRIDGE["volumes"]] == [IMAGE.last("VOLUME")]
    assert "user" not in BRIDGE, "the image's own"


def test_compose_starts_what_the_bridge_needs_first() -> None:
    """Every service that a setting names is in its profile and healthy before it starts; each is healthy by itself."""
    named = set(re.findall(r"(?:sb|http|tcp):(?://)?([a-z-]+)\b", " ".join(BRIDGE["environment"].values())))
    assert named == {"service-bus", "azurite", "clamd"}
    waits = BRIDGE["depends_on"]
    assert {one["condition"] for one in waits.values()} == {"service_healthy"}
    assert named - {"service-bus"} <= set(waits)
    assert "http://service-bus:" in str(SERVICES["emulators-ready"]["healthcheck"])
    for name in {*waits, *named, *SERVICES["emulators-ready"]["depends_on"]}:
        assert "bridge" in SERVICES[name]["profiles"], name
    assert all("healthcheck" in SERVICES[name] for name in waits)


def test_compose_publishes_the_bridge_where_its_network_is() -> None:
    """A container that shares a network publishes nothing itself, and the emulator's own address is then right."""
    assert BRIDGE["network_mode"] == "service:cosmos"
    assert any(port.endswith(":3978") and port.startswith("127.0.0.1:") for port in SERVICES["cosmos"]["ports"])
    assert BRIDGE["environment"]["AZURE_COSMOS_ENDPOINT"] == "http://127.0.0.1:8081"


def test_the_scanner_is_the_one_that_terraform_installs() -> None:
    sizes = (ROOT / "infra/terraform/azure/variables_size.tf").read_text(encoding="utf-8")
    assert f'"{SERVICES["clamd"]["image"]}"' in sizes
