"""Runs the secret source's suite over the embedded one, and tests how that one keeps its files."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from adapters.local.files_secrets import LocalSecrets
from bridge.errors import Misconfigured, StoreFull
from bridge.ports import SecretSource
from tests.contract.secret_source_suite import SecretRig, SecretSourceSuite

KEY = Fernet.generate_key().decode()


class FolderRig:
    """Opens sources on one folder, and harms it as only root cannot escape: with things of the wrong kind."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ

    async def open(self) -> SecretSource:
        return LocalSecrets(self.folder, self.environ)

    async def break_it(self) -> None:
        """Put a file where the folder was."""
        self.folder.rename(self.folder.with_name("moved"))
        self.folder.write_text("not a folder")


@pytest.fixture(params=["key in the environment", "generated key"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> SecretRig:
    environ = {"BRIDGE_SECRET_KEY": KEY} if request.param == "key in the environment" else {}
    folder = FolderRig(tmp_path / "secrets", environ)
    return SecretRig(open=folder.open, break_it=folder.break_it)


class TestLocalSecrets(SecretSourceSuite):
    """The embedded secret source keeps the contract."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_environment_comes_first(folder: Path) -> None:
    """With several live versions separated by semicolons, newest first."""
    environ: dict[str, str] = {}
    secrets = LocalSecrets(folder, environ)
    await secrets.put("TOKEN", "from the file")
    environ["TOKEN"] = " new ; old;"
    assert list(await secrets.get("TOKEN")) == ["new", "old"]
    environ["TOKEN"] = ""
    assert list(await secrets.get("TOKEN")) == ["from the file"]


async def test_a_secret_from_the_environment_cannot_be_stored_over(folder: Path) -> None:
    """It would seem to work and change nothing."""
    secrets = LocalSecrets(folder, {"TOKEN": "given"})
    with pytest.raises(StoreFull, match="environment"):
        await secrets.put("TOKEN", "new")


async def test_a_secret_from_the_environment_cannot_be_changed(folder: Path) -> None:
    secrets = LocalSecrets(folder, {"TOKEN": "given"})
    with pytest.raises(StoreFull, match="environment"):
        await secrets.change("TOKEN", lambda _: "new")


async def test_what_is_stored_is_listed_by_name(folder: Path) -> None:
    """With the number of live versions, and no value."""
    secrets = LocalSecrets(folder, {"elsewhere": "in the environment"})
    assert dict(await secrets.stored()) == {}
    for value in ("1", "2"):
        await secrets.put("b", value, keep=2)
    await secrets.put("a", "1")
    assert dict(await secrets.stored()) == {"a": 1, "b": 2}


async def test_the_key_itself_is_never_handed_out(folder: Path) -> None:
    assert list(await LocalSecrets(folder, {"BRIDGE_SECRET_KEY": KEY}).get("BRIDGE_SECRET_KEY")) == []


@pytest.mark.parametrize("environ", [{}, {"BRIDGE_SECRET_KEY": KEY}])
async def test_files_are_private_and_unreadable(folder: Path, environ: dict[str, str]) -> None:
    """Nobody else may read them, nothing is in clear, nothing temporary stays behind."""
    await LocalSecrets(folder, environ).put("token", "hush-hush", keep=2)
    assert mode(folder) == 0o700
    files = {path.name: path for path in folder.iterdir()}
    assert set(files) == {"token.secret", ".lock"} | (set() if environ else {".key"})
    assert {mode(path) for path in files.values()} == {0o600}
    assert b"hush" not in files["token.secret"].read_bytes()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", ".key", "a\0b", "a b", "é", "x" * 129, "a\n"]
)
async def test_a_name_cannot_leave_the_folder(folder: Path, name: str) -> None:
    secrets = LocalSecrets(folder, {name: "x"})
    with pytest.raises(Misconfigured, match="name"):
        await secrets.get(name)
    with pytest.raises(Misconfigured, match="name"):
        await secrets.put(name, "value")
    assert not folder.exists()


async def test_a_wrong_key_says_what_to_do(folder: Path) -> None:
    """With the name of the secret and of the setting, and without any value."""
    await LocalSecrets(folder, {"BRIDGE_SECRET_KEY": KEY}).put("token", "hush-hush")
    other = Fernet.generate_key().decode()
    for environ in ({"BRIDGE_SECRET_KEY": other}, {}):
        with pytest.raises(Misconfigured, match=r"token.*BRIDGE_SECRET_KEY") as caught:
            await LocalSecrets(folder, environ).get("token")
        assert KEY not in str(caught.value)
        assert other not in str(caught.value)


async def test_a_wrong_key_overwrites_nothing(folder: Path) -> None:
    await LocalSecrets(folder, {"BRIDGE_SECRET_KEY": KEY}).put("token", "kept")
    with pytest.raises(Misconfigured):
        await LocalSecrets(folder, {"BRIDGE_SECRET_KEY": Fernet.generate_key().decode()}).put("token", "new")
    assert list(await LocalSecrets(folder, {"BRIDGE_SECRET_KEY": KEY}).get("token")) == ["kept"]


def test_a_key_that_is_none_stops_the_start(folder: Path) -> None:
    with pytest.raises(Misconfigured, match="BRIDGE_SECRET_KEY is not a key") as caught:
        LocalSecrets(folder, {"BRIDGE_SECRET_KEY": "too-short"})
    assert "too-short" not in str(caught.value)


async def test_the_key_can_be_changed(folder: Path) -> None:
    """Both keys for a while: old files stay readable, new ones need the new key only."""
    new = Fernet.generate_key().decode()
    await LocalSecrets(folder, {"BRIDGE_SECRET_KEY": KEY}).put("token", "value")
    both = LocalSecrets(folder, {"BRIDGE_SECRET_KEY": f"{new};{KEY}"})
    assert list(await both.get("token")) == ["value"]
    await both.put("token", "value")
    assert list(await LocalSecrets(folder, {"BRIDGE_SECRET_KEY": new}).get("token")) == ["value"]


async def test_an_emptied_key_file_is_reported(folder: Path) -> None:
    """A new key in its place would make the secrets beside it unreadable for good."""
    await LocalSecrets(folder, {}).put("token", "value")
    (folder / ".key").write_text("")
    with pytest.raises(Misconfigured, match="empty"):
        await LocalSecrets(folder, {}).put("other", "value")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="file modes do not stop this user")
async def test_a_folder_that_cannot_be_written_says_so(folder: Path) -> None:
    secrets = LocalSecrets(folder, {})
    await secrets.put("token", "value")
    (folder / ".lock").chmod(0o400)
    with pytest.raises(StoreFull):
        await secrets.put("token", "another")
    assert list(await secrets.get("token")) == ["value"]
