"""Freshdesk's read side behind its door."""

import io
import zipfile

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings
from sandbox.freshdesk.account import AccountApi
from sandbox.freshdesk.data import ContactView, DeskData, TicketView
from sandbox.freshdesk.door import DeskDoor
from sandbox.freshdesk.people import PeopleApi
from sandbox.freshdesk.tickets import TicketApi
from sandbox.s3 import Content, S3Links
from sandbox.wire import dumps

#: Rows of a resource in an account export; enough for comparing, bounded for the sandbox.
EXPORTED = 10_000
_EXPORT = "account-export-"


class Freshdesk:
    """All routes of one account."""

    def __init__(self, data: DeskData, settings: ArchiveSettings, links: S3Links, key: str) -> None:
        self._data = data
        self.door = DeskDoor(key, settings)
        self._tickets = TicketApi(data, settings)
        self._people = PeopleApi(data, settings)
        self._account = AccountApi(data, settings, self.door, lambda job: links.url(f"{_EXPORT}{job}", "export.zip"))

    def routes(self) -> list[web.RouteDef]:
        """Each behind the door, with its price."""
        door, tickets = self.door, self._tickets
        singles = [door.guard(route, tickets.single_cost) for route in tickets.routes()]
        others = [door.guard(route) for api in (self._people, self._account) for route in api.routes()]
        lists = [
            door.guard(tickets.list_route(), tickets.list_cost, "tickets"),
            door.guard(self._people.list_route(), of_list="contacts"),
        ]
        return [*lists, *singles, *others, self._account.image_route()]

    def export_file(self, key: str) -> Content | None:
        """The ZIP behind the link of a finished account export; its inner form is not documented."""
        if not key.startswith(_EXPORT):
            return None
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("tickets.json", dumps(self._data.tickets(_every("live"))[:EXPORTED]))
            archive.writestr("archive_tickets.json", dumps(self._data.tickets(_every("archived"))[:EXPORTED]))
            archive.writestr("contacts.json", dumps(self._data.contacts(ContactView())[:EXPORTED]))
        return Content("export.zip", "application/zip", packed.getvalue())


def _every(kind: str) -> TicketView:
    return TicketView(kind, descending=False, include=frozenset({"description"}))
