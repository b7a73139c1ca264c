"""Control of people's pictures."""

import base64

from aiohttp import web

from sandbox.control.bodies import body_of, chosen, refuse
from sandbox.teams.photos import Photos
from sandbox.wire import answer
from sandbox.world import World


class PhotoControl:
    """The call POST /_sandbox/teams/photo."""

    def __init__(self, world: World, photos: Photos) -> None:
        self._world = world
        self._photos = photos

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/_sandbox/teams/photo", self.photo)]

    async def photo(self, request: web.Request) -> web.Response:
        """Give `user` the picture in `base64`, said to be of `content_type` (image/png); without it, none."""
        body = await body_of(request)
        person = chosen(self._world.everyone(), body.get("user"), "user")
        content = body.get("base64")
        try:
            data = None if content is None else base64.b64decode(content, validate=True)
        except (TypeError, ValueError):
            refuse("base64 of the picture is malformed")
        content_type = str(body.get("content_type") or "image/png")
        self._photos.put(person.aad_id, None if data is None else (content_type, data))
        return answer({"user": person.key, "bytes": len(data or b"")})
