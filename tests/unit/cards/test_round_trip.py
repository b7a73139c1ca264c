"""What somebody writes in Teams, an agent reads, and sends back as it is."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from bots.rich_text import plain_text
from cards import agent_reply
from cards.agent_text import replies

settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=150)
settings.load_profile("unit")

TAGS = ["p", "div", "b", "em", "s", "blockquote", "pre", "code", "h1", "span"]
LEAVES = st.text(
    st.characters(categories=["L", "N"], include_characters="*_~`<>&[]()#|\\-+.: "), min_size=1, max_size=20
)
TREES = st.recursive(
    LEAVES.map(lambda text: html.escape(text, quote=False)),
    lambda inner: (
        st.tuples(st.sampled_from(TAGS), st.lists(inner, max_size=4)).map(
            lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
        )
        | st.tuples(st.sampled_from(["ul", "ol"]), st.lists(inner, max_size=3)).map(
            lambda pair: f"<{pair[0]}>{''.join(f'<li>{item}</li>' for item in pair[1])}</{pair[0]}>"
        )
    ),
    max_leaves=12,
)


class Reader(HTMLParser):
    """Collects what a person reads."""

    def __init__(self):
        super().__init__()
        self.said = ""

    def handle_data(self, data):
        self.said += data


def words(markup):
    """Give the letters that are read: marks, numbers of lists and spaces may differ."""
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return re.sub(r"[\W\d_]", "", reader.said)


@given(TREES)
def test_words_survive_the_way_there_and_back(markup):
    """Formatting may look different after it; no letter is lost, doubled or moved."""
    returned = "".join(agent_reply.render(reply) for reply in replies(plain_text(markup)))
    assert words(returned) == words(markup)
