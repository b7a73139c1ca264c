"""Bodies and refusals of the control API."""

import base64
import secrets
from typing import Any, NoReturn, TypeVar

from aiohttp import web

from sandbox.wire import JsonObject, Refusal, read_object
from sandbox.world import Named, find

SIZE_LIMIT = 128 * 1024 * 1024
NamedT = TypeVar("NamedT", bound=Named)


def refuse(message: str, status: int = 400) -> NoReturn:
    """Say in words what is wrong with a control call."""
    raise Refusal(status, {"error": message})


async def body_of(request: web.Request) -> JsonObject:
    """The JSON object in the body; no body counts as an empty object."""
    if not await request.read():
        return {}
    body = await read_object(request)
    if body is None:
        refuse("the body must be a JSON object")
    return body


def chosen(things: tuple[NamedT, ...], name: object, what: str) -> NamedT:
    """The thing with this name; the first one when no name is given."""
    if name is None or name == "":
        return things[0]
    thing = find(things, name)
    if thing is None:
        refuse(f"no {what} is called {name!r}; there are {', '.join(thing.names()[0] for thing in things)}", 404)
    return thing


def count(body: JsonObject, name: str, limit: int = 1000) -> int:
    """How many times; 1 when it does not say."""
    value = body.get(name, 1)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= limit:
        refuse(f"{name} must be a whole number between 0 and {limit}")
    return value


def file_of(file: Any) -> tuple[str, str, bytes]:
    """Name, content type and bytes of a file in a control call: base64, or text for convenience.

    `size` makes it longer, for files that are too large for a call.
    """
    if not isinstance(file, dict) or not isinstance(file.get("name"), str):
        refuse("a file needs a name, and base64 or text")
    try:
        data = (
            base64.b64decode(file["base64"], validate=True) if "base64" in file else str(file.get("text", "")).encode()
        )
    except ValueError:
        refuse("base64 of the file is malformed")
    return file["name"], str(file.get("content_type") or "application/octet-stream"), _padded(data, file.get("size"))


def _padded(data: bytes, size: Any) -> bytes:
    """The bytes, made as long as wished with some that do not compress."""
    if size is None:
        return data
    if not isinstance(size, int) or not 0 <= size <= SIZE_LIMIT:
        refuse(f"size of a file must be a whole number up to {SIZE_LIMIT}")
    block = secrets.token_bytes(65_536)
    return (data + block * (max(0, size - len(data)) // len(block) + 1))[: max(size, len(data))]
