"""What an agent writes, as Teams is given it."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.ports import Member, Reply
from bridge.text import TEAMS
from cards import agent_reply, links
from cards.agent_text import MAX_FORMATTED, replies

settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=150)
settings.load_profile("unit")

ALLOWED = {"p", "br", "strong", "em", "s", "a", "ul", "ol", "li", "blockquote", "pre", "code", "at"}
GRACE = "Grace"


class Reader(HTMLParser):
    """Reads HTML strictly: knows only our tags, each closed in its turn, and only links as attributes."""

    def __init__(self, markup):
        super().__init__()
        self.opened, self.said, self.hrefs = [], "", []
        self.feed(markup)
        self.close()
        assert self.opened == []

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED, tag
        names = [name for name, _ in attrs]
        assert names == {"a": ["href"], "at": names}.get(tag, [])
        self.hrefs += [value for name, value in attrs if name == "href"]
        if tag == "br":
            self.said += "\n"
        else:
            self.opened.append(tag)

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag

    def handle_data(self, data):
        self.said += data

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def shown(text):
    """Give the text as the transports get it."""
    return "".join(agent_reply.render(reply) for reply in replies(text))


MARKDOWN = {
    "marks": ("**b** *i* _i_ ~~s~~", "<p><strong>b</strong> <em>i</em> <em>i</em> <s>s</s></p>"),
    "bold in the middle of a Korean word": ("이것은**중요**합니다", "<p>이것은<strong>중요</strong>합니다</p>"),
    "code": ("run `a  <b>`", "<p>run <code>a  &lt;b&gt;</code></p>"),
    "a block of code": ("```sh\na <\n  b\n```", "<pre>a &lt;<br/>  b</pre>"),
    "code that begins on the fence's line": ("```a b\nc\n```", "<pre>a b<br/>c</pre>"),
    "bullets": ("- a\n  - b\n- c", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
    "numbers": ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
    "a quote": ("> a\n> b\n\nc", "<blockquote><p>a<br/>b</p></blockquote><p>c</p>"),
    "an answer below a quote": ("> a\nb", "<blockquote><p>a</p></blockquote><p>b</p>"),
    "a line below a list": ("- a\n  b\nc", "<ul><li>a<br/>b</li></ul><p>c</p>"),
    "marks within code": ("```\n- a\n> b\nc\n```", "<pre>- a<br/>&gt; b<br/>c</pre>"),
    "a heading": ("# A\nb", "<p><strong>A</strong></p><p>b</p>"),
    "a table": ("|a|b|\n|-|-|\n|1|2|", "<p>a | b</p><p>1 | 2</p>"),
    "lines": ("**a**\nb\n\nc", "<p><strong>a</strong><br/>b</p><p>c</p>"),
    "a link": ("[here](https://x.example/a)", '<p><a href="https://x.example/a">here</a></p>'),
    "a link with a query": (
        "[a](https://x.example/?a=1&b=__2__)",
        '<p><a href="https://x.example/?a=1&amp;b=__2__">a</a></p>',
    ),
    "an address": (
        "see (https://x.example/a_b_c).",
        '<p>see (<a href="https://x.example/a_b_c">https://x.example/a_b_c</a>).</p>',
    ),
    "an address before Korean": (
        "https://x.example/a를",
        '<p><a href="https://x.example/a">https://x.example/a</a>를</p>',
    ),
    "a picture": ("![map](https://x.example/a.png)", '<p><a href="https://x.example/a.png">map</a></p>'),
}
LITERAL = [
    r"\\server\share *",
    r"C:\*.txt",
    "2026. 11. 22. 오후 3시",
    "1. 5. (월) 휴무",
    "20*30*40 cm*",
    "네~~알겠습니다~~",
    "네~~ 알겠습니다~~",
    "~~~",
    "+ 82 10 1234 *",
    "__init__.py",
    "&lt;b&gt; &amp; *",
    "a < b > c",
    "<at>Ada</at",
    "[1]: see *",
    "* ",
    "#1",
    "@nobody",
    "ada@x.example",
    "3. third",
]
HTML = {
    "marks": ("<b>b</b> <i>i</i> <del>s</del> <u>u</u>", "<p><strong>b</strong> <em>i</em> <s>s</s> u</p>"),
    "paragraphs": ("<p>a</p>\n<p>b<br>c</p>", "<p>a</p><p>b<br/>c</p>"),
    "lines without paragraphs": ("<b>a</b>\nb", "<p><strong>a</strong><br/>b</p>"),
    "a script": ("<b>a</b><script>alert(1)</script>", "<p><strong>a</strong></p>"),
    "a style and a handler": ('<p style="color:red" onclick="x()">a</p>', "<p>a</p>"),
    "a picture of a foreign host": (
        '<p>a <img src="https://x.example/p.png" onerror="x()"></p>',
        '<p>a <a href="https://x.example/p.png">https://x.example/p.png</a></p>',
    ),
    "a picture in the address": ('<p>a <img src="data:image/png;base64,AA" alt="b"></p>', "<p>a b</p>"),
    "a mention of one's own": ('<p><at id="0">Ada</at> <attachment id="1"></attachment>a</p>', "<p>Ada a</p>"),
    "a frame": ('<p>a<iframe src="https://x.example"></iframe></p>', "<p>a</p>"),
    "a script's link": ('<a href="javascript:alert(1)">a</a>', "<p>a</p>"),
    "a script's link in disguise": ('<a href=" java&#10;script:alert(1)">a</a>', "<p>a</p>"),
    "a file's link": ('<a href="file://server/x">a</a>', "<p>a</p>"),
    "a link within the desk": ('<a href="/a">a</a>', "<p>a</p>"),
    "a list that begins later": ('<ol start="3"><li>a</li><li>b</li></ol>', "<p>3. a</p><p>4. b</p>"),
    "code": ("<p>a</p><pre><code>x\n  y</code></pre>", "<p>a</p><pre>x<br/>  y</pre>"),
    "escaped once": ("<p>&amp;lt;b&amp;gt;</p>", "<p>&amp;lt;b&amp;gt;</p>"),
    "markdown within": ("<p>2*3*4 **b**</p>", "<p>2*3*4 **b**</p>"),
    "tags that are code": ("write `<b>x</b>`", "<p>write <code>&lt;b&gt;x&lt;/b&gt;</code></p>"),
}
LINKS = {
    "its own host": ("x.example", "https://x.example/a", True),
    "its own address": ("http://www.x.example/a", "https://x.example/a/", True),
    "words": ("the guide", "https://x.example", True),
    "another host": ("bank.example", "https://x.example", False),
    "another host among words": ("go to https://bank.example now", "https://x.example", False),
    "another path": ("https://x.example/b", "https://x.example/a", False),
    "another host with a longer name": ("x.example.bank.example", "https://x.example", False),
    "wide dots": ("bank．example", "https://x.example", False),
    "an invisible character": ("ba\u200bnk.example", "https://x.example", False),
    "another mail address": ("ada@x.example", "mailto:eve@x.example", False),
    "its own mail address": ("ada@x.example", "mailto:ada@x.example", True),
    "a number": ("+82 2 123", "tel:+8221234", True),
}


@pytest.mark.parametrize("name", MARKDOWN)
def test_markdown_is_shown(name):
    """One row for each kind."""
    text, markup = MARKDOWN[name]
    assert shown(text) == markup
    Reader(markup)


@pytest.mark.parametrize("text", LITERAL)
def test_characters_that_mean_nothing_special_stay(text):
    """Paths, dates, sums, phone numbers and drawn-out words are no markup."""
    assert Reader(shown(text)).said.strip() == text.strip()


@pytest.mark.parametrize("name", HTML)
def test_html_is_shown(name):
    """What both transports show stays; what could harm or spy is gone; words stay."""
    text, markup = HTML[name]
    assert shown(text) == markup
    Reader(markup)


@pytest.mark.parametrize("name", LINKS)
def test_a_link_does_not_lie(name):
    """Where the label is another address, the target is shown beside it."""
    label, target, honest = LINKS[name]
    markup = shown(f'<p><a href="{target}">{label}</a></p>')
    reader = Reader(markup)
    assert reader.hrefs == [target]
    assert reader.said == (label if honest else f"{label} ({target})")


@pytest.mark.parametrize(
    "target", ["https://bank.example@x.example/", "https:\\\\x.example", "ftp://x", "//x.example", "https://x\u202ey"]
)
def test_an_odd_address_is_no_link(target):
    """Browsers and people would read it differently."""
    assert Reader(shown(f'<p>a <a href="{target}">b</a></p>')).hrefs == []


@pytest.mark.parametrize(
    "address", ["https://x.example/\u202ea", "https://x.example\\@y", 'https://x.example/"a', "https://x y"]
)
def test_a_character_that_is_not_for_addresses_makes_none(address):
    """Such as those that turn the reading direction, or that browsers take for a slash."""
    assert links.allowed(address) is None
    assert links.allowed("https://x.example/한글?a=1&b=%20") is not None


@pytest.mark.parametrize(
    "text", ["> " * 40 + "deep", "- " * 40 + "*deep*", "\ue02a *a*", "https://x.example/%EE%81%9F *a*"]
)
def test_what_the_reader_of_markdown_cannot_take_is_plain(text):
    """Too deep, or with the characters that stand for others while it is read."""
    assert replies(text) == [Reply(text=text)]


PEOPLE = {
    "known": ("hi @Ada.Fenn@x.example, see", '<p>hi <at id="0">Ada &amp; Co</at>, see</p>'),
    "twice": (
        "@ada.fenn@x.example @ada.fenn@x.example",
        '<p><at id="0">Ada &amp; Co</at> <at id="1">Ada &amp; Co</at></p>',
    ),
    "before Korean": ("@ada.fenn@x.example님 **a**", '<p><at id="0">Ada &amp; Co</at>님 <strong>a</strong></p>'),
    "unknown": ("@bo_x@x.example *a*", "<p>@bo_x@x.example <em>a</em></p>"),
    "in code": ("`@ada.fenn@x.example`", "<p><code>@ada.fenn@x.example</code></p>"),
    "within an address": ("eve@ada.fenn@x.example", "<p>eve@ada.fenn@x.example</p>"),
    "in html": ("<p>@ada.fenn@x.example</p>", '<p><at id="0">Ada &amp; Co</at></p>'),
}


@pytest.mark.parametrize("name", PEOPLE)
def test_people_are_mentioned(name):
    """A member whose address stands in the text gets a numbered mention, anybody else stays text."""
    text, markup = PEOPLE[name]
    (reply,) = replies(text)
    ada = Member("ada.fenn@x.example", "Ada & Co", "29:ada", "aad-ada")
    assert agent_reply.render(Reply(text=reply.text, is_html=reply.is_html, mentions=(ada,))) == markup


@pytest.mark.parametrize("text", ["Please restart it: now", "안녕하세요, 재부팅해 주세요!", "a\nb - c"])
def test_plain_text_is_not_parsed(text):
    """Text without anything special is sent as it is."""
    assert replies(text) == [Reply(text=text)]


LONG = {
    "a block of code": "```\n" + "line < of & code\n" * 1_000 + "```",
    "a list": "".join(f"- **item {n}** `x` < https://x.example/{n}\n" for n in range(400)),
    "one paragraph": "**word** 단어 <\n" * 1_200,
    "one line of code": "`" + "<" * 1_500 + "한글" * 8_000 + "`",
}


@pytest.mark.parametrize("name", LONG)
def test_long_texts_are_cut_between_tags(name):
    """Each piece is whole HTML that Teams takes, and together they say the same as one."""
    text = LONG[name]
    assert len(text) <= MAX_FORMATTED
    pieces = [reply.text for reply in replies(text)]
    assert len(pieces) > 1
    assert all(len(piece.encode()) <= TEAMS.max_size for piece in pieces)
    said = "".join(Reader(piece).said for piece in pieces)
    assert re.sub(r"[\s*`-]", "", said) == re.sub(r"[\s*`-]", "", text)


def test_a_text_beyond_all_measure_is_plain():
    """It is shown as it is, in pieces."""
    text = "**a** " * MAX_FORMATTED
    assert "".join(reply.text for reply in replies(text)) == text
    assert not any(reply.is_html for reply in replies(text))


MIXED = st.lists(
    st.sampled_from(
        [
            *(
                "*",
                "**",
                "_",
                "~~",
                "`",
                "```",
                "[",
                "](",
                ")",
                "-",
                "1.",
                "#",
                "|",
                "\n",
                "\n\n",
                "\\",
                "한글",
                "word",
            ),
            *(
                "<b>",
                "</b>",
                "<p>",
                "</p>",
                "<ul><li>",
                "</ul>",
                "<pre>",
                "</pre>",
                "<table><tr><td>",
                "</a>",
                "<!--",
                "-->",
            ),
            *("<script>", "</script>", "<at>", "</at>", "<attachment id=1>", "<img src=x>", "<a href='https://e.x'>"),
            *(
                "&lt;",
                "&amp;",
                "&",
                "<",
                ">",
                '"',
                "'",
                "@ada@x.example",
                "https://x.example/a",
                "javascript:x",
                "\ue02a",
            ),
        ]
    )
    | st.text(max_size=6),
    max_size=25,
).map(" ".join)


@given(MIXED)
@example("<p>" * 100 + "a" + "</p>")
@example("> " * 40 + "a")
@example("- " * 40 + "*a*")
def test_only_our_tags_come_out(text):
    """Whatever an agent writes: a strict reader finds our few tags, closed in order, and links of four kinds."""
    for reply in replies(text):
        reader = Reader(agent_reply.render(reply))
        assert all(re.match(r"(?:https?://|mailto:|tel:)", href) for href in reader.hrefs)
    assert replies(text) == replies(text)


@given(
    st.lists(
        st.text(st.characters(categories=["L", "N"], include_characters="*_~`#-+>|.&@:/\\() "), max_size=30), max_size=6
    ).map("\n".join)
)
def test_markdown_keeps_its_words(text):
    """Marks may go; letters and digits stay, in their order."""
    said = "".join(Reader(agent_reply.render(reply)).said for reply in replies(text))

    def words(some):
        return "".join(c for c in some if c.isalpha())

    assert words(said) == words(text) or "```" in text or "~~~" in text


@given(st.text(st.characters(categories=["L", "N", "Z"], include_characters="<>&\"'"), max_size=40).filter(str.strip))
def test_html_escapes_survive_once(text):
    """What stands escaped in an agent's HTML is read as it stood, not more and not less."""
    text = " ".join(text.split())
    assert Reader(shown(f"<p>{html.escape(text)}</p>")).said == text
