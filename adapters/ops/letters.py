"""Dead letters on the page: a work list that is read and replayed; nothing can be dropped here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from aiohttp import web

from adapters.ops.guard import SESSION, problem
from bridge.letters_view import Filters, describe, first, matching, redacted
from bridge.ports import DIRECTIONS, DeadLetter, Queue
from bridge.telemetry import Telemetry

SHOWN = 50
COUNTED = 1000
"""Letters that are looked through for one answer, and replayed with one request, at most."""
MOST_BYTES = 16 * 1024


class Letters:
    """The routes of the work list."""

    def __init__(self, queue: Queue, telemetry: Telemetry) -> None:
        self._queue, self._telemetry = queue, telemetry

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.get("/letters", self.list),
            web.get("/letters/{id}", self.show),
            web.post("/letters/replay", self.replay),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List letters by the filters of the query, oldest first, from behind letter `after` on.

        `total` counts all that match and `choices` what else could be filtered for, both among the first `COUNTED`
        letters; `more` says that there are others behind those.
        """
        wanted = _wanted(request.query)
        letters = [letter async for letter in first(matching(self._queue, Filters()), COUNTED)]
        found = [letter for letter in letters if _meant(letter, wanted)]
        shown = _behind(found, request.query.get("after", ""))[:SHOWN]
        return web.json_response(
            {
                "letters": [describe(letter) for letter in shown],
                "total": len(found),
                "more": len(letters) >= COUNTED,
                "choices": _choices(letters),
            }
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show one letter: why it failed, and the shape of its body without any value."""
        letter = await self._queue.find_dead_letter(request.match_info["id"])
        if letter is None:
            return problem(404, "gone")
        self._telemetry.info("ops_letter_read", who=request[SESSION].who, letter=letter.id)
        return web.json_response(describe(letter) | {"body": redacted(letter)})

    async def replay(self, request: web.Request) -> web.Response:
        """Put letters back in the queue: `{"ids": […]}`, or `{"filters": {…}, "count": n}`.

        Of those that the filters leave, the `count` oldest are taken, so that never more go than a person confirmed.
        """
        asked = await _object(request)
        if asked is None:
            return problem(400, "bad_request")
        chosen = await self._chosen(asked)
        if chosen is None:
            return problem(400, "bad_request")
        done: list[bool] = []
        try:
            for letter_id in chosen:  # one after the other: letters of a thread keep their order
                done.append(await self._queue.replay(letter_id))
        finally:
            self._telemetry.info(
                "ops_replay", who=request[SESSION].who, letters=chosen[:SHOWN], asked=len(chosen), replayed=sum(done)
            )
        return web.json_response({"replayed": sum(done), "missing": len(done) - sum(done)})

    async def _chosen(self, asked: dict[str, Any]) -> Sequence[str] | None:
        named, filters, count = asked.get("ids"), asked.get("filters"), asked.get("count")
        if isinstance(named, list) and 0 < len(named) <= SHOWN and all(isinstance(one, str) for one in named):
            return cast(Sequence[str], named)
        if not isinstance(filters, dict) or type(count) is not int or not 0 < count <= COUNTED:
            return None
        return [letter.id async for letter in first(matching(self._queue, _wanted(filters)), count)]


def _wanted(query: Any) -> Filters:
    """Read the filters; an empty one, or one that is no text, is left open."""

    def named(name: str) -> str | None:
        value = query.get(name)
        return value if isinstance(value, str) and value else None

    direction = next((one for one in DIRECTIONS if one == named("direction")), None)
    return Filters(direction=direction, tenant=named("tenant"), code=named("code"), component=named("component"))


def _meant(letter: DeadLetter, wanted: Filters) -> bool:
    return wanted.direction in (None, letter.envelope.direction) and wanted.leave(letter)


def _behind(letters: Sequence[DeadLetter], after: str) -> Sequence[DeadLetter]:
    position = next((n for n, letter in enumerate(letters) if letter.id == after), -1)
    return letters[position + 1 :]


def _choices(letters: Sequence[DeadLetter]) -> dict[str, dict[str, int]]:
    return {
        "direction": Counter(letter.envelope.direction for letter in letters),
        "tenant": Counter(letter.envelope.tenant for letter in letters),
        "code": Counter(letter.failure.code for letter in letters),
        "component": Counter(letter.failure.component for letter in letters),
    }


async def _object(request: web.Request) -> dict[str, Any] | None:
    if request.content_type != "application/json" or not 0 < (request.content_length or 0) <= MOST_BYTES:
        return None
    try:
        value = json.loads(await request.read())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
