"""What an agent sees and does on the page beyond words: who asks, files, ratings, ready answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.hands import Bridge, png, upload

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = api.expect


@pytest.fixture
def bridge(shown: Any) -> Bridge:
    return Bridge(shown)


def test_who_asks_in_which_mood_and_how_they_rated(shown: Any, bridge: Bridge) -> None:
    conversation = shown.carry_over("My screen is black")
    link = "https://teams.microsoft.com/l/message/19:x/1"
    bridge.changes(conversation, properties={"cf_sentiment": "negative", "cf_teams_link": link, "cf_tags": "<b>vip"})
    bridge.rates(conversation, rating=4, comment="<i>fine</i>")
    person = shown.find("fc-person")
    expect(person.get_by_test_id("fc-mood")).to_have_text("Negative")
    expect(person.get_by_role("link", name="Thread in Teams")).to_have_attribute("href", link)
    expect(person).to_contain_text("<b>vip")
    rating = person.get_by_test_id("fc-rating")
    expect(rating.get_by_role("img", name="4 of 5 stars")).to_be_visible()
    expect(rating).to_contain_text("<i>fine</i>")


def test_the_persons_own_data_is_read_from_the_user(shown: Any, bridge: Bridge) -> None:
    conversation = shown.carry_over("My screen is black")
    data = {"title": "Office manager", "department": "Facilities", "locale": "ko-KR", "time_zone": "Asia/Seoul"}
    bridge.knows(conversation, email="ada@fenn.example", properties=data)
    person = shown.find("fc-person")
    expect(person).to_contain_text("Office manager · Facilities")
    expect(person).to_contain_text("ada@fenn.example · Korean")
    bridge.knows(conversation, properties={"locale": "??", "time_zone": "Nowhere/At all"})
    expect(person).to_contain_text("Employee")


def test_the_persons_picture_is_shown_if_freshchat_has_it(shown: Any, bridge: Bridge) -> None:
    conversation = shown.carry_over("My screen is black")
    image = bridge.uploads("images/upload", "image", "ada.png", "image/png", png())
    bridge.knows(conversation, {}, avatar={"url": image["url"]})
    face = shown.find("fc-person").locator(".avatar img")
    assert face.evaluate("image => image.decode().then(() => image.naturalWidth)") == 60
    bridge.knows(conversation, {}, avatar={"url": "https://cdn.example/ada.png"})
    expect(face).to_have_count(0)


def test_an_employees_picture_and_file_are_shown(shown: Any, bridge: Bridge) -> None:
    conversation = shown.carry_over("See here")
    image = bridge.uploads("images/upload", "image", "shot.png", "image/png", png())
    file = bridge.uploads("files/upload", "file", "notes.txt", "text/plain", b"jam 14")
    bridge.asks_with(conversation, {"image": {"url": image["url"]}})
    expect(shown.find("fc-conversation")).to_contain_text("Picture shot.png")
    bridge.asks_with(conversation, {"file": {"fileHash": file["file_hash"]}})
    picture = shown.find("fc-message").get_by_test_id("picture")
    picture.evaluate("image => image.decode()")
    assert picture.evaluate("image => image.naturalWidth") == 60
    expect(shown.find("fc-message").get_by_test_id("file")).to_have_text("notes.txt6 B")


def test_pictures_of_other_hosts_are_links_only(shown: Any, bridge: Bridge) -> None:
    conversation = shown.carry_over("See here")
    bridge.asks_with(conversation, {"image": {"url": "https://cdn.example/shot.png"}})
    expect(shown.find("fc-message").get_by_test_id("file")).to_have_attribute("href", "https://cdn.example/shot.png")
    expect(shown.find("picture")).to_have_count(0)
    bridge.asks_with(conversation, {"file": {"url": "javascript:alert(1)", "name": "bad"}})
    expect(shown.find("fc-message").get_by_test_id("file").last).not_to_have_attribute("href", "javascript:alert(1)")


EXAMPLES = {
    "buttons": ("reply_parts", "quick_reply_button", "Yes, it works"),
    "dropdown": ("reply_parts", "quick_reply_dropdown", "Floor 4"),
    "carousel": ("parts", "carousel", "Monitor"),
    "link": ("parts", "url_button", "Printer guide"),
    "formatted": ("parts", "@ada@fenn.example", "**both**"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_ready_answer_is_sent_with_what_it_offers(shown: Any, bridge: Bridge, name: str) -> None:
    field, kind, label = EXAMPLES[name]
    bridge.knows(shown.carry_over("Which printer?"), {}, email="ada@fenn.example")
    expect(shown.find("fc-person")).to_contain_text("ada@fenn.example")
    shown.find("fc-examples").click()
    shown.find(f"example-{name}").click()
    expect(shown.find("fc-message")).to_have_count(2)
    expect(shown.find("fc-message").last).to_contain_text(label)
    sent = bridge.conversations()[0]["messages"][1]
    assert kind in str(sent[field])


def test_a_ready_answer_takes_the_words_that_were_typed(shown: Any, bridge: Bridge) -> None:
    shown.carry_over("Which printer?")
    shown.find("fc-compose").fill("Did that help, <b>Ada</b>?")
    shown.find("fc-examples").focus()
    shown.page.keyboard.press("Enter")
    expect(shown.find("example-buttons")).to_be_focused()
    shown.page.keyboard.press("Enter")
    expect(shown.find("fc-message").last).to_contain_text("Did that help, <b>Ada</b>?")
    expect(shown.find("fc-compose")).to_have_value("")
    assert bridge.conversations()[0]["messages"][1]["text"] == "Did that help, <b>Ada</b>?"


def test_an_agent_attaches_a_picture_and_a_file(shown: Any, bridge: Bridge) -> None:
    shown.carry_over("Which cable?")
    files = [upload("cable.png", "image/png", png()), upload("steps.txt", "text/plain", b"pull")]
    shown.find("fc-compose-files").set_input_files(files)
    shown.find("fc-compose").fill("This one")
    shown.find("fc-send").click()
    answer = shown.find("fc-message").last
    expect(answer).to_contain_text("This one")
    answer.get_by_test_id("picture").evaluate("image => image.decode()")
    assert answer.get_by_test_id("picture").evaluate("image => image.naturalWidth") == 60
    expect(answer.get_by_test_id("file")).to_contain_text("steps.txt")
    shown.find("fc-compose-files").set_input_files(files[1:])
    shown.find("fc-private").check()
    shown.find("fc-send").click()
    expect(shown.find("fc-message").last).to_have_attribute("data-style", "note")
    expect(shown.find("draft")).to_have_count(0)
