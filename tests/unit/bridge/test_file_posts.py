"""Cutting an answer at its files, and what people read of a size."""

from __future__ import annotations

import pytest

from bridge.events import SharedFile
from bridge.file_posts import cut, size


def files(text, *names):
    """Give files that a text names."""
    spans = ((text.index(name), text.index(name) + len(name)) for name in names)
    return [SharedFile(way="link", url="", number=number, span=span) for number, span in enumerate(spans)]


CUTS = [
    ("one\n[a]\ntwo", ["[a]"], ["one", 0, "two"]),
    ("[a]", ["[a]"], [0]),
    ("[a]\n[b]\n\n  two\n", ["[a]", "[b]"], [0, 1, "  two"]),
    ("one\n\n[a]\n \n[b]", ["[a]", "[b]"], ["one", 0, 1]),
    ("one [a] is text", [], ["one [a] is text"]),
]


@pytest.mark.parametrize(("text", "names", "pieces"), CUTS)
def test_files_stand_between_the_words(text, names, pieces):
    found = cut(text, files(text, *names))
    assert [one if isinstance(one, str) else one.number for one in found] == pieces


SIZES = [
    (0, "0 B"),
    (1023, "1023 B"),
    (1024, "1 KB"),
    (86_500, "84 KB"),
    (1_258_291, "1.2 MB"),
    (26_214_400, "25.0 MB"),
]


@pytest.mark.parametrize(("number", "words"), SIZES)
def test_a_size_reads_well(number, words):
    assert size(number) == words
