"""The sandbox's page in a real browser, without a bridge: both sides work, and it says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = api.expect


def test_a_typed_question_appears_and_an_absent_bridge_is_explained(shown: Any) -> None:
    shown.ask("The printer is jammed")
    expect(shown.find("teams-message")).to_contain_text("The printer is jammed")
    expect(shown.find("teams-compose")).to_have_value("")
    toast = shown.find("toast")
    expect(toast).to_contain_text("The bridge did not answer")
    expect(toast).to_have_attribute("role", "alert")
    expect(shown.find("teams-message")).to_contain_text("Not delivered")
    toast.get_by_role("button").click()
    expect(toast).to_have_count(0)


def test_a_reply_stays_in_its_thread(shown: Any) -> None:
    shown.ask("First question", place="it-help")
    expect(shown.find("teams-thread")).to_have_count(1)
    shown.ask("Second question", place="it-help")
    threads = shown.find("teams-thread")
    expect(threads).to_have_count(2)
    threads.first.get_by_test_id("teams-reply-compose").fill("More about the first")
    threads.first.get_by_test_id("teams-reply-send").click()
    expect(threads.first.get_by_test_id("teams-message")).to_have_count(2)
    expect(threads.last.get_by_test_id("teams-message")).to_have_count(1)
    shown.find("teams-place-general").click()
    expect(shown.find("teams-message")).to_have_count(0)


def test_a_personal_chat_is_seen_by_its_owner_only(shown: Any) -> None:
    shown.ask("비밀번호를 바꾸고 싶습니다", place="personal", user="minjun")
    expect(shown.find("teams-message")).to_contain_text("비밀번호를 바꾸고 싶습니다")
    shown.find("teams-user-select").select_option("ada")
    expect(shown.find("teams-message")).to_have_count(0)


def test_shift_enter_starts_a_line_and_enter_sends(shown: Any) -> None:
    box = shown.find("teams-compose")
    box.press_sequentially("one")
    box.press("Shift+Enter")
    box.press_sequentially("two")
    expect(box).to_have_value("one\ntwo")
    expect(shown.find("teams-message")).to_have_count(0)
    box.press("Enter")
    expect(shown.find("teams-message")).to_have_count(1)


def test_an_agent_answers_notes_assigns_resolves_and_reopens(shown: Any) -> None:
    shown.carry_over("My screen is <b>black</b>")
    conversation = shown.find("fc-conversation")
    expect(conversation).to_contain_text("Ada Fenn")
    expect(shown.find("fc-message")).to_contain_text("My screen is <b>black</b>")
    shown.find("fc-compose").fill("Is it plugged in?")
    shown.find("fc-send").click()
    expect(shown.find("fc-message").nth(1)).to_have_attribute("data-style", "agent")
    shown.find("fc-private").check()
    shown.find("fc-compose").fill("Again the same cable")
    shown.find("fc-compose").press("Enter")
    expect(shown.find("fc-message").nth(2)).to_have_attribute("data-style", "note")
    shown.find("fc-assign").click()
    expect(conversation).to_contain_text("Grace Park")
    shown.find("fc-resolve").click()
    expect(conversation).to_contain_text("Resolved")
    shown.find("fc-reopen").click()
    expect(conversation).not_to_contain_text("Resolved")
    expect(shown.find("fc-resolve")).to_be_visible()


def test_the_timeline_groups_records_by_trace_and_survives_unknown_actions(shown: Any) -> None:
    key = "teams:g/c/1/2:create"
    records = [
        {"ts": "2026-01-01T00:00:00Z", "action": "accepted", "trace": "t1", "direction": "to-freshchat", "key": key},
        {"ts": "2026-01-01T00:00:01Z", "action": "never_heard_of", "trace": "t1", "extra": {"a": ["<b>"]}},
        {"ts": "2026-01-01T00:00:02Z", "action": "delivered", "trace": "t1", "ms": 123.4},
        {"ts": "2026-01-01T00:00:03Z", "action": "dead_letter", "trace": "t2", "code": "NotLinked"},
        {"action": "hold", "tenant": "t"},
        {"action": "reconciled", "missing": 0},
        {"action": None},
    ]
    shown.post("/_sandbox/timeline", records)
    rows = shown.find("timeline-row")
    expect(rows).to_have_count(3)
    carried = shown.page.locator('[data-testid=timeline-row][data-trace="t1"]')
    expect(carried).to_have_attribute("data-tone", "ok")
    expect(carried).to_contain_text("never heard of")
    expect(carried).to_contain_text("123 ms")
    expect(shown.page.locator('[data-trace="t2"]')).to_have_attribute("data-tone", "bad")
    expect(rows.filter(has_text="on hold")).to_have_count(1)
    expect(shown.page.locator("#timeline .count")).to_have_text("2 messages")


def test_trouble_can_be_made_and_cleared(shown: Any) -> None:
    shown.find("trouble").click()
    shown.find("trouble-429").click()
    expect(shown.page.locator("#trouble-panel")).to_contain_text("0 of 3 used")
    shown.find("trouble-clear").first.click()
    expect(shown.page.locator("#trouble-panel")).to_contain_text("Nothing is broken")
    shown.page.keyboard.press("Escape")
    expect(shown.page.locator("#trouble-panel")).to_be_hidden()


def test_starting_over_takes_two_clicks(shown: Any) -> None:
    shown.ask("Soon gone")
    expect(shown.find("teams-message")).to_have_count(1)
    shown.find("reset").click()
    expect(shown.find("teams-message")).to_have_count(1)
    shown.find("reset").click()
    expect(shown.find("teams-message")).to_have_count(0)


def test_a_lost_stream_is_announced_and_found_again(chromium: Any, start_sandbox: Any) -> None:
    first = start_sandbox()
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    page.goto(first.url)
    state = page.locator("#link-state")
    expect(state).to_have_text("Live")
    first.stop()
    expect(state).to_contain_text("reconnecting", timeout=10_000)
    page.get_by_test_id("teams-compose").fill("Nobody hears this")
    page.get_by_test_id("teams-send").click()
    expect(page.get_by_test_id("toast")).to_contain_text("The sandbox cannot be reached")
    expect(page.get_by_test_id("teams-compose")).to_have_value("Nobody hears this")
    start_sandbox(first.port)
    expect(state).to_have_text("Live", timeout=15_000)
    context.close()
