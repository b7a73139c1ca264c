"""Reading a JSON body the way Freshchat insists on it."""

from aiohttp import web

from sandbox.freshchat.errors import invalid, refuse
from sandbox.wire import JsonObject, read_object


async def object_body(request: web.Request) -> JsonObject:
    """The JSON object in the body; 415 for another content type, 400 for anything that is not an object."""
    if request.content_type != "application/json":
        refuse(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json")
    body = await read_object(request)
    if body is None:
        invalid("Unable to process JSON")
    return body
