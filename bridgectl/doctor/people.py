"""Checks of what agents learn about people, and of who judges moods."""

from __future__ import annotations

from adapters.sentiments import open_sentiment
from adapters.teams.profiles import PERMISSION
from adapters.upstreams import graph_profiles
from bridge.errors import BridgeError, Misconfigured
from bridge.telemetry import Telemetry
from bridgectl.doctor.case import Case
from bridgectl.doctor.report import Report

NOBODY = "00000000-0000-0000-0000-000000000000"
"""Asking for nobody tells whether we might ask for somebody: 404 if so, else 403."""

GRANTED = {
    "on": "granted: agents see departments, titles and pictures",
    "off": "granted: agents see departments and titles (BRIDGE_PICTURES=off)",
}


async def look_at_profiles(report: Report, case: Case) -> None:
    """Look whether the app may read departments and titles, and so pictures: they need no other permission."""
    if case.offline or case.secrets is None:
        report.skipped(PERMISSION, "--offline" if case.offline else "the secrets cannot be read")
        return
    profiles = graph_profiles(case.settings, case.session, case.secrets, Telemetry("CRITICAL"))
    try:
        answer = await profiles.ask(NOBODY)
    except BridgeError as error:
        report.skipped(PERMISSION, f"Graph cannot be asked ({error.code})")
        return
    finally:
        await profiles.close()
    if answer.status == 403:
        todo = f"Grant the bot's app registration the application permission {PERMISSION}, if agents should see them."
        report.warning(PERMISSION, "not granted: agents do not see departments and titles", todo)
    elif answer.status == 404:
        report.ok(PERMISSION, GRANTED[case.settings.pictures])
    else:
        report.skipped(PERMISSION, f"Graph answered {answer.status}")


async def look_at_sentiment(report: Report, case: Case) -> None:
    """Let one word be judged by the service that is configured."""
    if case.offline or case.secrets is None:
        report.skipped("BRIDGE_SENTIMENT", "--offline" if case.offline else "the secrets cannot be read")
        return
    todo = (
        "Check AZURE_LANGUAGE_ENDPOINT and AZURE_LANGUAGE_KEY; without a key the identity needs the role Cognitive "
        "Services Language Reader, and the endpoint must be the resource's own (custom subdomain)."
    )
    try:
        sentiment = open_sentiment(case.settings, case.session, case.secrets)
    except Misconfigured as error:
        report.problem("BRIDGE_SENTIMENT", str(error), todo)
        return
    if sentiment is None:
        return
    try:
        await sentiment.ping()
        report.ok("BRIDGE_SENTIMENT", f"{case.settings.sentiment} answers")
    except BridgeError as error:
        report.warning("BRIDGE_SENTIMENT", f"{error.code}: questions arrive without their mood", todo)
    finally:
        await sentiment.close()
