"""Everything that only an export reads, put together for the demo's sandbox and for the server of large data sets."""

from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings
from sandbox.control.bodies import body_of, refuse
from sandbox.dataset import Dataset, Shape
from sandbox.freshchat.api import ApiKey
from sandbox.freshchat.archive_api import ConversationList
from sandbox.freshchat.archive_data import ChatList
from sandbox.freshchat.door import ChatDoor
from sandbox.freshchat.reports import ReportApi
from sandbox.freshdesk.api import Freshdesk
from sandbox.freshdesk.data import DeskData
from sandbox.s3 import Content, S3Host, S3Links
from sandbox.wire import answer

FRESHDESK_KEY = "sandbox-freshdesk-key"


#: Tickets of the demo's Freshdesk, which nobody can write to.
SAMPLES = Shape(conversations=30, tickets=30, seed="samples", same_second=0)
FileContent = Callable[[str], Content | None]


class Archive:
    """Freshdesk, Freshchat's reports and its list of conversations, the host of files, and their switches."""

    def __init__(
        self,
        settings: ArchiveSettings,
        links: S3Links,
        chats: ChatList,
        desk: DeskData,
        content: FileContent,
        api_key: ApiKey,
    ) -> None:
        """`content` finds the file behind a key."""
        self.settings = settings
        self.chat_door = ChatDoor(settings)
        self.freshdesk = Freshdesk(desk, settings, links, FRESHDESK_KEY)
        self._files = S3Host(links, lambda key: self.freshdesk.export_file(key) or content(key))
        self._reports = ReportApi(chats, settings, links)
        self._list = ConversationList(chats, settings)
        self._api_key = api_key

    def guard(self, route: web.RouteDef) -> web.RouteDef:
        """A Freshchat route behind the key and the limits."""
        return self.chat_door.guard(self._api_key.guard(route))

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        chat = [self.guard(route) for api in (self._reports, self._list) for route in api.routes()]
        control = [
            web.get("/_sandbox/archive/settings", self.show_settings),
            web.post("/_sandbox/archive/settings", self.change_settings),
            web.get("/_sandbox/archive/windows", self.show_windows),
        ]
        return [*self.freshdesk.routes(), *chat, *self._files.routes(), self._reports.file_route(), *control]

    async def show_settings(self, _: web.Request) -> web.Response:
        return answer(self.settings.as_dict())

    async def show_windows(self, _: web.Request) -> web.Response:
        """What was used of each window of the limits; nothing where there are none."""
        quotas = {"freshchat": self.chat_door.quota, "freshdesk": self.freshdesk.door.quota}
        return answer({name: quota.windows() for name, quota in quotas.items()})

    async def change_settings(self, request: web.Request) -> web.Response:
        complaint = self.settings.change(await body_of(request))
        if complaint:
            refuse(complaint)
        return answer(self.settings.as_dict())


def demo_archive(chats: ChatList, api_key: ApiKey, origin: Callable[[], str]) -> Archive:
    """What the demo's sandbox adds: its own conversations, and sample tickets at the limits of an Enterprise plan."""
    settings = ArchiveSettings(freshdesk_rate=700, tickets_list_rate=200, contacts_list_rate=200)
    links = S3Links(lambda: files_origin(origin()), settings)
    samples = Dataset(SAMPLES, links, origin, linked=False)
    return Archive(settings, links, chats, samples.desk, samples.files.content, api_key)


def environment(origin: str) -> dict[str, str]:
    """The variables that point an export's Freshdesk side here; the key may go to this host only, not to the files'."""
    host = urlsplit(origin).hostname or ""
    return {"FRESHDESK_URL": origin, "FRESHDESK_API_KEY": FRESHDESK_KEY, "FRESHDESK_HOST_ALLOWLIST": host}


def files_origin(origin: str) -> str:
    """The same server under another host name where there is one, so that keys sent to files would be noticed."""
    return origin.replace("//127.0.0.1", "//localhost", 1)
