"""Text in its forms: bot markdown, Teams HTML, Freshchat parts."""

import pytest

from sandbox.freshchat.parts import text_of
from sandbox.teams.html import clean, from_bot, plain


@pytest.mark.parametrize(
    ("text", "text_format", "expected"),
    [
        ("a < b & c", None, "a &lt; b &amp; c"),
        ("**bold** _it_ ~~no~~ `x`", "markdown", "<strong>bold</strong> <em>it</em> <s>no</s> <code>x</code>"),
        ("snake_case_name", "markdown", "snake_case_name"),
        ("[t](https://e.example/x)", "markdown", '<a href="https://e.example/x">t</a>'),
        ("[t](javascript:x)", "markdown", "[t](javascript:x)"),
        ("**no**\nplain", "plain", "**no**<br>plain"),
        ("<b>x</b><script>y</script>", "xml", "<b>x</b>"),
        ("<at>Ada</at> hi", "markdown", "<at>Ada</at> hi"),
    ],
)
def test_a_bots_text_becomes_html(text, text_format, expected):
    assert from_bot(text, text_format) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("plain", "plain"),
        ("<p>a</p>", "<p>a</p>"),
        ("<p>a<br/>b</p>", "<p>a<br>b</p>"),
        ("<iframe src='x'>a</iframe>b", "b"),
        ("<svg><script>1</script></svg>after", "after"),
        ('<img src="https://e.example/a.png" onerror="x">', '<img src="https://e.example/a.png">'),
        ("&amp;&#39;<b>x</b>", "&amp;&#39;<b>x</b>"),
        ('<at id="0">A</at>', '<at id="0">A</at>'),
        ("<input><b>kept</b>", "<b>kept</b>"),
    ],
)
def test_markup_is_cleaned(markup, expected):
    assert clean(markup) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>a</p><p>b</p>", "a\nb"),
        ("a<br>b &amp; c", "a\nb & c"),
        ('<emoji alt="🙂"></emoji>', "🙂"),
        ("&lt;b&gt;", "<b>"),
    ],
)
def test_markup_becomes_plain_text(markup, expected):
    assert plain(markup) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([{"text": {"content": "a"}}, {"text": {"content": "b"}}], "a\nb"),
        ([{"image": {"url": "https://x.example"}}], "[image: https://x.example]"),
        ([{"file": {"name": "a.pdf"}}], "[file: a.pdf]"),
        ([{"collection": {"sub_parts": [{"text": {"content": "in"}}]}}], "in"),
        ([{"template_content": {"sections": [{"parts": [{"text": {"content": "deep"}}]}, "odd"]}}], "deep"),
        ([{"quick_reply_button": {"label": "Yes"}}], "[quick_reply_button: Yes]"),
        ([{"strange": {}}], "[strange]"),
        (["odd", {"text": "odd"}], ""),
        (None, ""),
    ],
)
def test_parts_read_as_text(parts, expected):
    assert text_of(parts) == expected
