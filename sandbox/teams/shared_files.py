"""Files in Teams: what an activity says about them in each scope, and how Graph and the connector hand them out."""

import base64
import uuid
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import quote

from aiohttp import web

from sandbox.files import FileShelf, StoredFile, download
from sandbox.teams.bot_activity import refuse as connector_refuse
from sandbox.teams.graph_access import GraphAccess
from sandbox.teams.graph_errors import not_found
from sandbox.tokens import CONNECTOR, AccessTokens, TokenError
from sandbox.wire import JsonObject, answer
from sandbox.world import World

READ_FILES = frozenset({"Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All"})
KEPT = 1000
DOWNLOAD_INFO = "application/vnd.microsoft.teams.file.download.info"


class SharedFiles:
    """The files that users send."""

    def __init__(
        self, world: World, files: FileShelf, access: AccessTokens, graph: GraphAccess, origin: Callable[[], str]
    ) -> None:
        self._world = world
        self._files = files
        self._access = access
        self._graph = graph
        self._origin = origin
        self._by_url: OrderedDict[str, StoredFile] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/connector/{tenant}/v3/attachments/{file}/views/{view}", self.view),
            web.get("/v1.0/drives/{drive}", self.drive),
            web.get("/v1.0/shares/{share}/driveItem", self.drive_item),
            web.get("/v1.0/shares/{share}/driveItem/content", self.content),
        ]

    def share(self, name: str, content_type: str, data: bytes, *, scope: str) -> JsonObject:
        """The attachment that stands for a file.

        A personal chat carries a link that needs no token, or for pictures one on the connector that needs the bot's.
        Elsewhere the activity holds nothing usable: the file is a SharePoint item to be read through Graph.
        """
        file = self._files.add(name, content_type, data)
        if scope != "personal":
            return self._reference(file)
        if content_type.startswith("image/"):
            url = f"{self._origin()}/connector/{self._world.tenant}/v3/attachments/{file.id}/views/original"
            self._remember(url, file)
            return {"contentType": content_type, "contentUrl": url, "name": name}
        content = {
            "downloadUrl": f"{self._origin()}{file.path}",
            "uniqueId": str(uuid.uuid4()).upper(),
            "fileType": file.extension,
        }
        url = self._sharepoint_url(file)
        self._remember(url, file)
        return {"contentType": DOWNLOAD_INFO, "contentUrl": url, "name": name, "content": content}

    def behind(self, url: str) -> StoredFile | None:
        """The file that an attachment's contentUrl stands for."""
        return self._by_url.get(url)

    async def view(self, request: web.Request) -> web.Response:
        """The bytes of a picture, for the bot's token only."""
        try:
            self._access.check(request.headers.get("Authorization"), (CONNECTOR,))
        except TokenError as error:
            connector_refuse(401, "Unauthorized", str(error))
        file = self._files.get(request.match_info["file"])
        if file is None:
            connector_refuse(404, "AttachmentNotFound", "The attachment was not found.")
        return download(file)

    async def drive_item(self, request: web.Request) -> web.Response:
        """What Graph knows about a shared file, with a link that needs no token."""
        file = self._shared(request)
        return answer(
            {
                "@microsoft.graph.downloadUrl": f"{request.url.origin()}{file.path}",
                "id": file.id,
                "name": file.name,
                "size": len(file.data),
                "file": {"mimeType": file.content_type},
            }
        )

    async def drive(self, request: web.Request) -> web.Response:
        """No drive is known by its id here; who may not read files does not learn even that."""
        self._graph.reader(request, READ_FILES)
        not_found("The drive")

    async def content(self, request: web.Request) -> web.Response:
        """Graph answers with a redirect to the pre-authenticated link."""
        file = self._shared(request)
        return web.Response(status=302, headers={"Location": f"{request.url.origin()}{file.path}"})

    def clear(self) -> None:
        self._by_url.clear()

    def _shared(self, request: web.Request) -> StoredFile:
        self._graph.reader(request, READ_FILES)
        encoded = request.match_info["share"].removeprefix("u!")
        try:
            url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        except ValueError:
            not_found("The sharing link")
        file = self._by_url.get(url)
        if file is None:
            not_found("The sharing link")
        return file

    def _reference(self, file: StoredFile) -> JsonObject:
        url = self._sharepoint_url(file)
        self._remember(url, file)
        return {"id": str(uuid.uuid4()), "contentType": "reference", "contentUrl": url, "name": file.name}

    def _remember(self, url: str, file: StoredFile) -> None:
        self._by_url[url] = file
        if len(self._by_url) > KEPT:
            self._by_url.popitem(last=False)

    def _sharepoint_url(self, file: StoredFile) -> str:
        return f"https://fenn.sharepoint.example/sites/Facilities/Shared%20Documents/{file.id[:8]}/{quote(file.name)}"
