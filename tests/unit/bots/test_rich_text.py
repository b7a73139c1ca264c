"""The HTML copy of a message, as an agent reads it."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.activity import to_event
from bots.message_text import read_text
from bots.rich_text import MAX_MARKUP, MAX_TAGS, PREVIEW, Named, is_rich, plain_text
from bridge.events import Event

APP = "f4c1d9a2-63b7-4e80-a5d4-19c7e2b80f36"
SKYPE = "http://schema.skype.com"


def mention(number, name):
    return f'<span itemscope="" itemtype="{SKYPE}/Mention" itemid="{number}">{name}</span>'


RECORDED = {
    "channel_formatted": """*Printer _report_*
See the guide (https://wiki.example/guide?a=1&b=2). @Ole Brandt typed <b>not bold</b> & 2*3*4 🙂
1. restart it
   - *hold* the button
2. print ~two~ a page

```
lpstat -p
  error: 5 < 6
```
Floor | State
2 | 종이 걸림""",
    "group_quoted": "> Mina Kwon: Which floor is it on?\nfloor 2",
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_formatted_message_is_readable(name, activity):
    """Every kind of formatting has a light mark; the bot's own mention is gone, and it is known to be meant."""
    event = to_event(activity(name), APP)
    assert isinstance(event, Event)
    assert (event.text, event.names_bot) == (RECORDED[name], True)


def test_a_referenced_message_is_quoted_once_and_shortened(activity):
    """Who said it and how it began, then what the person answers."""
    event = to_event(activity("personal_quoted"), APP)
    quote, answer = event.text.split("\n")
    assert quote.startswith("> Support Desk: 몇 층인가요? 자세히")
    assert len(quote) == len("> Support Desk: ") + PREVIEW
    assert quote.endswith("…")
    assert answer == "네, 2층입니다"


def test_a_message_that_came_with_both_kinds_of_quote_is_quoted_once(activity):
    """The copy shows it already."""
    raw = activity("group_quoted")
    raw["attachments"] += activity("personal_quoted")["attachments"][:1]
    assert read_text(raw, APP)[0] == RECORDED["group_quoted"]


def test_quotes_within_quotes_do_not_multiply_a_text():
    """Whatever the depth, the margin of a line has an end."""
    markup = "<blockquote>" * 50 + "x<br>" * 1000
    assert len(plain_text(markup)) < 20 * 1000


MARKUP = {
    "bold keeps its spaces outside": ("a <b> b </b>c", "a *b* c"),
    "marks within marks": ("<strong><em>x</em></strong>", "*_x_*"),
    "nothing in bold": ("a<b> </b>c", "a c"),
    "stars that were typed": ("<b>x</b> 2 * 3 * 4", "*x* 2 * 3 * 4"),
    "escaped twice stays escaped once": ("<b>x</b> &amp;lt;b&amp;gt;", "*x* &lt;b&gt;"),
    "a link that is its own label": ('<a href="https://x.example/">https://x.example</a>', "https://x.example"),
    "a link without its scheme": ('<a href="https://x.example/a">x.example/a</a>', "https://x.example/a"),
    "a link with a label": ('<a href="https://x.example/a">here</a>', "here (https://x.example/a)"),
    "a mail address": ('<a href="mailto:ada@x.example">ada@x.example</a>', "ada@x.example"),
    "a link to nowhere": ('<a href="javascript:alert(1)">here</a>', "here"),
    "bullets": ("<ul><li>a</li><li><p>b</p><p>c</p></li></ul>", "- a\n- b\n  c"),
    "a list in a list": ("<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>", "- a\n  1. b\n- c"),
    "a list directly in a list": ("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b"),
    "numbers from 3": ('<ol start="3"><li>a</li><li>b</li></ol>', "3. a\n4. b"),
    "inline code": ("<p>run <code>a  b</code> now</p>", "run `a b` now"),
    "code with a backtick": ("<code>a`b</code>", "`` a`b ``"),
    "a block of code": ("<pre>a\n  b\n\nc</pre>", "```\na\n  b\n\nc\n```"),
    "a block of code with a fence": ("<pre>```\nx</pre>", "````\n```\nx\n````"),
    "a quote": ("<blockquote><p>a</p><p>b</p></blockquote>c", "> a\n> b\nc"),
    "a heading": ("<h1>Title</h1>text", "*Title*\ntext"),
    "a table": ("<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2<br>3</td></tr></table>", "A | B\n1 | 2 3"),
    "line breaks": ("<p>a<br>b</p><p>&nbsp;</p><p><b>c</b></p>", "a\nb\n\n*c*"),
    "an emoji": (f'<p>ok <img itemtype="{SKYPE}/Emoji" alt="👍🏽"></p>', "ok 👍🏽"),
    "an emoji as Graph writes it": ('<p>ok <emoji id="like" alt="👍" title="Like"></emoji></p>', "ok 👍"),
    "somebody's own emoji": ('<customemoji id="x" alt="party parrot" source="y"></customemoji>', ":party parrot:"),
    "a picture and a file": (f'a<img itemtype="{SKYPE}/AMSImage" alt="image"><attachment id="1"></attachment>', "a"),
    "scripts and styles": ("<b>a</b><script>x</script><style>y</style><!-- z -->", "*a*"),
    "unknown tags": ("<b>a</b> <blink>b</blink>", "*a* b"),
    "a rule": ("a<hr>b", "a\n---\nb"),
    "Korean": ("<p><strong>긴급</strong>입니다</p><p>프린터가 안 돼요</p>", "*긴급*입니다\n프린터가 안 돼요"),
}


@pytest.mark.parametrize("name", MARKUP)
def test_markup_becomes_light_marks(name):
    """One row for every kind of markup; what was typed stays as typed."""
    markup, plain = MARKUP[name]
    assert read_text({"text": "?", "attachments": [{"contentType": "text/html", "content": markup}]}, APP)[0] == plain


MENTIONS = {
    "the bot once": (f"{mention(0, 'Desk')} <b>Desk</b>", [("Desk", True)], "*Desk*"),
    "the bot twice, both meant": (f"{mention(0, 'D')} a {mention(1, 'D')} <b>b</b>", [("D", True)] * 2, "a *b*"),
    "a second span without an entity": (f"{mention(0, 'D')} a {mention(0, 'D')} <b>b</b>", [("D", True)], "a @D *b*"),
    "a person who calls himself Desk": (f"{mention(0, 'Desk')} <b>b</b>", [("Desk", False)], "@Desk *b*"),
    "another name for the bot": (f"{mention(0, 'Hey')} <b>b</b>", [("Desk", True)], "*b*"),
    "numbers in another order": (
        f"{mention(1, 'Desk')} {mention(0, 'Bo')} <b>b</b>",
        [("Desk", True), ("Bo", False)],
        "@Bo *b*",
    ),
    "no entities": (f"{mention(0, 'Desk')} <b>b</b>", [], "@Desk *b*"),
}


@pytest.mark.parametrize("name", MENTIONS)
def test_mentions_in_the_copy(name):
    """Each entity of the bot takes one mention away; the others are shown by name."""
    markup, named, plain = MENTIONS[name]
    assert plain_text(markup, [Named(*one) for one in named]).strip() == plain


def test_plain_messages_are_read_as_before():
    """The copy of a message without formatting says nothing that its text does not."""
    markup = f'<div><div>{mention(0, "Desk")} a &lt;b&gt;<br><p>c</p></div></div><attachment id="1"></attachment>'
    assert not is_rich(markup)
    raw = {"text": "from text", "attachments": [{"contentType": "text/html", "content": markup}]}
    assert read_text(raw, APP)[0] == "from text"


@pytest.mark.parametrize("markup", ["<b>" * MAX_TAGS + "x<", "<b>x</b>" + "x" * MAX_MARKUP])
def test_a_copy_beyond_all_measure_is_not_read(markup):
    """The activity's text has to do: reading broken markup takes time that grows with the square."""
    raw = {"text": "from text", "attachments": [{"contentType": "text/html", "content": markup}]}
    assert read_text(raw, APP)[0] == "from text"


WORDS = st.text(st.characters(categories=["L", "N"], include_characters="*_~`<>&[]()#|\\ "), min_size=1, max_size=20)
TAGS = ["p", "div", "b", "em", "s", "ul", "ol", "li", "blockquote", "pre", "code", "h1", "table", "tr", "td", "span"]
TREES = st.recursive(
    WORDS.map(lambda text: html.escape(text, quote=False)),
    lambda inner: st.tuples(st.sampled_from(TAGS), st.lists(inner, max_size=4)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    ),
    max_leaves=12,
)


def letters(text):
    return re.sub(r"[^\w<>&\[\]()#\\]|_", "", text)


@given(TREES.filter(lambda markup: "<table" not in markup and "<tr" not in markup and "<td" not in markup))
def test_nothing_that_was_typed_is_lost(markup):
    """Whatever is nested in whatever: all letters arrive, in their order, once."""
    typed = letters(html.unescape(re.sub(r"<[^<>]+>", "", markup)))
    shown = letters(re.sub(r"(?m)^[ >]*(?:(?:- |\d+\. )[ >]*)+", "", plain_text(markup)))
    assert re.sub(r"[\d>]", "", shown) == re.sub(r"[\d>]", "", typed)
