"""A sandbox of its own and a headless Chromium for tests of the page; without Chromium they are skipped."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "http://127.0.0.1:9"  # the discard port: the page is tested without a bridge
START_SECONDS = 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class SandboxProcess:
    """A sandbox in its own process."""

    process: subprocess.Popen[str]
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _start(port: int = 0) -> SandboxProcess:
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--bridge", NOBODY]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    running = SandboxProcess(process, "")
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if readable else ""
    if not line:
        running.stop()
        pytest.fail("the sandbox did not start")
    running.url = json.loads(line)["ready"].rstrip("/")
    return running


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., SandboxProcess]]:
    """Starts sandboxes and stops them after the test."""
    started: list[SandboxProcess] = []

    def start(port: int = 0) -> SandboxProcess:
        started.append(_start(port))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="module")
def page_sandbox() -> Iterator[SandboxProcess]:
    """One sandbox for a module; each page begins with it emptied."""
    running = _start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; CHROMIUM names one that is not on the path."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium found; install it or set CHROMIUM to its path")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Shown:
    """An open page and the sandbox behind it."""

    page: Any
    url: str

    def find(self, test_id: str) -> Any:
        return self.page.get_by_test_id(test_id)

    def ask(self, text: str, place: str = "general", user: str = "ada") -> None:
        """Type a question as a Teams user."""
        self.find("teams-user-select").select_option(user)
        self.find(f"teams-place-{place}").click()
        self.find("teams-compose").fill(text)
        self.find("teams-compose").press("Enter")

    def post(self, path: str, body: object, **options: Any) -> Any:
        answer = self.page.request.post(self.url + path, data=body, **options)
        assert answer.ok, f"{path}: {answer.status} {answer.text()}"
        return answer.json()

    def carry_over(self, text: str) -> str:
        """Do by hand what a bridge would do with a question: a Freshchat user and a conversation."""
        env = self.page.request.get(self.url + "/_sandbox/config").json()["env"]
        headers = {"Authorization": f"Bearer {env['FRESHCHAT_API_KEY']}"}
        fields = {"first_name": "Ada", "last_name": "Fenn", "reference_id": "t:1"}
        user = self.post("/v2/users", fields, headers=headers)
        words = {"message_parts": [{"text": {"content": text}}], "actor_type": "user", "actor_id": user["id"]}
        conversation = {
            "status": "new",
            "channel_id": env["FRESHCHAT_CHANNEL_ID"],
            "messages": [words],
            "users": [{"id": user["id"]}],
        }
        return str(self.post("/v2/conversations", conversation, headers=headers)["conversation_id"])


@pytest.fixture
def shown(page_sandbox: SandboxProcess, chromium: Any) -> Iterator[Shown]:
    """An English page on an empty sandbox; fails its test on console errors and on requests to other hosts."""
    context = chromium.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
    context.request.post(f"{page_sandbox.url}/_sandbox/reset", data={})
    page = context.new_page()
    complaints: list[str] = []
    foreign: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda call: None if _is_own(call.url, page_sandbox.url) else foreign.append(call.url))
    page.goto(page_sandbox.url)
    page.get_by_test_id("teams-place-general").wait_for()
    yield Shown(page, page_sandbox.url)
    context.close()
    assert complaints == []
    assert foreign == []


def _is_own(url: str, own: str) -> bool:
    return url.startswith((own + "/", "data:"))
