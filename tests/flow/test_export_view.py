"""`export view` as a process: who may read, what a browser is told, and what is left behind; its pages as files."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.archive_builder import SCRIPT, archive

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "bridgectl", "export", "view"]


@dataclass
class Viewed:
    """A running view."""

    process: subprocess.Popen[str]
    port: int
    path: str
    scratch: Path

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, quote(path, safe="/?=&%"), headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body


@pytest.fixture(scope="module")
def viewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewed]:
    folder = tmp_path_factory.mktemp("viewed")
    (folder / "tmp").mkdir()
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONUNBUFFERED": "1"}
    command = [*COMMAND, str(archive(folder)), "--no-browser", "--lang", "ko"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().strip())
        assert address.hostname == "127.0.0.1"
        yield Viewed(process, address.port or 0, address.path.removesuffix("/ko/index.html"), folder / "tmp")
        process.kill()


def test_the_address_is_the_key(viewed: Viewed) -> None:
    """Without its word there is nothing, under another host's name neither, and nothing can be sent."""
    page = f"{viewed.path}/ko/index.html"
    assert viewed.ask(page)[0] == 200
    assert len(viewed.path) > 30
    for other in ("/", "/ko/index.html", f"/{'x' * 32}/ko/index.html", f"{viewed.path}x/ko/index.html", "/favicon.ico"):
        assert viewed.ask(other)[0] == 404, other
    assert viewed.ask(page, Host="evil.example")[0] == 404
    assert viewed.ask(page, Host=f"localhost:{viewed.port}")[0] == 200
    assert {viewed.ask(page, method)[0] for method in ("POST", "PUT", "DELETE")} == {405}
    assert viewed.ask(f"{viewed.path}/fr/index.html")[0] == 404


@pytest.mark.parametrize(
    "page",
    [
        "ko/index.html",
        "en/conversation/c-nasty.1.html",
        "en/ticket/9000.1.html",
        "en/style.css",
        "en/attachments/freshchat/message_c-nasty-m4-1_scan.png",
        "en/nothing.html",
    ],
)
def test_the_browser_is_told_to_run_nothing(page: str, viewed: Viewed) -> None:
    """On every answer; nothing is kept, and no other site learns the address."""
    _, headers, _ = viewed.ask(f"{viewed.path}/{page}")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy.replace("allow-scripts", "scripts")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_files_are_saved_and_pictures_shown(viewed: Viewed) -> None:
    """A page that came as an attachment is bytes to save."""
    place = f"{viewed.path}/en/attachments"
    status, headers, body = viewed.ask(f"{place}/freshdesk/ticket_9000-1_virus.html.bin")
    assert (status, headers["Content-Type"], body) == (200, "application/octet-stream", SCRIPT.encode())
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''virus.html.bin"
    status, headers, body = viewed.ask(f"{place}/freshdesk/reply_90000-2_사진.png")
    assert (status, headers["Content-Type"], body[:4]) == (200, "image/png", b"\x89PNG")
    assert "Content-Disposition" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "../export_metadata.json",
        "%2e%2e/export_metadata.json",
        "freshchat/users.json",
        "attachments/..%2fexport_metadata.json",
        "..%2f..%2f..%2f..%2fetc/passwd",
    ],
)
def test_nothing_else_of_the_disk_is_served(path: str, viewed: Viewed) -> None:
    """Neither other files of the archive nor those above it."""
    assert viewed.ask(f"{viewed.path}/en/{path}")[0] == 404


def test_search_over_http(viewed: Viewed) -> None:
    """In Korean, with a question that is Korean."""
    _, _, body = viewed.ask(f"{viewed.path}/ko/search.html?q={quote('요청')}")
    assert "<mark>요청</mark>" in body.decode()
    assert "6건" in body.decode()


def test_it_ends_and_leaves_nothing(viewed: Viewed) -> None:
    """The index goes with it. (The last test of this module.)"""
    assert list(viewed.scratch.iterdir())
    viewed.process.send_signal(signal.SIGINT)
    assert viewed.process.wait(20) == 0
    assert list(viewed.scratch.iterdir()) == []


def static(root: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, str(root), "--static", str(out), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_static_pages_are_files(tmp_path: Path) -> None:
    """All of them, with copies of the attachments; none of ours goes over what is there."""
    root = archive(tmp_path, conversations=130)
    ran = static(root, tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    written = {
        file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*") if file.is_file()
    }
    assert f"{len(written):,} files written" in ran.stdout
    assert {
        "index.html",
        "conversations/2.html",
        "unlinked/2.html",
        "conversation/c-0000130.1.html",
        "ticket/9000.1.html",
        "search.html",
        "search/1.js",
        "attachments/freshdesk/ticket_9000-1_virus.html.bin",
    } <= written
    assert not any(name.endswith((".svg", ".html")) for name in written if name.startswith("attachments/"))
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0
    again = static(root, tmp_path / "out")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert static(root, tmp_path / "ko", "--lang", "xx").returncode == 2


def test_static_pages_that_fail_leave_nothing(tmp_path: Path) -> None:
    """A malformed list ends it in one line."""
    root = archive(tmp_path)
    (root / "freshchat/messages/c-0000003.json").write_text("[\n{\n]\n")
    ran = static(root, tmp_path / "out")
    assert ran.returncode == 2
    assert "c-0000003.json" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [file.name for file in tmp_path.iterdir()] == [root.name]
