"""Freshdesk's dictionaries, the account, its asynchronous export, and pictures that only its own host serves."""

from collections import OrderedDict
from collections.abc import Callable
from itertools import count

from aiohttp import web

from sandbox.archive_settings import ArchiveSettings
from sandbox.freshdesk.data import DeskData
from sandbox.freshdesk.door import DeskDoor
from sandbox.freshdesk.errors import invalid, not_found, refuse
from sandbox.freshdesk.paging import listed
from sandbox.wire import JsonObject, answer, origin_of, read_object

DICTIONARIES = (
    "groups",
    "roles",
    "products",
    "ticket_fields",
    "contact_fields",
    "company_fields",
    "sla_policies",
    "business_hours",
    "email_configs",
    "surveys",
)
ADMIN_DICTIONARIES = ("admin/ticket_fields", "admin/groups")
JOBS_KEPT = 100
#: Signs the link to a finished export.
ExportLink = Callable[[int], str]


class AccountApi:
    """Everything that is one of a kind."""

    def __init__(self, data: DeskData, settings: ArchiveSettings, door: DeskDoor, link: ExportLink) -> None:
        self._data = data
        self._settings = settings
        self._door = door
        self._link = link
        self._looks: OrderedDict[int, int] = OrderedDict()
        self._ids = count(432)

    def routes(self) -> list[web.RouteDef]:
        lists = [web.get(f"/api/v2/{name}", self.dictionary) for name in (*DICTIONARIES, *ADMIN_DICTIONARIES)]
        return [
            *lists,
            web.get("/api/v2/account", self.account),
            web.get("/api/v2/settings/helpdesk", self.helpdesk),
            web.post("/api/v2/account/export", self.export),
            web.get("/api/v2/jobs/{job:\\d+}", self.job),
        ]

    def image_route(self) -> web.RouteDef:
        """Pictures inside texts, which need the key but are no API call."""
        return web.get("/inline/attachment", self.image)

    async def dictionary(self, request: web.Request) -> web.Response:
        """A list by its path; those below admin/ are for administrators."""
        name = request.path.removeprefix("/api/v2/")
        if name in ADMIN_DICTIONARIES:
            self._need_admin()
        return listed(request, self._data.dictionary(name))

    async def account(self, _: web.Request) -> web.Response:
        return answer(
            {
                "organisation_id": 1_000_000_000_000_000_001,
                "organisation_name": "펜",
                "account_id": 1,
                "account_name": "펜 헬프데스크",
                "account_domain": "fenn.desk.example",
                "tier_type": "Sandbox",
                "timezone": "Seoul",
                "data_center": "sandbox",
                "total_agents": {"full_time": 4, "occasional": 1},
            }
        )

    async def helpdesk(self, _: web.Request) -> web.Response:
        return answer({"primary_language": "ko", "supported_languages": ["en"], "portal_languages": ["ko", "en"]})

    async def export(self, request: web.Request) -> web.Response:
        """Start an export of the whole account; for administrators."""
        self._need_admin()
        wanted = await read_object(request)
        resources = (wanted or {}).get("resources")
        if wanted is None or not isinstance(resources, list) or not all(isinstance(r, dict) for r in resources):
            invalid("resources", "It should be a valid array of objects", "datatype_mismatch")
        job_id = next(self._ids)
        self._looks[job_id] = 0
        if len(self._looks) > JOBS_KEPT:
            self._looks.popitem(last=False)
        href = f"{origin_of(request)}/api/v2/jobs/{job_id}"
        return answer({"job": {"id": job_id, "link": {"href": href, "method": "GET"}}}, 202)

    async def job(self, request: web.Request) -> web.Response:
        """IN PROGRESS for some looks; what a finished one shows is not documented."""
        job_id = int(request.match_info["job"])
        if job_id not in self._looks:
            not_found()
        self._looks[job_id] += 1
        shown: JsonObject = {"id": str(job_id), "name": "ACCOUNT::EXPORT", "status": "IN PROGRESS", "progress": 80}
        if self._looks[job_id] <= self._settings.export_polls:
            return answer(shown)
        done = {"download_url": self._link(job_id)} if self._settings.export_url else {}
        return answer(shown | {"status": "COMPLETED", "progress": 100} | done)

    async def image(self, request: web.Request) -> web.Response:
        """401 without the key, as a portal that wants a login."""
        if not self._door.knows(request):
            return web.Response(status=401, text="Please log in.")
        content = self._data.inline_image(request.query.get("token", ""))
        if content is None:
            return web.Response(status=404)
        return web.Response(body=content.body, headers={"Content-Type": content.content_type})

    def _need_admin(self) -> None:
        if not self._settings.admin:
            refuse(403, "access_denied", "You are not authorized to perform this action.")
