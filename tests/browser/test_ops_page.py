"""The operators' page in a real browser, on the running product: English and Korean, both logins.

With SCREENSHOTS=<folder> the picture of docs/ops-page.md is taken from this run.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.world import DEFAULT_TENANT, build_world

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = api.expect
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 20_000
TOKEN = "operators-know-this-token"
SAID = ("Ada Fenn", "PAPER JAM", "프린터")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Product:
    """Sandbox and bridge, started as `make demo` does."""

    sandbox: str
    bridge: str


@contextmanager
def _running(**settings: str) -> Iterator[Product]:
    product = Product(f"http://127.0.0.1:{_free_port()}", f"http://127.0.0.1:{_free_port()}")
    ports = [url.rsplit(":", 1)[1] for url in (product.sandbox, product.bridge)]
    command = [sys.executable, "-m", "bridgectl", "sandbox", "--port", ports[0], "--bridge-port", ports[1]]
    authority = f"{product.sandbox}/entra/{DEFAULT_TENANT}/v2.0"
    own = {"BRIDGE_PUBLIC_URL": product.bridge, "OPS_AUTHORITY": authority, "BRIDGE_RETRY_WAIT": "0.2"}
    environment = os.environ | own | settings
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert next((line for line in process.stdout if f":{ports[0]}" in line), ""), "the product starts"
        try:
            yield product
        finally:
            process.send_signal(signal.SIGINT)
            ended = process.wait(60)
        assert ended == 0


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """With the operator token."""
    with _running(BRIDGE_OPS="token", OPS_TOKEN=TOKEN) as running:
        yield running


@dataclass
class Operator:
    """An open page, and hands on both sides of the bridge."""

    page: Any
    product: Product

    def find(self, selector: str) -> Any:
        return self.page.locator(selector)

    def control(self, path: str, **body: Any) -> Any:
        answer = self.page.request.post(f"{self.product.sandbox}/_sandbox/{path}", data=body)
        assert answer.ok, answer.text()
        return answer.json()

    def say(self, text: str, **more: Any) -> None:
        wanted = {"scope": "channel", "user": "ada", "channel": "general", "mention": True, "text": text} | more
        assert self.control("teams/messages", **wanted)["status"] == 200

    def arrived(self, text: str) -> bool:
        state = self.page.request.get(f"{self.product.sandbox}/_sandbox/freshchat/state").json()
        return sum(text in message["text"] for one in state["conversations"] for message in one["messages"]) == 1

    def enter(self, token: str = TOKEN) -> None:
        self.page.goto(f"{self.product.bridge}/ops")
        self.find("#token").fill(token)
        self.page.keyboard.press("Enter")

    def refuse_messages(self) -> None:
        self.control(
            "faults", on="freshchat", kind="status", match="POST .*/(conversations|messages)$", times=None, status=400
        )

    def clear_faults(self) -> None:
        assert self.page.request.delete(f"{self.product.sandbox}/_sandbox/faults").ok

    def until(self, what: Callable[[], bool]) -> None:
        for _ in range(PATIENCE_MS // 100):
            if what():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("did not happen")


@contextmanager
def _operator(chromium: Any, product: Product, locale: str = "en-US", **options: Any) -> Iterator[Operator]:
    """Open a browser whose console must stay silent (a breach of the page's policy would speak there)."""
    viewport = options.pop("viewport", {"width": 1280, "height": 900})
    context = chromium.new_context(viewport=viewport, locale=locale, **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    said: list[str] = []
    foreign: list[str] = []
    page.on("console", lambda line: said.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    ours = (product.bridge + "/", product.sandbox + "/entra/")
    page.on("request", lambda call: None if call.url.startswith(ours) else foreign.append(call.url))
    yield Operator(page, product)
    context.close()
    assert [line for line in said if "status of 401" not in line and "status of 503" not in line] == []
    assert foreign == []


@pytest.fixture
def operator(chromium: Any, product: Product) -> Iterator[Operator]:
    """An English browser."""
    with _operator(chromium, product) as opened:
        yield opened
        opened.clear_faults()


def _picture(operator: Operator, name: str, *, whole: bool = False) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        operator.page.screenshot(path=str(Path(folder) / name), full_page=whole)


def test_an_operator_sees_a_dead_letter_and_gets_it_delivered(operator: Operator) -> None:
    """Log in, watch numbers move, replay what was refused, look its reference up, log out."""
    page = operator.page
    operator.enter("not-the-token-at-all")
    expect(page.get_by_role("alert")).to_have_text("This token is not right.")
    operator.enter()
    expect(operator.find("#live")).to_have_text("Live")
    expect(operator.find("#letters-none")).to_have_text("No dead letters.")
    expect(page.get_by_test_id("to-freshchat-rate")).to_have_text("0")

    operator.say("The door is stuck")
    expect(page.get_by_test_id("to-freshchat-rate")).to_have_text("1")
    expect(page.get_by_test_id("to-freshchat-p50")).to_contain_text("ms")

    operator.refuse_messages()
    for text in ("PAPER JAM 14 on floor 2", "프린터가 또 멈췄어요"):
        operator.say(text)
    expect(operator.find("#letters tbody tr")).to_have_count(2)
    expect(page.get_by_test_id("to-freshchat-dead")).to_have_text("2")
    reference = operator.find("#letters tbody tr .link").first.inner_text()
    page.get_by_role("button", name=f"Details {reference}").click()
    expect(operator.find("#letter-body")).to_contain_text("<text 7>")
    assert [word for word in SAID if word in page.content()] == []
    _picture(operator, "letter.png")
    page.get_by_role("button", name="Close").click()

    operator.clear_faults()
    page.get_by_role("button", name=f"Replay {reference}").click()
    expect(operator.find("#confirm-text")).to_contain_text("This letter")
    page.keyboard.press("Escape")
    expect(operator.find("#letters tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Replay these 2").click()
    expect(operator.find("#confirm-text")).to_contain_text("2 dead letters")
    _picture(operator, "confirm.png")
    operator.find("#confirm").get_by_role("button", name="Replay").click()
    expect(operator.find("#done")).to_have_text("Back in the queue: 2.")
    expect(operator.find("#letters-none")).to_have_text("No dead letters.")
    operator.until(lambda: operator.arrived("PAPER JAM 14") and operator.arrived("프린터가"))

    operator.find("#search input").fill(reference.lower())
    page.keyboard.press("Enter")
    expect(operator.find("#recent tbody")).to_contain_text("accepted")
    expect(operator.find("#recent tbody")).to_contain_text("message.0")
    expect(operator.find("#recent tbody")).to_contain_text("sender told")
    _picture(operator, "search.png", whole=True)
    page.get_by_role("button", name="Show recent").click()
    expect(operator.find("#recent tbody")).to_contain_text("delivered")
    expect(operator.find("#recent tbody")).not_to_contain_text("accepted")
    expect(operator.find("#keys tbody tr")).to_contain_text("from the settings")
    assert [word for word in SAID if word in page.content()] == []

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Operator token")).to_be_visible()
    page.goto(f"{operator.product.bridge}/ops")
    expect(page.get_by_label("Operator token")).to_be_visible()


def test_the_page_speaks_korean_and_changes_when_asked(chromium: Any, product: Product) -> None:
    """The browser's language at first, the chosen one from then on; a letter is replayed in Korean too."""
    with _operator(chromium, product, "ko-KR") as operator:
        page = operator.page
        page.goto(f"{product.bridge}/ops")
        _picture(operator, "login-ko.png")
        expect(page.locator("html")).to_have_attribute("lang", "ko")
        page.get_by_label("운영자 토큰").fill(TOKEN)
        page.get_by_role("button", name="로그인").click()
        expect(operator.find("#live")).to_have_text("실시간")
        operator.refuse_messages()
        operator.say("PAPER JAM 15")
        expect(operator.find("#letters tbody tr")).to_have_count(1)
        operator.clear_faults()
        _picture(operator, "ops-ko.png", whole=True)
        page.get_by_role("button", name="다시 보내기").first.click()
        operator.find("#confirm").get_by_role("button", name="다시 보내기").click()
        expect(operator.find("#done")).to_have_text("1건을 대기열에 다시 넣었습니다.")
        operator.until(lambda: operator.arrived("PAPER JAM 15"))
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
        page.goto(f"{product.bridge}/ops")
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_filters_leave_what_was_asked_for(operator: Operator) -> None:
    """A filter narrows the list and the replay; nothing matches after it is empty."""
    operator.enter()
    operator.refuse_messages()
    operator.say("one")
    operator.say("two", scope="personal")
    expect(operator.find("#letters tbody tr")).to_have_count(2)
    operator.find("[name=direction]").select_option("to-freshchat")
    expect(operator.find("#letters tbody tr")).to_have_count(2)
    operator.clear_faults()
    operator.page.get_by_role("button", name="Replay these 2").click()
    operator.find("#confirm").get_by_role("button", name="Replay").click()
    expect(operator.find("#letters-none")).to_have_text("No dead letters with these filters.")
    operator.find("[name=direction]").select_option("")
    expect(operator.find("#letters-none")).to_have_text("No dead letters.")


def test_a_bridge_that_is_away_is_told_until_it_is_back(operator: Operator) -> None:
    """The page says what is the matter, keeps asking, and recovers by itself."""
    operator.enter()
    expect(operator.find("#live")).to_have_text("Live")
    operator.page.route("**/ops/state", lambda route: route.fulfill(status=503, json={"problem": "unavailable"}))
    expect(operator.find("#live")).to_have_text("Interrupted")
    expect(operator.find("#problem")).to_have_text("The store cannot be read right now. Trying again.")
    operator.page.unroute("**/ops/state")
    expect(operator.find("#live")).to_have_text("Live")
    expect(operator.find("#problem")).to_be_hidden()


def test_nobody_is_asked_while_nobody_looks(operator: Operator) -> None:
    """A hidden page stops asking, and asks at once when it is seen again."""
    operator.enter()
    expect(operator.find("#live")).to_have_text("Live")
    page = operator.page
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true}); "
        "document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.wait_for_timeout(500)  # what was under way ends
    asked: list[str] = []
    page.on("request", lambda call: asked.append(call.url))
    page.wait_for_timeout(5000)
    assert asked == []
    with page.expect_request("**/ops/state"):
        page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_cut_off(chromium: Any, product: Product, width: int, scheme: str) -> None:
    """At every width everything fits beside each other; pictures for those who look."""
    with _operator(chromium, product, viewport={"width": width, "height": 800}, color_scheme=scheme) as operator:
        operator.page.goto(f"{product.bridge}/ops")
        _picture(operator, f"login-{width}-{scheme}.png")
        operator.enter()
        operator.refuse_messages()
        operator.say(f"PAPER JAM at {width} {scheme}")
        operator.say(f"PAPER JAM again at {width} {scheme}")
        expect(operator.find("#letters tbody tr")).not_to_have_count(0)
        operator.clear_faults()
        operator.say("The heating is off")
        expect(operator.find("#keys tbody tr")).to_have_count(1)
        assert operator.page.evaluate("document.documentElement.scrollWidth") <= width
        _picture(operator, f"ops-{width}-{scheme}.png", whole=True)
        _picture(operator, f"ops-{width}-{scheme}-top.png")
        operator.page.get_by_role("button", name="Replay these").click()
        operator.find("#confirm").get_by_role("button", name="Replay").click()
        expect(operator.find("#letters-none")).to_be_visible()


def test_an_operator_signs_in_with_microsoft(chromium: Any) -> None:
    """Through Entra's page and back; somebody who is no operator stays outside."""
    ada, other = build_world().users
    with (
        _running(BRIDGE_OPS="entra", OPS_ALLOWED=ada.aad_id) as product,
        _operator(chromium, product) as operator,
    ):
        page = operator.page
        page.goto(f"{product.bridge}/ops")
        _picture(operator, "login-entra.png")
        page.get_by_role("link", name="Sign in with Microsoft").click()
        page.get_by_role("button", name=other.name).click()
        expect(page.get_by_role("alert")).to_have_text(
            "Your Microsoft account is not among the operators of this bridge."
        )
        page.get_by_role("link", name="Sign in with Microsoft").click()
        page.get_by_role("button", name=ada.name).click()
        expect(operator.find("#live")).to_have_text("Live")
        assert page.url == f"{product.bridge}/ops"
        page.reload()
        expect(operator.find("#live")).to_have_text("Live")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("link", name="Sign in with Microsoft")).to_be_visible()
