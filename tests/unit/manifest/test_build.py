"""`manifest build` writes a package that Teams takes, with the same bytes everywhere, or says what to change."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bridgectl.manifest import package, template
from bridgectl.manifest.agreement import RIGHTS
from sandbox.teams.graph_access import READ_CHANNEL, READ_CHAT

ROOT = Path(__file__).resolve().parents[3]
BOT, HOST = "11111111-2222-4333-8444-555555555555", "bridge.contoso.com"
OTHER = "99999999-2222-4333-8444-555555555555"


def built(path: Path) -> dict[str, Any]:
    """Read the manifest of a package."""
    with zipfile.ZipFile(path) as zipped:
        assert zipped.testzip() is None
        return dict(json.loads(zipped.read("manifest.json")))


def outputs(folder: Path, **changes: Any) -> Path:
    """Write what `terraform output -json` prints, with changes to the output `manifest`."""
    values = {
        "bot_id": OTHER,
        "web_application_id": OTHER,
        "web_application_address": "https://tf.contoso.com",
        "valid_domains": ["tf.contoso.com"],
    }
    path = folder / "outputs.json"
    url = changes.pop("public_url", "https://tf.contoso.com")
    written = {
        "manifest": {"sensitive": False, "type": "object", "value": values | changes},
        "public_url": {"sensitive": False, "type": "string", "value": url},
    }
    path.write_text(json.dumps(written), encoding="utf-8")
    return path


def test_a_package_has_its_files_and_values(manifest, tmp_path):
    """And nothing else; the values are those of the settings and of the project."""
    said = manifest("build", "--env", "prod")
    path = tmp_path / "dist" / "teams-app-prod.zip"
    assert f"dist/{path.name}: for {HOST}" in said
    with zipfile.ZipFile(path) as zipped:
        assert zipped.namelist() == ["manifest.json", "color.png", "en.json", "ko.json", "outline.png"]
    app = built(path)
    assert (app["bots"][0]["botId"], app["webApplicationInfo"]["id"]) == (BOT, BOT)
    assert (app["validDomains"], app["webApplicationInfo"]["resource"]) == ([HOST], f"https://{HOST}")
    assert f'version = "{app["version"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "ok       teams-app-prod.zip: bot id" in manifest("check", path)


def test_bytes_depend_on_nothing_but_the_contents(manifest, tmp_path, monkeypatch):
    """Not on the day, the folder or what lay there before."""
    manifest("build", "--env", "prod", "--out", tmp_path / "a")
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    (elsewhere / "teams-app-prod.zip").write_bytes(b"old")
    later = time.time() + 400 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.chdir(elsewhere)
    manifest("build", "--env", "prod", "--out", ".")
    first = (tmp_path / "a" / "teams-app-prod.zip").read_bytes()
    assert (elsewhere / "teams-app-prod.zip").read_bytes() == first
    assert [path.name for path in elsewhere.iterdir()] == ["teams-app-prod.zip"]


def test_bytes_do_not_depend_on_the_order_of_files():
    files = {"manifest.json": b"{}", "a.png": b"a", "b.png": b"b" * 1000}
    assert package.pack(files) == package.pack(dict(reversed(files.items())))
    with zipfile.ZipFile(io.BytesIO(package.pack(files))) as zipped:
        assert {entry.compress_type for entry in zipped.infolist()} == {zipfile.ZIP_STORED}


def test_environments_can_be_installed_side_by_side(manifest, tmp_path):
    """Each is another app for Teams, with another name in every language; each keeps its id."""
    names, ids = set(), []
    for env in ("dev", "stg", "prod", "prod"):
        manifest("build", "--env", env)
        path = tmp_path / "dist" / f"teams-app-{env}.zip"
        ids.append(built(path)["id"])
        with zipfile.ZipFile(path) as zipped:
            names |= {json.loads(zipped.read(f"{language}.json"))["name.short"] for language in ("en", "ko")}
    assert len(set(ids)) == 3 and ids[2] == ids[3]
    assert len(names) == 6


def test_environments_are_those_of_terraform():
    tfvars = {path.stem for path in (ROOT / "infra/terraform/azure/environments").glob("*.tfvars")}
    assert set(template.environments().environments) == tfvars


def test_outputs_replace_the_settings(manifest, tmp_path):
    manifest("build", "--env", "dev", "--outputs", outputs(tmp_path))
    path = tmp_path / "dist" / "teams-app-dev.zip"
    app = built(path)
    assert (app["bots"][0]["botId"], app["validDomains"]) == (OTHER, ["tf.contoso.com"])
    manifest("check", path, "--outputs", outputs(tmp_path))
    assert "MicrosoftAppId" in manifest("check", path, code=1)


def test_outputs_are_those_that_terraform_has():
    text = (ROOT / "infra/terraform/azure/outputs.tf").read_text(encoding="utf-8")
    block = text[text.index('output "manifest"') :].partition("\n}\n")[0]
    assert {"bot_id", "web_application_id"} <= set(re.findall(r"^    (\w+) +=", block, re.MULTILINE))
    assert 'output "public_url"' in text


def test_permissions_can_be_left_out(manifest, tmp_path, monkeypatch):
    """With a word of what that costs, unless the settings say that it is meant."""
    said = manifest("build", "--env", "prod", "--without-rsc")
    assert "authorization" not in built(tmp_path / "dist" / "teams-app-prod.zip")
    assert "BRIDGE_CHANNEL_MESSAGES=mention" in said
    monkeypatch.setenv("BRIDGE_CHANNEL_MESSAGES", "mention")
    assert "rights" not in manifest("build", "--env", "prod", "--without-rsc")


def test_permissions_are_those_that_reading_back_takes():
    """The sandbox's Graph, which refuses as Graph does, takes each of them for one kind of place."""
    channel, chat = RIGHTS
    assert (channel in READ_CHANNEL, chat in READ_CHAT) == (True, True)


@pytest.mark.parametrize(
    ("variables", "options", "told"),
    [
        ({}, ("--env", "production"), "there are: prod, stg, dev"),
        ({"MicrosoftAppId": "my-bot"}, ("--env", "prod"), "MicrosoftAppId is not a GUID"),
        ({"MicrosoftAppId": "00000000-0000-0000-0000-000000000000"}, ("--env", "prod"), "MicrosoftAppId is not a GUID"),
        ({"MicrosoftAppId": ""}, ("--env", "prod"), "MicrosoftAppId missing"),
        ({"BRIDGE_PUBLIC_URL": ""}, ("--env", "prod"), "BRIDGE_PUBLIC_URL missing"),
        ({"BRIDGE_PUBLIC_URL": "http://bridge.contoso.com"}, ("--env", "prod"), "BRIDGE_PUBLIC_URL must be https"),
        ({"BRIDGE_PUBLIC_URL": "https://localhost"}, ("--env", "prod"), "a name that Teams can reach"),
        ({"BRIDGE_PUBLIC_URL": "https://10.1.2.3"}, ("--env", "prod"), "a name that Teams can reach"),
        (
            {"BRIDGE_PUBLIC_URL": "https://bridge.contoso.com:port"},
            ("--env", "prod"),
            "BRIDGE_PUBLIC_URL is not an addr",
        ),
    ],
)
def test_what_is_wrong_is_named(manifest, tmp_path, monkeypatch, variables, options, told):
    """Nothing is written then (exit code 2)."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert told in manifest("build", *options, code=2)
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bot_id": "x"}, "another app than bot_id"),
        ({"bot_id": "x", "web_application_id": "x"}, "manifest.bot_id of"),
        ({"public_url": "http://tf.contoso.com"}, "public_url of"),
        ({"public_url": None}, "must be https"),
    ],
)
def test_outputs_that_are_wrong_are_named(manifest, tmp_path, changes, told):
    assert told in manifest("build", "--env", "prod", "--outputs", outputs(tmp_path, **changes), code=2)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"manifest": {}}', "\x00", "[" * 100_000])
def test_outputs_that_are_none_are_named(manifest, tmp_path, content):
    path = tmp_path / "outputs.json"
    path.write_text(content, encoding="utf-8")
    assert "terraform output -json" in manifest("build", "--env", "prod", "--outputs", path, code=2)


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "1.0.0-rc1", "01.0.0", "1.0.0.0"])
def test_a_version_has_three_numbers(manifest, tmp_path, version):
    """Nothing is written of what the check would refuse (exit code 1)."""
    assert "three numbers" in manifest("build", "--env", "prod", "--version", version, code=1)
    assert not (tmp_path / "dist").exists()


def test_a_folder_that_cannot_be_written_is_named(manifest, tmp_path):
    (tmp_path / "dist").write_text("a file")
    assert "dist" in manifest("build", "--env", "prod", code=2)


# --- manifest/environments.toml


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A template of one's own."""
    path = tmp_path / "manifest"
    path.mkdir()
    for name in ("manifest.json", "ko.json", "environments.toml", "color.png", "outline.png"):
        (path / name).write_bytes((template.FOLDER / name).read_bytes())
    return path


def fill(folder: Path, env: str = "prod") -> dict[str, bytes]:
    return template.fill(env, template.Deployment(bot_id=BOT, host=HOST), "1.0.0", folder=folder)


def test_an_app_can_keep_its_id(folder):
    """That of an app that people have already."""
    path = folder / "environments.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('suffix = ""', f'suffix = ""\napp_id = "{OTHER}"'))
    assert json.loads(fill(folder)["manifest.json"])["id"] == OTHER


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("environments.toml", "[developer]", "[developers]", "developer"),
        ("environments.toml", "https://www.example.com/terms", "http://www.example.com/terms", "developer.terms"),
        ("environments.toml", 'suffix = ""', 'app_id = "1"', "environments.prod.app_id"),
        ("environments.toml", "[names.ko]", "[names.fr]", "names.ko is missing"),
        ("environments.toml", "[names.ko]", "[names.ko", "not TOML"),
        ("manifest.json", "${host}", "${hots}", "`${hots}` names no value"),
        ("manifest.json", "{", "", "not JSON"),
        ("manifest.json", '"color.png"', '"colour.png"', "colour.png: cannot be read"),
    ],
)
def test_a_template_that_is_wrong_is_named(folder, file, old, new, told):
    """With the file, and what is wrong in it."""
    path = folder / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(template.Misconfigured, match=re.escape(told)):
        fill(folder)


def test_a_template_that_is_not_there_is_named(tmp_path):
    with pytest.raises(template.Misconfigured, match="in a checkout"):
        fill(tmp_path)
