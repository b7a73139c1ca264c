"""Checks of what may be read of the files that people send."""

from __future__ import annotations

from adapters.http import call, endpoint
from adapters.teams.graph_files import PERMISSION, TIMEOUT
from adapters.teams.graph_reader import COMPONENT
from adapters.upstreams import graph_tokens
from bridge.errors import BridgeError
from bridgectl.doctor.case import Case
from bridgectl.doctor.report import Report

NOWHERE = "b!nowhere"
"""Asking for no drive tells whether we might ask for one: 404 (or 400, for its name) if so, else 403."""


async def look_at_files(report: Report, case: Case) -> None:
    """Look whether the app may read files of channels and group chats."""
    if case.offline or case.secrets is None:
        report.skipped(PERMISSION, "--offline" if case.offline else "the secrets cannot be read")
        return
    tokens = graph_tokens(case.settings, case.session, case.secrets)
    base = endpoint(case.settings.graph_base_url)
    url = base.with_path(f"{base.raw_path.rstrip('/')}/drives/{NOWHERE}", encoded=True)
    try:
        headers = {"Authorization": f"Bearer {await tokens.token()}"}
        answer = await call(case.session, "GET", url, component=COMPONENT, headers=headers, timeout=TIMEOUT)
    except BridgeError as error:
        report.skipped(PERMISSION, f"Graph cannot be asked ({error.code})")
        return
    finally:
        if close := getattr(tokens, "close", None):
            await close()
    if answer.status == 403:
        todo = f"Grant the bot's app registration the application permission {PERMISSION}, if agents should get them."
        report.warning(PERMISSION, "not granted: of files in channels and group chats agents get links only", todo)
    elif answer.status in (400, 404):
        report.ok(PERMISSION, "granted: agents get the files of channels and group chats")
    else:
        report.skipped(PERMISSION, f"Graph answered {answer.status}")
