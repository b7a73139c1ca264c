"""Formatting and mentions, both ways, in every scope and through both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from stack import Stack, running, texts
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYWHERE = [
    ({"scope": "channel", "channel": "general"}, "bot"),
    ({"scope": "channel", "channel": "general"}, "graph"),
    ({"scope": "groupChat"}, "bot"),
    ({"scope": "personal"}, "bot"),
]
SKYPE = "http://schema.skype.com"
COPY = (
    f'<blockquote itemscope="" itemtype="{SKYPE}/Reply" itemid="1767225600000"><strong itemprop="mri">Bo Lind</strong>'
    '<span itemprop="time"></span><p itemprop="preview">which floor?</p></blockquote>'
    '<p>%s <strong>floor 2</strong> &lt;b&gt; <a href="https://wiki.example/p">the guide</a></p>'
    f'<ul><li>하나<ol><li>둘</li></ol></li></ul><pre>a\n  b</pre><p><img itemtype="{SKYPE}/Emoji" alt="🙂"></p>'
)
READ = """> Bo Lind: which floor?
%s *floor 2* <b> the guide (https://wiki.example/p)
- 하나
  1. 둘
```
a
  b
```
🙂"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def graph(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The product with a signed-in service account."""
    async with running(tmp_path_factory.mktemp("graph"), bridge=False, BRIDGE_RETRY_WAIT="0.1") as stack:
        assert (await stack.bridgectl("graph", "login"))[0] == 0
        await stack.start_bridge()
        yield stack


@pytest.fixture(params=EVERYWHERE, ids=lambda case: f"{case[0]['scope']}-{case[1]}")
def somewhere(request: pytest.FixtureRequest, stack: Stack, graph: Stack) -> tuple[Stack, dict[str, str], str]:
    """A place in Teams, and the transport that answers there."""
    place, via = request.param
    return (graph if via == "graph" else stack), place, via


async def asked(stack: Stack, place: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Ask something; give what was said and the conversation it opened."""
    question = word()
    said = await stack.say(question, **place)
    return said, (await conversation_with(stack, question))["conversation_id"]


async def answered(stack: Stack, conversation: str, text: str, mark: str) -> dict[str, Any]:
    """Answer; give the message in Teams that holds the mark."""
    await stack.answer(conversation, text)
    thread = await thread_with(stack, mark)
    return dict(next(m for m in thread["messages"] if mark in m["text"]))


async def test_an_agent_reads_what_was_formatted(somewhere: tuple[Stack, dict[str, str], str]) -> None:
    """Light marks, the quoted message first, no markup; what was typed as `<b>` is there as typed."""
    stack, place, _ = somewhere
    question = word()
    await stack.say(question, html=COPY % question, **place)
    conversation = await conversation_with(stack, question)
    (shown,) = [text for text in texts(conversation, "user") if question in text]
    assert shown.endswith(READ % question)
    assert "Desk" not in shown, "the bot's own mention is gone"


async def test_a_person_named_by_a_person_is_named_to_the_agent(stack: Stack) -> None:
    """Beside formatting too, where the copy's spans are read."""
    question = word()
    people = {"mentions": ["minjun"], "scope": "groupChat"}
    said = await stack.say(f"@minjun {question}", html=f"@minjun <em>{question}</em>", **people)
    assert said["status"] == 200
    shown = texts(await conversation_with(stack, question), "user")[-1]
    name = next(p["name"] for p in stack.config["users"] if p["key"] == "minjun")
    assert shown.endswith(f"@{name} _{question}_")


async def test_an_agents_formatting_is_shown(somewhere: tuple[Stack, dict[str, str], str]) -> None:
    """Markdown becomes Teams' HTML; what an agent writes can hold no markup of its own."""
    stack, place, via = somewhere
    _, conversation = await asked(stack, place)
    mark = word()
    text = f"**{mark}** <script>x</script> <at>Ada</at>\n- one `a<b`\n- two\n\n2026. 11. 22. [go](https://x.example)"
    message = await answered(stack, conversation, text, mark)
    assert (message["via"] == "graph") == (via == "graph")
    assert message["html"].endswith(
        f"<p><strong>{mark}</strong> &lt;script&gt;x&lt;/script&gt; &lt;at&gt;Ada&lt;/at&gt;</p>"
        "<ul><li>one <code>a&lt;b</code></li><li>two</li></ul>"
        '<p>2026. 11. 22. <a href="https://x.example">go</a></p>'
    )


async def test_an_agents_html_is_shown(somewhere: tuple[Stack, dict[str, str], str]) -> None:
    """Harmless tags stay, all others go; a link says where it leads."""
    stack, place, _ = somewhere
    _, conversation = await asked(stack, place)
    mark = word()
    text = f'<p>{mark} <i>now</i><script>x</script></p><p><a href="https://evil.example">bank.example</a></p>'
    message = await answered(stack, conversation, text, mark)
    assert message["html"].endswith(
        f'<p>{mark} <em>now</em></p><p>bank.example (<a href="https://evil.example">https://evil.example</a>)</p>'
    )


async def test_an_agent_mentions_people(somewhere: tuple[Stack, dict[str, str], str]) -> None:
    """A member of the place is really mentioned (in a personal chat: named); a stranger stays text."""
    stack, place, via = somewhere
    _, conversation = await asked(stack, place)
    ada = next(p for p in stack.config["users"] if p["key"] == "ada")
    mark = word()
    text = f"{mark} @{ada['mail'].upper()}, @nobody@else.example"
    message = await answered(stack, conversation, text, mark)
    ids = {"bot": ada["teams_id"], "graph": "0"}
    name = ada["name"] if place["scope"] == "personal" else f'<at id="{ids[via]}">{ada["name"]}</at>'
    assert message["html"].endswith(f"<p>{mark} {name}, @nobody@else.example</p>")
    called = [one["mentioned"]["user"]["id"] for one in message.get("mentions", ())]
    assert called == ([ada["aad_id"]] if via == "graph" else [])


async def test_a_formatted_answer_whose_receipt_is_lost_is_shown_once(graph: Stack) -> None:
    """What was posted is found again, with its markup and its mentions, and is not posted twice."""
    _, conversation = await asked(graph, {"scope": "channel", "channel": "general"})
    mail = next(p["mail"] for p in graph.config["users"] if p["key"] == "minjun")
    mark = word()
    await graph.fault("graph", "status_after", match="POST .*/replies$", status=504, times=1)
    text = f"{mark} @{mail}:\n- `a  b`\n- **2 < 3** ~~4~~\n\n|x|y|\n|-|-|\n|1|2|\n```\nc\n  d\n```"
    await graph.answer(conversation, text)
    await graph.settled()
    await graph.clear_faults()
    thread = await thread_with(graph, mark)
    assert [m["via"] for m in thread["messages"] if mark in m["text"]] == ["graph"]


async def test_a_roster_that_fails_costs_the_mention_only(stack: Stack) -> None:
    """The answer arrives all the same, with the address as text."""
    _, conversation = await asked(stack, {"scope": "groupChat"})
    mail = next(p["mail"] for p in stack.config["users"] if p["key"] == "minjun")
    await stack.fault("connector", "status", status=500, times=None, match="GET .*/members/.*")
    mark = word()
    message = await answered(stack, conversation, f"{mark} @{mail} *x*", mark)
    await stack.clear_faults()
    assert message["html"].endswith(f"<p>{mark} @{mail} <em>x</em></p>")


async def test_a_long_formatted_answer_keeps_its_markup(stack: Stack) -> None:
    """Several messages, each whole, in order."""
    _, conversation = await asked(stack, {"scope": "personal"})
    mark = word()
    await stack.answer(conversation, "".join(f"- **{mark} {n}** {'단어 ' * 12}\n" for n in range(300)))
    await stack.settled()
    shown = [m["html"] for m in (await thread_with(stack, mark))["messages"] if mark in m["text"]]
    assert len(shown) > 1
    assert all(html.count("<li>") == html.count("</li>") and html.endswith("</li></ul>") for html in shown)
    assert [f"{mark} {n}</strong>" in "".join(shown) for n in range(300)] == [True] * 300
