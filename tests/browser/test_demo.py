"""`make demo`, as a stranger sees it: type as an employee, answer as an agent, in a real browser."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = api.expect
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 20_000


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """The whole product as `make demo` starts it; gives the page's address and stops it as Ctrl-C does."""
    port = _free_port()
    command = [sys.executable, "-m", "bridgectl", "sandbox", "--port", str(port), "--bridge-port", str(_free_port())]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = next((line for line in process.stdout if f":{port}" in line), "")
        assert f"http://127.0.0.1:{port}" in told, "the demo tells where its page is"
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, "Ctrl-C ends the demo cleanly"


@pytest.fixture
def page(demo: str, chromium: Any) -> Iterator[Any]:
    """An open page of the running demo that may not say anything on the console."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(demo)
    yield page
    context.close()
    assert said == []


def _ask(page: Any, text: str, place: str, user: str) -> None:
    page.get_by_test_id("teams-user-select").select_option(user)
    page.get_by_test_id(f"teams-place-{place}").click()
    page.get_by_test_id("teams-compose").fill(text)
    page.get_by_test_id("teams-compose").press("Enter")


def _answer(page: Any, asker: str, text: str, *, note: bool = False) -> None:
    page.get_by_test_id("fc-conversation").filter(has_text=asker).click()
    page.get_by_test_id("fc-private").set_checked(note)
    page.get_by_test_id("fc-compose").fill(text)
    page.get_by_test_id("fc-send").click()


def _arrives(page: Any, test_id: str, text: str) -> None:
    expect(page.get_by_test_id(test_id).filter(has_text=text).first).to_be_visible(timeout=PATIENCE_MS)


def test_a_question_is_answered_in_its_thread_and_a_note_is_not(page: Any) -> None:
    """Channel and personal chat, English and Korean: answers arrive where they were asked; the note stays inside."""
    _ask(page, "비밀번호가 만료되었는데 초기화해 주실 수 있나요?", "personal", "minjun")
    _arrives(page, "fc-conversation", "비밀번호가 만료되었는데")
    _answer(page, "김민준", "임시 비밀번호를 보내드렸습니다. 로그인 후 변경해 주세요.")
    _arrives(page, "teams-message", "임시 비밀번호를")

    _ask(page, "The badge printer on floor 2 says PAPER JAM 14. Can someone help?", "it-help", "ada")
    _arrives(page, "fc-conversation", "PAPER JAM 14")
    _answer(page, "Ada Fenn", "Known problem, part ordered last week.", note=True)
    _arrives(page, "fc-message", "Known problem")
    _answer(page, "Ada Fenn", "Hi Ada, please open the rear cover and pull the roll towards you. I am on my way too.")
    _arrives(page, "teams-message", "please open the rear cover")
    expect(page.get_by_test_id("teams-message").filter(has_text="Known problem")).to_have_count(0)
    rows = page.get_by_test_id("timeline-row")
    expect(rows.filter(has_text="PAPER JAM 14").first).to_be_visible()
    page.get_by_test_id("lang-select").select_option("ko")
    expect(page.locator("html")).to_have_attribute("lang", "ko")


def test_a_choice_is_made_and_reacted_to(page: Any) -> None:
    """Buttons of a ready answer: the choice reaches the agent, the card shows it; so does a reaction, and a command."""
    _ask(page, "Which cable do I need?", "personal", "ada")
    _arrives(page, "fc-conversation", "Which cable")
    page.get_by_test_id("fc-conversation").filter(has_text="Which cable").click()
    page.get_by_test_id("fc-examples").click()
    page.get_by_test_id("example-buttons").click()
    card = page.get_by_test_id("teams-message").filter(has=page.get_by_test_id("teams-card")).last
    card.get_by_role("button", name="Yes, it works").click()
    expect(card).to_contain_text("Chosen: Yes, it works")
    expect(card.get_by_test_id("teams-card-action")).to_have_count(0)
    _arrives(page, "fc-message", "Yes, it works")
    card.get_by_test_id("teams-react").click()
    page.get_by_test_id("react-like").click()
    _arrives(page, "fc-message", "👍")
    _arrives(page, "timeline-row", "reacted 👍")
    page.get_by_test_id("teams-commands").click()
    page.get_by_test_id("command-status").click()
    _arrives(page, "teams-message", "since")


def test_an_end_is_rated_and_an_edit_is_told(page: Any) -> None:
    """The agent reads the new words; the rating card gives its stars and its comment to Freshchat."""
    _ask(page, "The projector is dark", "personal", "minjun")
    _arrives(page, "fc-conversation", "The projector")
    message = page.get_by_test_id("teams-message").filter(has_text="The projector").last
    message.get_by_test_id("teams-edit").click()
    page.get_by_test_id("teams-edit-text").fill("The beamer is dark")
    page.get_by_test_id("teams-edit-save").click()
    page.get_by_test_id("fc-conversation").filter(has_text="김민준").first.click()
    _arrives(page, "fc-message", "The beamer is dark")
    page.get_by_test_id("fc-resolve").click()
    card = page.get_by_test_id("teams-card").last
    card.get_by_test_id("teams-card-text").fill("고맙습니다")
    card.get_by_role("button", name="★★★★", exact=True).click()
    expect(page.get_by_test_id("fc-rating")).to_contain_text("★★★★☆")
    expect(page.get_by_test_id("fc-rating")).to_contain_text("고맙습니다")
