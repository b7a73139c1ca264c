"""An archive beside the accounts that it came from, all as processes: nothing was missed, and samples are the same."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archive_builder import rewrite, seal

ROOT = Path(__file__).resolve().parents[2]
CHATS = "freshchat/conversations.json"


@pytest.fixture(scope="module")
def accounts() -> Iterator[dict[str, str]]:
    """Two accounts with the nasty data set, and the settings that lead to them."""
    command = [sys.executable, "-m", "sandbox.archive_server", "--conversations", "40", "--tickets", "30"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["env"]
        process.terminate()


class Here:
    """Runs commands with these accounts."""

    def __init__(self, folder: Path, accounts: dict[str, str]) -> None:
        self.folder = folder
        self.environment = os.environ | accounts | {"BRIDGE_DATA_DIR": str(folder / "data")}

    def export(self, *arguments: str | Path, code: int = 0, **settings: str) -> tuple[str, str]:
        command = [sys.executable, "-m", "bridgectl", "export", *map(str, arguments)]
        environment = self.environment | settings
        ran = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ran.returncode == code, (arguments, ran.stdout[-3000:], ran.stderr[-3000:])
        assert "Traceback" not in ran.stderr
        return ran.stdout, ran.stderr

    def sample(self, root: Path, *more: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.export("sample", root, "--json", *more, code=code)[0])
        return found


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, accounts: dict[str, str]) -> Path:
    """What `export run` writes of them."""
    folder = tmp_path_factory.mktemp("exported")
    Here(folder, accounts).export("run", "--out", folder, "--no-reports", "--share", "1.0")
    return next(folder.glob("export_omni_*"))


@pytest.fixture
def here(tmp_path: Path, accounts: dict[str, str]) -> Here:
    return Here(tmp_path, accounts)


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """The archive, to be spoiled."""
    return Path(shutil.copytree(pristine, tmp_path / pristine.name))


def rows(root: Path, path: str) -> list[dict[str, Any]]:
    return list(json.loads((root / path).read_text("utf-8")))


def test_an_archive_of_the_accounts_is_whole(here: Here, root: Path) -> None:
    """Each list of theirs is in it, with the archived tickets that no list has."""
    found = json.loads(here.export("verify", root, "--against-source", "--json")[0])
    assert found["ok"] is True
    assert {counts["missing"] + counts["newer"] for counts in found["source"].values()} == {0}
    assert found["source"]["ticket"]["archive"] == len(rows(root, "freshdesk/tickets.json"))
    assert found["source"]["ticket"]["onlyInArchive"] > 0
    assert found["source"]["user"]["source"] > 10


def test_what_was_missed_is_named(here: Here, root: Path) -> None:
    """A chat, a ticket and a person that the accounts have, although the archive fits together without them."""
    chat, ticket = rows(root, CHATS)[3]["conversation_id"], rows(root, "freshdesk/tickets.json")[4]["id"]
    user = rows(root, "freshchat/users.json")[0]["id"]
    rewrite(root, CHATS, lambda all_rows: [row for row in all_rows if row["conversation_id"] != chat])
    rewrite(root, "freshdesk/tickets.json", lambda all_rows: [row for row in all_rows if row["id"] != ticket])
    rewrite(root, "freshchat/users.json", lambda all_rows: all_rows[1:])
    seal(root)
    found = json.loads(here.export("verify", root, "--against-source", "--json", code=1)[0])
    missed = {one["detail"] for one in found["findings"] if one["kind"] == "source"}
    assert missed == {f"{what} is in the account and not in the archive"
                      for what in (f"conversation {chat}", f"ticket {ticket}", f"user {user}")}  # fmt: skip


def test_what_is_newer_than_the_archive_is_no_finding(here: Here, root: Path) -> None:
    """An archive that began before the accounts did lacks nothing."""
    metadata = json.loads((root / "export_metadata.json").read_text())
    (root / "export_metadata.json").write_text(json.dumps(metadata | {"started": "2001-01-01T00:00:00Z"}))
    rewrite(root, "freshchat/users.json", lambda all_rows: all_rows[1:])
    found = json.loads(here.export("verify", root, "--against-source", "--json", code=1)[0])
    assert found["source"]["user"]["newer"] == 1
    assert "source" not in {one["kind"] for one in found["findings"]}


def test_what_the_base_archive_has_is_not_missed(here: Here, root: Path) -> None:
    """An archive of what has changed since is compared together with the one it adds to, which must be beside it."""
    before = set(root.parent.iterdir())
    here.export("run", "--out", root.parent, "--since", root, "--no-reports", "--share", "1.0")
    (more,) = (path for path in root.parent.iterdir() if path not in before and path.name.startswith("export_"))
    assert len(rows(more, CHATS)) < len(rows(root, CHATS))
    found = json.loads(here.export("verify", more, "--against-source", "--json")[0])
    assert found["ok"] is True
    assert found["source"]["conversation"]["missing"] == 0
    (root / "checksums.sha256").write_text("")
    assert "another fingerprint" in here.export("verify", more, "--against-source", code=2)[1]
    root.rename(root.parent / "elsewhere")
    assert "not beside it" in here.export("verify", more, "--against-source", code=2)[1]
    here.export("verify", more)


def test_samples_are_the_same(here: Here, root: Path) -> None:
    """Whatever is drawn, although addresses are signed anew; the result is beside the archive, with who has signed."""
    result = here.sample(root, "-n", "100", "--signed-by", " Ada Fenn ")
    assert set(result["summary"]) <= {"same", "deleted"}
    assert result["summary"]["same"] > 50
    assert result["signedBy"] == "Ada Fenn"
    assert json.loads(next(root.parent.glob("samples_*.json")).read_text("utf-8")) == result
    drawn = {(item["kind"], item["id"]) for item in result["items"]}
    assert len(drawn) == len(result["items"]), "nothing is drawn twice"
    assert ("conversation", rows(root, CHATS)[0]["conversation_id"]) in drawn


def test_who_compared_them_is_asked_for_on_a_terminal(here: Here, root: Path) -> None:
    """After both sides were shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bridgectl", "export", "sample", str(root), "-n", "1"]
    os.write(ours, "김민지\n".encode())
    with os.fdopen(theirs) as terminal:
        ran = subprocess.run(
            command,
            cwd=ROOT,
            env=here.environment,
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    os.close(ours)
    assert ran.returncode == 0, ran.stderr
    assert "Who has compared them?" in ran.stdout + ran.stderr
    assert json.loads(next(root.parent.glob("samples_*.json")).read_text("utf-8"))["signedBy"] == "김민지"


def test_the_same_seed_draws_the_same(here: Here, root: Path) -> None:
    """So a result can be checked; without one, each draw is another. No result is overwritten."""
    first, second, other = (here.sample(root, *more) for more in (["--seed", "5"], ["--seed", "5"], []))
    assert first["items"] == second["items"]
    assert {item["group"] for item in first["items"]} == {"conversations", "unlinked", "tickets"}
    assert other["seed"] != 5
    assert first["signedBy"] is None
    assert len(list(root.parent.glob("samples_*.json"))) == 3


def test_a_sample_that_differs_is_shown(here: Here, root: Path) -> None:
    """Side by side on the screen; in the result only where it differs, not what was written."""
    spoiled = next(file for file in sorted((root / "freshchat/messages").iterdir()) if file.stat().st_size > 200)
    secret = {"text": {"content": "WHAT-NOBODY-WROTE"}}

    def change(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [messages[0] | {"message_parts": [secret]}, *messages[1:]]

    rewrite(root, f"freshchat/messages/{spoiled.name}", change)
    said, _ = here.export("sample", root, "-n", "100", code=1)
    assert "WHAT-NOBODY-WROTE" in said
    text = next(root.parent.glob("samples_*.json")).read_text("utf-8")
    assert "WHAT-NOBODY-WROTE" not in text
    different = [item for item in json.loads(text)["items"] if item["result"] == "different"]
    assert [item["id"] for item in different] == [spoiled.stem]
    assert any("message_parts" in path for path in different[0]["differences"])


def test_a_sample_that_the_account_does_not_have_is_named(here: Here, root: Path) -> None:
    """It was deleted there, or was never there."""
    rewrite(root, CHATS, lambda _rows: [{"conversation_id": "never-there"}])
    result = here.sample(root, code=1)
    assert result["items"][0]["id"] == "never-there"
    assert result["items"][0]["result"] == "gone"


def test_clear_words_without_access(here: Here, root: Path) -> None:
    """A refused key, no key, nobody there: one line and 2."""
    assert "401" in here.export("sample", root, FRESHCHAT_API_KEY="wrong", code=2)[1]
    assert "FRESHDESK_API_KEY" in here.export("sample", root, FRESHDESK_API_KEY="", code=2)[1]
    assert not list(root.parent.glob("samples_*.json"))
