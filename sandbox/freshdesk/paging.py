"""Freshdesk's pages: bare lists, and a Link header while there is more."""

from collections.abc import Sequence

from aiohttp import web

from sandbox.freshdesk.errors import beyond_the_wall, invalid
from sandbox.wire import JsonObject, answer, parse_iso

DEFAULT_ITEMS, MAXIMUM_ITEMS = 30, 100
LAST_TICKET_PAGE = 300


def listed(request: web.Request, rows: Sequence[JsonObject], last_page: int | None = None) -> web.Response:
    """One page; a page beyond the last that may be asked for is refused."""
    page, size = whole(request, "page", 1), whole(request, "per_page", DEFAULT_ITEMS)
    if not 1 <= size <= MAXIMUM_ITEMS:
        invalid("per_page", f"It should be a number between 1 and {MAXIMUM_ITEMS}")
    if page < 1:
        invalid("page", "It should be a Positive Integer")
    if last_page is not None and page > last_page:
        beyond_the_wall()
    response = answer(rows[(page - 1) * size : page * size])
    if len(rows) > page * size:
        response.headers["link"] = f'<{request.url.update_query({"page": str(page + 1)})}>; rel="next"'
    return response


def whole(request: web.Request, name: str, default: int) -> int:
    """A whole number from the query."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        return invalid(name, "It should be a Positive Integer", "datatype_mismatch")


def moment(request: web.Request, name: str) -> float | None:
    """A time from the query, if it is there."""
    text = request.query.get(name)
    if text is None:
        return None
    value = parse_iso(text)
    return invalid(name, "It should be a valid date/time in ISO 8601") if value is None else value


def known_only(request: web.Request, *names: str) -> None:
    """Refuse parameters that the call does not know."""
    for name in request.query:
        if name not in (*names, "page", "per_page"):
            invalid(name, "Unexpected/invalid field in request", "invalid_field")
