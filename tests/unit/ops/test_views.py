"""What the page shows: letters, deliveries, keys and rates, and nothing that anybody said."""

from __future__ import annotations

import pytest

from bridge import ids
from tests.unit.ops.conftest import envelope

PLANTED = ("Ada Fenn", "ada@contoso.example", "the badge printer", "비밀번호", "3f0c8e52-aaaa-4bbb-8ccc-ada000000001")
AAD = PLANTED[-1]


async def test_letters_are_filtered_and_counted(rig, letters):
    async with rig() as page:
        await letters(page, 3, code="graph_403", component="graph", direction="to-teams")
        await letters(page, 2, code="freshchat_400")
        browser = await page.inside()
        every = (await browser.get("/ops/letters")).json
        assert (len(every["letters"]), every["total"]) == (5, 5)
        assert every["choices"]["code"] == {"graph_403": 3, "freshchat_400": 2}
        for query, count in {
            "code=graph_403": 3,
            "component=graph": 3,
            "direction=to-freshchat": 2,
            "tenant=t1": 5,
            "tenant=t2": 0,
            "direction=to-freshchat&code=graph_403": 0,
        }.items():
            found = (await browser.get(f"/ops/letters?{query}")).json
            assert (len(found["letters"]), found["total"]) == (count, count), query


async def test_a_long_list_comes_in_parts(rig, letters):
    async with rig() as page:
        await letters(page, 60)
        browser = await page.inside()
        first = (await browser.get("/ops/letters")).json["letters"]
        rest = (await browser.get(f"/ops/letters?after={first[-1]['id']}")).json["letters"]
        assert (len(first), len(rest)) == (50, 10)
        assert len({letter["id"] for letter in first + rest}) == 60


async def test_one_letter_goes_back_into_the_queue(rig, letters):
    async with rig() as page:
        first, second = await letters(page, 2)
        browser = await page.inside()
        assert (await browser.post("/ops/letters/replay", {"ids": [first, "99999"]})).json == {
            "replayed": 1,
            "missing": 1,
        }
        depth = await page.ports.queue.depth("to-freshchat")
        assert (depth.waiting, depth.dead) == (1, 1)
        assert (await page.ports.queue.find_dead_letter(second)) is not None
        assert [(r["who"], r["replayed"]) for r in page.actions("ops_replay")] == [("token", 1)]


async def test_no_more_letters_go_back_than_were_confirmed(rig, letters):
    async with rig() as page:
        await letters(page, 2, code="other")
        meant = await letters(page, 5, code="graph_403")
        browser = await page.inside()
        asked = {"filters": {"code": "graph_403"}, "count": 4}
        assert (await browser.post("/ops/letters/replay", asked)).json == {"replayed": 4, "missing": 0}
        left = [letter.id for letter in await page.ports.queue.dead_letters()]
        assert len(left) == 3
        assert meant[-1] in left


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": "all"},
        {"ids": [1]},
        {"filters": {}},
        {"filters": {}, "count": 0},
        {"filters": [], "count": 5},
    ],
)
async def test_a_replay_says_exactly_what_it_means(rig, letters, body):
    async with rig() as page:
        await letters(page, 2)
        assert (await (await page.inside()).post("/ops/letters/replay", body)).status == 400
        assert (await page.ports.queue.depth("to-freshchat")).dead == 2


async def test_a_letter_is_shown_without_its_values(rig, letters):
    async with rig() as page:
        (letter,) = await letters(page, 1)
        shown = (await (await page.inside()).get(f"/ops/letters/{letter}")).json
        assert shown["body"] == {"text": "<text 17>", "from": {"name": "<text 8>"}}
        assert shown["code"] == "freshchat_400"
        assert (await (await page.inside()).get("/ops/letters/77777")).status == 404


async def test_a_reference_is_found_wherever_it_is(rig, letters):
    async with rig() as page:
        trace = "7f3a09bc" + "0" * 24
        await page.ports.threads.start("t1", "teams:a/b/c/1:create#message.0", page.clock(), None, trace)
        await page.ports.threads.done("t1", "teams:a/b/c/1:create#message.0", "c/1")
        await letters(page, 1, trace=trace)
        await letters(page, 3)
        await page.ports.queue.put(envelope("w1", trace=trace))
        browser = await page.inside()
        (story,) = (await browser.get("/ops/trace?ref=7F3A-09BC")).json["stories"]
        assert (story["reference"], story["tenant"]) == ("7F3A-09BC", "t1")
        assert sorted(hop["hop"] for hop in story["hops"]) == [*["accepted"] * 3, "call", "dead_letter", "waiting"]
        (delivery,) = (await browser.get("/ops/recent")).json["deliveries"]
        assert (delivery["reference"], delivery["outcome"]) == ("7F3A-09BC", "delivered")
        assert (delivery["steps"], delivery["direction"]) == (["message.0"], "to-freshchat")
        assert (await browser.get("/ops/trace?ref=00000000")).json == {"stories": []}
        assert (await browser.get("/ops/trace?ref=nonsense")).status == 400


async def test_now_shows_depths_rates_and_what_is_held(rig, letters):
    async with rig() as page:
        await letters(page, 2)
        await page.ports.queue.put(envelope("w1"))
        for _ in range(3):
            page.telemetry.ended("to-freshchat", "delivered", page.clock() - 1.0)
        page.telemetry.ended("to-freshchat", "ignored", page.clock(), reason="bot")
        now = (await (await page.inside()).get("/ops/state")).json
        assert (now["depths"]["to-freshchat"]["waiting"], now["depths"]["to-freshchat"]["dead"]) == (1, 2)
        rates = now["rates"]["to-freshchat"]
        assert (rates["per_minute"], rates["outcomes"]) == (3, {"delivered": 3, "ignored": 1, "dead_letter": 0})
        assert 900 < rates["p50_ms"] < 1200
        assert now["held"] == {"to-teams": ["t1"]}
        assert now["health"] == {"queue": None, "freshchat": "Unavailable: no answer"}
        assert now["problem"] is None


async def test_a_store_that_is_away_is_told_and_the_rest_stays(rig):
    async with rig() as page:
        browser = await page.inside()
        await page.database.close()
        now = (await browser.get("/ops/state")).json
        assert (now["problem"], now["depths"], now["links"]) == ("unavailable", None, None)
        assert now["rates"]["to-teams"]["per_minute"] == 0
        lists = [await browser.get(path) for path in ("/ops/letters", "/ops/recent", "/ops/trace?ref=7f3a09bc")]
        assert [(answer.status, answer.json["problem"]) for answer in lists] == [(503, "unavailable")] * 3


async def test_keys_are_listed_with_their_use(rig):
    async with rig() as page:
        browser = await page.inside()
        (key,) = (await browser.get("/ops/keys")).json["keys"]
        assert (key["state"], key["count"], key["used_at"]) == ("settings", 0, None)


async def test_nothing_personal_is_in_any_answer(rig, letters):
    """Bodies, notes of the journal and keys of personal chats hold names, texts and Entra ids; no answer does."""
    async with rig() as page:
        name, mail, said, korean, _ = PLANTED
        body = f'{{"text": "{said} {korean}", "from": {{"name": "{name}", "mail": "{mail}"}}}}'.encode()
        personal = ids.thread_key(ids.ThreadKey("t1", "personal", (AAD,)))
        trace = "7f3a09bc" + "0" * 24
        (letter,) = await letters(page, 1, body=body, session=personal, trace=trace)
        await page.ports.queue.put(envelope("w1", trace=trace, session=personal, body=body))
        await page.ports.threads.start("t1", "teams:-/a:chat/-/1:create#message.0", page.clock(), {"text": said}, trace)
        await page.ports.threads.learn("t1", "person", "x", {"name": name}, None)
        browser = await page.inside()
        paths = ("", "/state", "/letters", f"/letters/{letter}", "/recent", "/trace?ref=7f3a09bc", "/keys")
        answers = [await browser.get(f"/ops{path}") for path in paths]
        assert [answer.status for answer in answers] == [200] * len(paths)
        assert "7F3A-09BC" in answers[5].text
        await browser.post("/ops/letters/replay", {"ids": [letter]})
        told = "".join(answer.text for answer in answers) + page.log.getvalue()
        assert [word for word in PLANTED if word in told] == []


@pytest.mark.parametrize(
    ("accepts", "lang"),
    [("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("en", "en"), ("de", "en"), ("fr, ko;q=0.5, en;q=0.4", "ko"), ("", "en")],
)
async def test_the_browsers_language_is_taken_until_another_is_chosen(rig, accepts, lang):
    async with rig() as page:
        browser = page.browser()
        headers = {"Accept-Language": accepts}
        assert f'<html lang="{lang}">' in (await browser.get("/ops/login", **headers)).text
        other = "en" if lang == "ko" else "ko"
        assert f'<html lang="{other}">' in (await browser.get(f"/ops/login?lang={other}", **headers)).text
        await browser.enter()
        assert f'<html lang="{other}">' in (await browser.get("/ops", **headers)).text
