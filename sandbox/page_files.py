"""Serves the page; it is plain files beside this package."""

from pathlib import Path

from aiohttp import web

PAGE = Path(__file__).parent / "page"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def routes() -> list[web.RouteDef]:
    return [web.get("/", _index), web.get("/page/{name:.+}", _file)]


async def _index(_: web.Request) -> web.StreamResponse:
    return _answer(PAGE / "index.html")


async def _file(request: web.Request) -> web.StreamResponse:
    return _answer(PAGE / request.match_info["name"])


def _answer(path: Path) -> web.StreamResponse:
    """The file, as long as it is one and lies below the page folder."""
    found = path.resolve()
    if not found.is_relative_to(PAGE.resolve()) or not found.is_file():
        return web.Response(status=404, text="The page is not installed; the control API is under /_sandbox/.")
    return web.FileResponse(found, headers=_HEADERS)
