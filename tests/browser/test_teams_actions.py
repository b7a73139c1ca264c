"""What a Teams user does on the page beyond typing: files, edits, reactions, cards, commands, the app itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.hands import Bridge, png, upload

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = api.expect
PICTURE = upload("shot.png", "image/png", png())
NOTES = upload("notes.txt", "text/plain", b"jam 14")


@pytest.fixture
def bridge(shown: Any) -> Bridge:
    return Bridge(shown)


def is_loaded(picture: Any) -> None:
    """The browser has the picture, not only its address."""
    expect(picture).to_be_visible()
    picture.evaluate("image => image.decode()")
    assert picture.evaluate("image => image.naturalWidth") == 60


def last(shown: Any) -> Any:
    return shown.find("teams-message").last


@pytest.mark.parametrize("place", ["general", "facilities-chat", "personal"])
def test_picked_files_are_sent_and_shown_everywhere(shown: Any, bridge: Bridge, place: str) -> None:
    shown.find(f"teams-place-{place}").click()
    shown.find("teams-compose-files").first.set_input_files([PICTURE, NOTES])
    expect(shown.find("draft")).to_have_count(2)
    shown.find("teams-compose").fill("It says this")
    shown.find("teams-compose").press("Enter")
    is_loaded(last(shown).get_by_test_id("picture"))
    expect(last(shown).get_by_test_id("file")).to_have_text("notes.txt")
    expect(shown.find("draft")).to_have_count(0)
    shared = bridge.threads()[0]["messages"][0]["attachments"]
    assert [one["name"] for one in shared] == ["shot.png", "notes.txt"]


def test_a_file_goes_without_words_and_can_be_left_out(shown: Any) -> None:
    shown.find("teams-compose-files").set_input_files([PICTURE, NOTES])
    shown.page.get_by_role("button", name="Leave out shot.png").click()
    expect(shown.find("draft")).to_have_count(1)
    shown.find("teams-send").click()
    expect(last(shown).get_by_test_id("file")).to_have_text("notes.txt")
    expect(last(shown).get_by_test_id("picture")).to_have_count(0)


def test_a_file_is_dropped_onto_the_box_of_a_reply(shown: Any) -> None:
    shown.ask("Here it comes")
    dropped = shown.page.evaluate_handle(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(['jam'], 'jam.log', { type: 'text/plain' }));
          return data;
        }"""
    )
    box = shown.find("teams-reply-compose")
    box.dispatch_event("dragover", {"dataTransfer": dropped})
    box.dispatch_event("drop", {"dataTransfer": dropped})
    expect(shown.find("draft")).to_contain_text("jam.log")
    shown.find("teams-reply-send").click()
    expect(shown.find("teams-thread").get_by_test_id("teams-message")).to_have_count(2)
    expect(last(shown).get_by_test_id("file")).to_have_text("jam.log")


@pytest.mark.parametrize("place", ["general", "facilities-chat", "personal"])
def test_a_pasted_picture_is_within_the_words_and_stays_there(shown: Any, bridge: Bridge, place: str) -> None:
    shown.find(f"teams-place-{place}").click()
    shown.find("teams-compose").evaluate(
        """(box, bytes) => {
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([new Uint8Array(bytes)], 'image.png', { type: 'image/png' }));
          box.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
        }""",
        list(png()),
    )
    expect(shown.find("draft")).to_contain_text("image.png")
    shown.find("teams-compose").fill("See here")
    shown.find("teams-send").click()
    is_loaded(last(shown).get_by_test_id("picture"))
    last(shown).get_by_test_id("teams-edit").click()
    shown.find("teams-edit-text").fill("Look here")
    shown.find("teams-edit-save").click()
    expect(last(shown)).to_contain_text("Look here")
    is_loaded(last(shown).get_by_test_id("picture"))
    assert [one["type"] for one in bridge.told()] == ["message", "messageUpdate"]


def test_what_is_too_large_is_said(shown: Any) -> None:
    shown.find("teams-compose").evaluate(
        """box => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([new Uint8Array(20 * 1024 * 1024 + 1)], 'film.mp4'));
          box.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true }));
        }"""
    )
    expect(shown.find("toast")).to_contain_text("film.mp4 is too large")
    expect(shown.find("draft")).to_have_count(0)


def test_ones_own_message_is_edited_deleted_and_taken_back(shown: Any, bridge: Bridge) -> None:
    shown.ask("Printer on floor 2")
    message = last(shown)
    message.hover()
    message.get_by_test_id("teams-edit").click()
    text = message.get_by_test_id("teams-edit-text")
    expect(text).to_have_value("Printer on floor 2")
    text.fill("Printer on floor 3")
    text.press("Enter")
    expect(message).to_contain_text("Printer on floor 3")
    expect(message).to_contain_text("edited")
    message.get_by_test_id("teams-delete").click()
    expect(message).to_contain_text("This message was deleted")
    message.get_by_test_id("teams-restore").click()
    expect(message).to_contain_text("Printer on floor 3")
    kinds = ["message", "messageUpdate", "messageDelete", "messageUpdate"]
    assert [one["type"] for one in bridge.told()] == kinds


def test_an_edit_is_given_up_with_escape_and_others_cannot_edit(shown: Any) -> None:
    shown.ask("First version")
    last(shown).get_by_test_id("teams-edit").focus()
    shown.page.keyboard.press("Enter")
    shown.page.keyboard.type(" and more")
    shown.page.keyboard.press("Escape")
    expect(last(shown).locator(".message-body")).to_have_text("Desk First version")
    shown.find("teams-user-select").select_option("minjun")
    expect(last(shown).get_by_test_id("teams-react")).to_have_count(1)
    expect(last(shown).get_by_test_id("teams-edit")).to_have_count(0)
    expect(last(shown).get_by_test_id("teams-delete")).to_have_count(0)


def test_a_reaction_by_keyboard_is_shown_told_and_taken_away(shown: Any, bridge: Bridge) -> None:
    shown.ask("Anybody?", place="personal")
    bridge.says(text="On my way")
    expect(last(shown)).to_contain_text("On my way")
    last(shown).get_by_test_id("teams-react").focus()
    shown.page.keyboard.press("Enter")
    expect(shown.find("react-like")).to_be_focused()
    shown.page.keyboard.press("ArrowRight")
    shown.page.keyboard.press("Enter")
    reaction = last(shown).get_by_test_id("reaction")
    expect(reaction).to_have_attribute("data-kind", "heart")
    expect(reaction).to_have_attribute("aria-pressed", "true")
    assert bridge.told()[-1]["reactionsAdded"] == [{"type": "heart"}]
    reaction.click()
    expect(reaction).to_have_count(0)


EXECUTE = {"type": "Action.Execute", "title": "Yes", "verb": "choose", "data": {"card": "c1", "choice": "0"}}


def test_a_button_of_a_card_is_pressed_as_teams_does_it(shown: Any, bridge: Bridge) -> None:
    shown.ask("Help")
    twin = {**EXECUTE, "data": {"card": "c1", "choice": "1"}}
    facts = {"type": "FactSet", "facts": [{"title": "Floor", "value": "<b>2</b>"}]}
    bridge.shows_card({"type": "TextBlock", "text": "<i>Pick</i>"}, facts, actions=(EXECUTE, twin))
    card = shown.find("teams-card")
    expect(card).to_contain_text("<i>Pick</i>")
    expect(card).to_contain_text("<b>2</b>")
    card.get_by_test_id("teams-card-action").nth(1).click()
    expect(shown.find("toast")).to_be_visible()
    pressed = bridge.told()[-1]
    assert (pressed["type"], pressed["name"]) == ("invoke", "adaptiveCard/action")
    assert pressed["value"]["action"]["data"] == twin["data"]
    assert pressed["from"]["name"] == "Ada Fenn"


def test_a_drop_down_must_be_chosen_before_it_is_sent(shown: Any, bridge: Bridge) -> None:
    shown.ask("Help")
    choices = [{"title": f"Floor {n}", "value": str(n)} for n in range(3)]
    pick = {"type": "Input.ChoiceSet", "id": "pick0", "isRequired": True, "placeholder": "Which?", "choices": choices}
    bridge.shows_card(pick, {"type": "ActionSet", "actions": [{**EXECUTE, "title": "Send"}]})
    before = len(bridge.told())
    shown.find("teams-card-action").click()
    shown.find("teams-card-choice").select_option("2")
    shown.find("teams-card-action").click()
    expect(shown.find("toast")).to_be_visible()
    assert len(bridge.told()) == before + 1
    assert bridge.told()[-1]["value"]["action"]["data"]["pick0"] == "2"


def test_stars_and_a_comment_are_a_message_with_a_value(shown: Any, bridge: Bridge) -> None:
    shown.ask("Thanks", place="personal")
    comment = {"type": "Input.Text", "id": "comment", "isMultiline": True, "placeholder": "Comment"}
    stars = tuple({"type": "Action.Submit", "title": "★" * n, "data": {"stars": str(n)}} for n in range(1, 6))
    bridge.shows_card({"type": "TextBlock", "text": "How was it?"}, comment, actions=stars)
    shown.find("teams-card-text").fill("quick & kind")
    shown.find("teams-card-action").last.click()
    expect(shown.find("toast")).to_be_visible()
    assert bridge.told()[-1]["value"] == {"stars": "5", "comment": "quick & kind"}


def test_pictures_of_answers_are_shown(shown: Any, bridge: Bridge) -> None:
    shown.ask("Help")
    bridge.answers_with_picture(png())
    is_loaded(last(shown).get_by_test_id("picture"))
    expect(last(shown)).to_contain_text("as service account")


@pytest.mark.parametrize(("user", "word"), [("ada", "help"), ("minjun", "도움말")])
def test_a_command_is_sent_in_ones_language(shown: Any, bridge: Bridge, user: str, word: str) -> None:
    shown.find("teams-user-select").select_option(user)
    shown.find("teams-place-general").click()
    shown.find("teams-commands").click()
    expect(shown.find("command-help")).to_contain_text("what Desk understands")
    shown.find("command-help").click()
    expect(last(shown)).to_contain_text(word)
    assert bridge.told()[-1]["text"] == f"<at>Desk</at> {word}"


def test_the_app_is_added_and_removed(shown: Any, bridge: Bridge) -> None:
    shown.find("teams-place-personal").click()
    for action in ("remove", "add"):
        shown.find("teams-install").click()
        with shown.page.expect_response("**/_sandbox/teams/install"):
            shown.find(f"install-{action}").click()
    assert [one["action"] for one in bridge.told() if one["type"] == "installationUpdate"] == ["remove", "add"]


def test_a_menu_closes_with_escape_and_gives_the_focus_back(shown: Any) -> None:
    shown.find("teams-commands").focus()
    shown.page.keyboard.press("Enter")
    expect(shown.find("command-help")).to_be_focused()
    shown.page.keyboard.press("Escape")
    expect(shown.find("command-help")).to_be_hidden()
    expect(shown.find("teams-commands")).to_be_focused()
