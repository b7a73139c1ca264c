"""Every text of the page is there, in both languages, and filled in the same way."""

from __future__ import annotations

import re

from adapters.ops.pages import FOLDER
from adapters.ops.texts import TEXTS

FILLED_IN = {"lang", "other_lang", "csrf", "texts", "environment", "problem"}


def test_both_languages_have_the_same_texts_with_the_same_gaps():
    english, korean = TEXTS["en"], TEXTS["ko"]
    assert list(english) == list(korean)
    for key, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", korean[key])), key


def test_every_text_that_the_pages_ask_for_is_there():
    for page in FOLDER.glob("*.html"):
        named = set(re.findall(r"\{\{(\w+)\}\}", page.read_text(encoding="utf-8")))
        assert named <= set(TEXTS["en"]) | FILLED_IN, page.name
    for script in FOLDER.glob("*.js"):
        named = set(re.findall(r"\bt\(\"(\w+)\"", script.read_text(encoding="utf-8")))
        assert named <= set(TEXTS["en"]), script.name


def test_no_text_is_left_over():
    asked = "".join(path.read_text(encoding="utf-8") for path in FOLDER.iterdir())
    families = ("problem_", "part_", "outcome_", "key_", "unit_", "state_", "to_")
    left = [key for key in TEXTS["en"] if key not in asked and not key.startswith(families)]
    assert left == []


def test_the_pages_bring_no_script_and_no_style_inside():
    for page in FOLDER.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?://", text), page.name
