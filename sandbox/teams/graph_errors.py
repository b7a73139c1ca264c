"""Graph's error object and its ways to say no."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn

from sandbox.wire import Refusal

#: Graph's own answer to an application that posts messages; 401 although the token is good.
APP_ONLY_POST = (
    "Message POST is allowed in application-only context only for import purposes. "
    "Refer to https://docs.microsoft.com/microsoftteams/platform/graph-api/import-messages/"
    "import-external-messages-to-teams for more details."
)


def refuse(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> NoReturn:
    """Answer with Graph's error object."""
    request_id = str(uuid.uuid4())
    inner = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": request_id,
    }
    raise Refusal(status, {"error": {"code": code, "message": message, "innerError": inner}}, headers)


def not_found(what: str) -> NoReturn:
    refuse(404, "NotFound", f"{what} not found.")


def bad_request(message: str) -> NoReturn:
    refuse(400, "BadRequest", message)
