"""An archive in a real browser, served and as files: it can be read and searched, and nothing in it runs.

With SCREENSHOTS=<folder> the picture of docs/archive-reading.md is taken from this run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archive_builder import archive

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "bridgectl", "export", "view"]
Open = Callable[[str], Any]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("archive"), conversations=120, tickets=12)


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[str]:
    command = [*COMMAND, str(root), "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removesuffix("/index.html")
        process.terminate()


@pytest.fixture(scope="module")
def files(root: Path) -> str:
    out = root.parent / "out"
    subprocess.run([*COMMAND, str(root), "--static", str(out)], cwd=ROOT, check=True, capture_output=True, timeout=60)
    return out.as_uri()


@pytest.fixture(params=["served", "files"])
def show(request: pytest.FixtureRequest, chromium: Any) -> Iterator[Open]:
    """Opens pages of both kinds; fails its test on anything that was blocked, failed, or went elsewhere."""
    base = request.getfixturevalue(request.param)
    page = chromium.new_page(locale="ko-KR", viewport={"width": 1200, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append("dialog"))
    page.on(
        "request", lambda call: None if call.url.startswith(base.rsplit("/", 1)[0]) else complaints.append(call.url)
    )

    def show_page(name: str) -> Any:
        page.goto(f"{base}/{name}")
        return page

    yield show_page
    page.close()
    assert complaints == []


def test_a_chat_is_found_and_read(show: Open) -> None:
    """From the first page by a Korean word, a part of a longer one, to the chat and on to its ticket."""
    page = show("index.html")
    page.locator("header input").fill("요청")
    page.locator("header input").press("Enter")
    page.locator(".hit").first.wait_for()
    assert page.locator("mark").first.inner_text() == "요청"
    show("conversation/c-0000002.1.html")
    assert page.locator(".message").count() == 3
    assert page.locator(".message.agent .text").inner_text() == "Which printer is it? (2)"
    page.get_by_role("link", name="#102").click()
    page.locator(".reply").first.wait_for()
    assert page.locator("h1").inner_text() == "프린터 문제 102"
    page.locator("dd a").click()
    page.locator(".message").first.wait_for()


def test_nothing_of_the_archive_runs(show: Open) -> None:
    """Scripts in chats, subjects, mails and file names are text; pictures are shown, and only those of the archive."""
    for name in ("conversation/c-nasty.1.html", "ticket/9000.1.html", "tickets/1.html", "files/1.html"):
        page = show(name)
        assert page.title() != "owned"
        assert page.evaluate("[...document.images].filter(i => i.getAttribute('src')).every(i => i.naturalWidth > 0)")
    page = show("conversation/c-nasty.1.html")
    assert page.locator(".message .text").first.inner_text().startswith("Hello <script>")
    assert page.locator(".picture img").count() == 1


def test_a_file_that_could_run_is_saved(show: Open) -> None:
    """Under a name that does nothing."""
    page = show("ticket/9000.1.html")
    with page.expect_download() as saving:
        page.get_by_role("link", name="virus.html").click()
    assert saving.value.suggested_filename.endswith(".html.bin")


def test_lists_are_walked_page_by_page(show: Open) -> None:
    """A hundred rows on each, newest first."""
    page = show("conversations/1.html")
    assert page.locator("tbody tr").count() == 100
    page.locator("a[rel=next]").first.click()
    page.locator("a[rel=prev]").first.wait_for()
    assert page.locator("tbody tr").count() == 23


def test_the_language_is_a_link_away(served: str, chromium: Any) -> None:
    """On the same page."""
    page = chromium.new_page()
    page.goto(f"{served}/unlinked/1.html")
    assert page.locator("h1").inner_text().startswith("Chats without a ticket")
    page.get_by_role("link", name="한국어").click()
    assert page.locator("h1").inner_text().startswith("티켓 없는 채팅")
    page.get_by_role("link", name="English").wait_for()
    page.close()


def test_it_fits_a_phone(served: str, chromium: Any) -> None:
    """Nothing is wider than the screen."""
    page = chromium.new_page(viewport={"width": 360, "height": 740})
    for name in (
        "index.html",
        "conversations/1.html",
        "conversation/c-nasty.1.html",
        "ticket/9000.1.html",
        "report.html",
    ):
        page.goto(f"{served}/{name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
    page.close()


def test_the_picture_of_the_docs(served: str, chromium: Any) -> None:
    """A chat with a note, a bot and files."""
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    page.goto(f"{served}/conversation/c-nasty.1.html")
    assert page.locator(".message").count() == 6
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "archive.png")
    page.close()
