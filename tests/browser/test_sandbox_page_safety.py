"""The sandbox's page in a real browser: harmless markup only, both languages complete, usable by everyone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.hands import Bridge, upload

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = api.expect


def test_the_language_can_be_switched_and_is_remembered(shown: Any) -> None:
    expect(shown.page.locator("html")).to_have_attribute("lang", "en")
    shown.find("lang-select").select_option("ko")
    expect(shown.page.locator("html")).to_have_attribute("lang", "ko")
    expect(shown.find("teams-compose")).to_have_attribute("placeholder", re.compile("[가-힣]"))
    expect(shown.page.locator("#desk")).to_contain_text("아직 대화가 없습니다")
    shown.page.reload()
    expect(shown.find("lang-select")).to_have_value("ko")
    shown.page.goto(shown.url + "/?lang=en")
    expect(shown.find("lang-select")).to_have_value("en")


def test_both_languages_have_every_text_with_the_same_placeholders(shown: Any) -> None:
    texts = shown.page.evaluate(
        """async () => {
          const [{ en }, { ko }] = await Promise.all([import('/page/texts-en.js'), import('/page/texts-ko.js')]);
          return { en, ko };
        }"""
    )
    assert texts["en"].keys() == texts["ko"].keys()
    for key, english in texts["en"].items():
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", texts["ko"][key])), key


MARKUP = [
    ("<strong>a</strong><em>b</em>", "<strong>a</strong><em>b</em>"),
    ("<p>a<br/>b</p>", "<p>a<br>b</p>"),
    ("<ul><li>a</li></ul><pre><code>x</code></pre>", "<ul><li>a</li></ul><pre><code>x</code></pre>"),
    ("a<script>alert(1)</script>b", "ab"),
    ("<img src=x onerror=alert(1)>a", "a"),
    ('<p onclick="alert(1)" style="color:red" class="x" id="y">a</p>', "<p>a</p>"),
    ('<a href="javascript:alert(1)">a</a>', "a"),
    ('<a href="java\tscript:alert(1)">a</a>', "a"),
    ('<a href="data:text/html,x">a</a>', "a"),
    ('<a href="/_sandbox/reset">a</a>', "a"),
    ("<svg><script>alert(1)</script></svg>b", "b"),
    ("<math><mtext><img src=x onerror=alert(1)></mtext></math>b", "b"),
    ('<iframe srcdoc="<script>alert(1)</script>"></iframe>b', "b"),
    ("<template><b>a</b></template>b", "b"),
    ("<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>b", "<p>b</p>"),
    ("<style>body{display:none}</style>b", "b"),
    ("<unknown><b>a</b></unknown>", "<strong>a</strong>"),
    ('<form action="https://evil.example"><button>a</button></form>', "a"),
    ("<s>a</s><table><tr><td width=1>b</td></tr></table>", "<s>a</s><table><tbody><tr><td>b</td></tr></tbody></table>"),
    ('<img src="https://evil.example/x.png" alt="<b>chart</b>">', "&lt;b&gt;chart&lt;/b&gt;"),
    ("&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;"),
]


@pytest.mark.parametrize(("markup", "kept"), MARKUP)
def test_only_harmless_markup_survives(shown: Any, markup: str, kept: str) -> None:
    assert sanitised(shown, markup) == kept


def test_links_open_elsewhere_without_handing_over_the_page(shown: Any) -> None:
    link = sanitised(shown, '<a href="https://example.com/?a=1&amp;b=2" target="_self" onclick="x()">a</a>')
    assert 'href="https://example.com/?a=1&amp;b=2"' in link
    assert 'rel="noopener noreferrer nofollow"' in link
    assert 'target="_blank"' in link
    assert "onclick" not in link


def sanitised(shown: Any, markup: str) -> str:
    script = """async (markup) => {
      const { safeFragment } = await import('/page/sanitize.js');
      const box = document.createElement('div');
      box.append(safeFragment(markup));
      document.body.append(box);
      const kept = box.innerHTML;
      box.remove();
      return kept;
    }"""
    return str(shown.page.evaluate(script, markup))


def test_typed_markup_is_shown_as_text(shown: Any) -> None:
    nasty = "<img src=x onerror=alert(1)><b>not bold</b>"
    shown.ask(nasty)
    expect(shown.find("teams-message")).to_contain_text(nasty)
    assert shown.page.locator("[data-testid=teams-message] img, [data-testid=teams-message] b").count() == 0


def test_every_control_has_a_name(shown: Any) -> None:
    shown.ask("A thread with its reply box")
    bridge = Bridge(shown)
    choices = [{"title": "Floor 1", "value": "1"}]
    fields = [{"type": "Input.ChoiceSet", "id": "a", "choices": choices}, {"type": "Input.Text", "id": "b"}]
    bridge.shows_card(*fields, {"type": "Input.ChoiceSet", "id": "c", "style": "expanded", "choices": choices})
    expect(shown.find("teams-card")).to_be_visible()
    shown.find("teams-message").first.get_by_test_id("teams-edit").focus()
    shown.page.keyboard.press("Enter")
    shown.find("teams-compose-files").set_input_files([upload("a.txt", "text/plain", b"a")])
    shown.carry_over("A conversation with its buttons")
    expect(shown.find("fc-conversation")).to_be_visible()
    nameless = shown.page.evaluate(
        """() => [...document.querySelectorAll('button, select, textarea, input, nav, [role=log]')].filter((node) => {
          const labels = [...(node.labels ?? [])].map((label) => label.textContent).join('');
          return !(node.getAttribute('aria-label') || node.textContent.trim() || labels.trim());
        }).map((node) => node.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


@pytest.mark.parametrize("width", [390, 700, 1100, 1440])
def test_nothing_is_cut_off_sideways(shown: Any, width: int) -> None:
    shown.page.set_viewport_size({"width": width, "height": 800})
    shown.ask("A rather long question " * 12 + "https://example.com/" + "x" * 200)
    expect(shown.find("teams-message")).to_be_visible()
    shown.carry_over("And another one " * 20)
    expect(shown.find("fc-message")).to_be_visible()
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("teams-send", "fc-send", "teams-commands", "fc-examples", "fc-resolve"):
        box = shown.find(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, name
