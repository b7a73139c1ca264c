"""Graph v1.0: the pictures of people."""

import hashlib
from urllib.parse import unquote

from aiohttp import web

from sandbox.portraits import portrait
from sandbox.teams.graph_access import GraphAccess
from sandbox.teams.graph_errors import refuse
from sandbox.wire import answer
from sandbox.world import World

READ_PHOTOS = frozenset({"ProfilePhoto.Read.All", "ProfilePhoto.ReadWrite.All", "User.Read.All", "User.ReadWrite.All"})
SIZES = frozenset(f"{side}x{side}" for side in (48, 64, 96, 120, 240, 360, 432, 504, 648))

Photo = tuple[str, bytes]
"""What its type is said to be, and its bytes."""


class Photos:
    """Who has which picture; every size of it has the same bytes."""

    def __init__(self, world: World, access: GraphAccess) -> None:
        self._world = world
        self._access = access
        self._photos: dict[str, Photo] = {}
        self.clear()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1.0/users/{user}/photo", self.facts),
            web.get("/v1.0/users/{user}/photos/{size}/$value", self.value),
        ]

    def put(self, aad_id: str, photo: Photo | None) -> None:
        """Give a person another picture, or none."""
        self._photos.pop(aad_id, None)
        if photo is not None:
            self._photos[aad_id] = photo

    def clear(self) -> None:
        """Everybody has the first picture again."""
        self._photos = {user.aad_id: ("image/png", portrait(user.key)) for user in self._world.users}

    async def facts(self, request: web.Request) -> web.Response:
        """What is known of the largest picture."""
        content_type, data = self._photo(request)
        etag = hashlib.sha256(data).hexdigest()[:8].upper()
        facts = {"@odata.mediaContentType": content_type, "@odata.mediaEtag": f'"{etag}"'}
        return answer({**facts, "id": "648x648", "width": 648, "height": 648})

    async def value(self, request: web.Request) -> web.Response:
        """The picture itself."""
        content_type, data = self._photo(request)
        if request.match_info["size"] not in SIZES:
            refuse(404, "ImageNotFound", "There is no picture of this size.")
        return web.Response(body=data, headers={"Content-Type": content_type})

    def _photo(self, request: web.Request) -> Photo:
        self._access.reader(request, READ_PHOTOS)
        wanted = unquote(request.match_info["user"]).lower()
        person = next((p for p in self._world.everyone() if wanted in (p.aad_id, p.upn.lower())), None)
        if person is None:
            refuse(404, "Request_ResourceNotFound", f"Resource '{wanted}' does not exist.")
        if person.aad_id not in self._photos:
            refuse(404, "ImageNotFound", "The person has no picture.")
        return self._photos[person.aad_id]
