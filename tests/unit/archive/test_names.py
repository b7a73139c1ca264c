"""Any text becomes a name that every file system takes; no two files get the same one."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.names import LIMIT, folded, numbered, plain_id, safe_id, safe_name

TEXTS = st.text(st.characters(codec=None), max_size=200) | st.sampled_from(
    [
        "CON",
        "nul.txt",
        "com¹.log",
        "a/b\\c",
        "..",
        "...",
        " x ",
        "é" * 100,
        "e\u0301",
        "한글.pdf",
        "보고서" * 40 + ".hwp",
    ]
)


@given(TEXTS)
def test_any_text_gives_a_safe_name(text: str) -> None:
    name = safe_name(text)
    assert name
    assert len(name.encode()) <= LIMIT
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f\x7f]', name)
    assert name == name.strip(". ") == unicodedata.normalize("NFC", name)
    assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d) *(\.|$)", name, re.IGNORECASE)
    assert safe_name(name) == name


@given(TEXTS, st.integers(2, 10_000))
def test_a_numbered_name_is_safe_and_another_one(text: str, number: int) -> None:
    name = safe_name(text)
    other = numbered(name, number)
    assert other != name
    assert len(other.encode()) <= LIMIT
    assert safe_name(other) == other


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("보고서.pdf", "보고서.pdf"),
        ("NUL", "_NUL"),
        ("com1.txt", "_com1.txt"),
        ("a/b:c?.txt", "a_b_c_.txt"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("trailing. ", "trailing"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("", "_"),
        ("x" * 300 + ".tar", "x" * 116 + ".tar"),
    ],
)
def test_names(given_name: str, name: str) -> None:
    assert safe_name(given_name) == name


def test_numbers_stand_before_the_extension() -> None:
    assert numbered("a.txt", 2) == "a~2.txt"
    assert numbered("a", 3) == "a~3"
    assert numbered("x" * 116 + ".tar", 2) == "x" * 114 + "~2.tar"


def test_case_and_composition_are_one_file() -> None:
    assert folded("A.TXT") == folded("a.txt")
    assert folded("e\u0301") == folded("é")


def test_ids() -> None:
    assert plain_id("eeeeeeee-0000-4000-8000-000000000001")
    assert not plain_id("nul")
    assert safe_id("a/b") == "a_b"
    assert len(safe_id("x" * 500)) == 64
