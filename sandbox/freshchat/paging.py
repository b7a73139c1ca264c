"""Freshchat's list envelope."""

from collections.abc import Sequence
from math import ceil

from aiohttp import web

from sandbox.wire import JsonObject, positive

DEFAULT_ITEMS, MAXIMUM_ITEMS = 20, 50
MAXIMUM_PAGE = 1_000_000


def page_of(request: web.Request) -> tuple[int, int]:
    """Page number and size that a request asks for; sizes above 50 are cut."""
    query = request.query
    page = positive(query.get("page"), 1, MAXIMUM_PAGE)
    return page, positive(query.get("items_per_page"), DEFAULT_ITEMS, MAXIMUM_ITEMS)


def listed(request: web.Request, name: str, rows: Sequence[JsonObject], descending: bool = False) -> JsonObject:
    """One page of rows under the resource's name, with counts and links."""
    page, size = page_of(request)
    pages = max(1, ceil(len(rows) / size))
    first, end = (page - 1) * size, page * size
    return {
        name: rows[max(0, len(rows) - end) : max(0, len(rows) - first)][::-1] if descending else rows[first:end],
        "pagination": {
            "current_page": page,
            "items_per_page": size,
            "total_items": len(rows),
            "total_pages": pages,
        },
        "links": _links(request, page, pages),
    }


def link(request: web.Request, page: int, rel: str) -> JsonObject:
    """A link to another page of the same list, relative to the host."""
    url = request.rel_url.update_query({"page": str(page)})
    return {"href": str(url), "rel": rel, "type": "GET"}


def _links(request: web.Request, page: int, pages: int) -> JsonObject:
    links = {"first_page": link(request, 1, "first_page"), "last_page": link(request, pages, "last_page")}
    if page < pages:
        links["next_page"] = link(request, page + 1, "next_page")
    if page > 1:
        links["previous_page"] = link(request, page - 1, "previous_page")
    return links
