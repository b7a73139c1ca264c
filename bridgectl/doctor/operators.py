"""Checks of the operators' page: is it switched on, and can an operator log in."""

from __future__ import annotations

import time

from adapters.ops.login_token import SECRET, SHORTEST
from adapters.ops.site import client_secret, entra_login, live_tokens, origin_of
from bridge.errors import BridgeError, Misconfigured
from bridge.ports import SecretSource
from bridge.tenants import newest
from bridgectl.doctor.case import Case
from bridgectl.doctor.local import is_guid
from bridgectl.doctor.microsoft import NETWORK
from bridgectl.doctor.report import Report

PAGE = "docs/ops-page.md"


async def look_at_page(report: Report, case: Case) -> None:
    """Look at what the way to log in that `BRIDGE_OPS` names needs."""
    settings = case.settings
    if settings.ops == "off":
        report.skipped("BRIDGE_OPS", "off")
        return
    if case.secrets is None:
        report.skipped("BRIDGE_OPS", "the secrets cannot be read")
        return
    try:
        origin_of(settings)
        if settings.ops == "entra":
            await _look_at_entra(report, case, case.secrets)
        else:
            await _look_at_token(report, case, case.secrets)
    except Misconfigured as error:
        todo = f"Correct it ({PAGE}), or unset BRIDGE_OPS: the bridge does not start."
        report.problem("BRIDGE_OPS", str(error), todo)


async def _look_at_token(report: Report, case: Case, secrets: SecretSource) -> None:
    subject = "OPS_TOKEN" if case.settings.ops_token else f"secret {SECRET}"
    todo = f"Draw one (`openssl rand -base64 30`) and store it (`bridgectl secrets set {SECRET}`)."
    try:
        versions = await live_tokens(case.settings, secrets)
    except BridgeError as error:
        report.problem(subject, str(error), f"Correct the secret source, then look again ({PAGE}).")
        return
    short = [version for version in versions if len(version) < SHORTEST]
    if not versions:
        report.problem(subject, "not there: nobody can log in", todo)
    elif len(short) == len(versions):
        report.problem(subject, f"shorter than {SHORTEST} characters: nobody can log in", todo)
    elif short:
        report.warning(subject, f"{len(short)} of {len(versions)} shorter than {SHORTEST} characters", todo)
    else:
        report.ok(subject, f"{len(versions)} live")


async def _look_at_entra(report: Report, case: Case, secrets: SecretSource) -> None:
    settings = case.settings
    login = entra_login(settings, origin_of(settings), secrets, case.session, time.time)
    report.ok("OPS_ALLOWED", "set")
    if is_guid(settings.ops_client_id or settings.app_id):
        report.ok("OPS_CLIENT_ID", settings.ops_client_id or "that of the bot")
    else:
        report.problem("OPS_CLIENT_ID", "not a GUID", "Copy it from the app registration's overview page.")
    await _look_at_secret(report, case, secrets)
    if case.offline:
        report.skipped("OPS_AUTHORITY", "--offline")
        return
    try:
        await login.begin()
        report.ok("OPS_AUTHORITY", "Entra describes the sign-in")
    except BridgeError as error:
        report.problem("OPS_AUTHORITY", str(error), f"Unset it outside of national clouds. {NETWORK}")


async def _look_at_secret(report: Report, case: Case, secrets: SecretSource) -> None:
    name, given = client_secret(case.settings)
    try:
        value = await newest(given, secrets)
    except BridgeError as error:
        report.problem(name, str(error), f"Correct {name} or the secret that it names.")
        return
    if value:
        report.ok(name, "set")
    elif given:
        report.problem(name, "names a secret that is not there", f"Store the secret that {name} names.")
    else:
        todo = f"Make one in the app registration and set it: Entra asks a web page for it ({PAGE})."
        report.warning(name, "not set", todo)
