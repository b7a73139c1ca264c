"""Checks of the bot's registration and of the account that answers through Graph."""

from __future__ import annotations

from typing import Any

from adapters.http import Answer, call, endpoint
from adapters.upstreams import bot_tokens, graph_sign_in
from bridge.errors import BridgeError, Misconfigured
from bridge.ports import SecretSource
from bridgectl.doctor.case import Case
from bridgectl.doctor.local import is_guid
from bridgectl.doctor.report import Report

NETWORK = "Check that this machine reaches it (name server, proxy, firewall)."
LOGIN = "Run `bridgectl graph login` as the service account."

TOKEN_ADVICE = {
    "entra_invalid_client": "Make a new client secret in the app registration and set MicrosoftAppPassword.",
    "entra_unauthorized_client": "Set MicrosoftAppId to the registration's application id, and MicrosoftAppTenantId to "
    "the directory it is registered in.",
    "entra_invalid_request": "Set MicrosoftAppTenantId to the directory id of the registration.",
    "managed_identity": "Assign the identity whose client id is MicrosoftAppId to this machine.",
}


# --- the bot


async def look_at_bot(report: Report, case: Case) -> None:
    """Look at the ids, and try to get the bot's own token."""
    settings = case.settings
    try:
        settings.require_bot()
    except Misconfigured as error:
        report.problem("registration", str(error), "Take them from the bot registration (docs/setup-one-machine.md).")
        return
    for name, value in (("MicrosoftAppId", settings.app_id), ("MicrosoftAppTenantId", settings.app_tenant_id)):
        if is_guid(value):
            report.ok(name, value)
        else:
            report.problem(name, "not a GUID", "Copy it from the app registration's overview page.")
    _look_at_type(report, case)
    if case.offline or case.secrets is None:
        report.skipped("token", "--offline" if case.offline else "the secrets cannot be read")
    else:
        await _look_at_token(report, case, case.secrets)


def _look_at_type(report: Report, case: Case) -> None:
    settings = case.settings
    if settings.app_type == "MultiTenant":
        todo = "Register a new bot as Single Tenant when you can: Azure makes no new multi-tenant ones."
        report.warning("MicrosoftAppType", "MultiTenant", todo)
    elif settings.app_type == "UserAssignedMSI" and settings.app_password:
        todo = "Unset MicrosoftAppPassword: a managed identity has none, and nobody should keep it."
        report.warning("MicrosoftAppType", "UserAssignedMSI, with a password", todo)
    else:
        report.ok("MicrosoftAppType", settings.app_type)


async def _look_at_token(report: Report, case: Case, secrets: SecretSource) -> None:
    tokens = bot_tokens(case.settings, case.session, secrets)
    try:
        await tokens.token()
        report.ok("token", f"granted to the bot ({case.settings.app_type})")
    except BridgeError as error:
        known = TOKEN_ADVICE.get(error.code)
        report.problem("token", str(error), known or f"Check MicrosoftAppTenantId and BOT_OAUTH_URL. {NETWORK}")
    finally:
        close = getattr(tokens, "close", None)  # a managed identity holds a connection
        if close is not None:
            await close()


async def look_at_keys(report: Report, case: Case) -> None:
    """Look whether the keys that sign activities can be read: without them every activity is refused."""
    if case.offline:
        report.skipped("BOT_OPENID_METADATA_URL", "--offline")
        return
    todo = f"Check BOT_OPENID_METADATA_URL (unset it outside of national clouds). {NETWORK}"
    try:
        metadata = await _json(case, case.settings.bot_openid_metadata_url)
        keys = (await _json(case, str(metadata.get("jwks_uri", "")))).get("keys")
    except (BridgeError, Misconfigured, ValueError) as error:
        report.problem("BOT_OPENID_METADATA_URL", str(error), todo)
        return
    usable = [key for key in keys if _signs_for_teams(key)] if isinstance(keys, list) else []
    if usable:
        report.ok("BOT_OPENID_METADATA_URL", f"keys that sign for Teams: {len(usable)}")
    else:
        report.problem("BOT_OPENID_METADATA_URL", "no key that signs for Teams", todo)


def _signs_for_teams(key: Any) -> bool:
    return isinstance(key, dict) and key.get("kty") == "RSA" and "msteams" in (key.get("endorsements") or ())


async def _json(case: Case, url: str) -> dict[str, Any]:
    answer: Answer = await call(case.session, "GET", endpoint(url), component="botframework", timeout=10)
    if not answer.ok:
        raise ValueError(f"answered {answer.status}")
    return answer.object()


# --- Graph


async def look_at_graph(report: Report, case: Case) -> None:
    """Look at Graph and at the account that is signed in."""
    settings = case.settings
    if settings.reply_via == "bot":
        report.skipped("sign-in", "TEAMS_REPLY_VIA=bot: the bot writes every answer")
        return
    if not settings.graph_base_url.rstrip("/").endswith("/v1.0"):
        report.problem(
            "GRAPH_BASE_URL", "does not end in /v1.0", "Give it with /v1.0, or unset it for the public cloud."
        )
        return
    if not case.offline:
        await _look_at_host(report, case)
    if case.secrets is None:
        report.skipped("sign-in", "the secrets cannot be read")
        return
    try:
        await _look_at_sign_in(report, case, case.secrets)
    except Misconfigured as error:
        report.problem("sign-in", str(error), LOGIN)


async def _look_at_host(report: Report, case: Case) -> None:
    """Call it without a token: a refusal is an answer too."""
    try:
        await call(case.session, "GET", endpoint(case.settings.graph_base_url), component="graph", timeout=10)
        report.ok("GRAPH_BASE_URL", "answers")
    except (BridgeError, Misconfigured) as error:
        report.problem("GRAPH_BASE_URL", str(error), NETWORK)


async def _look_at_sign_in(report: Report, case: Case, secrets: SecretSource) -> None:
    sign_in = graph_sign_in(case.settings, case.session, secrets)
    account = await sign_in.signed_in()
    if account is None:
        note = report.problem if case.settings.reply_via == "graph" else report.warning
        note("sign-in", "nobody is signed in: the bot writes the answers in channels", LOGIN)
        return
    if account.tid.lower() not in {tenant.id for tenant in case.tenants}:
        report.problem("account", "it belongs to a tenant that is not ours", LOGIN)
    if case.offline or not case.stores_usable:
        report.skipped("sign-in", "--offline" if case.offline else "a renewed sign-in could not be stored")
        return
    status = await sign_in.status()
    if status.problem:
        todo = NETWORK if status.problem.endswith(("unreachable", "timeout")) else LOGIN
        report.problem("sign-in", f"cannot be renewed ({status.problem})", todo)
    elif status.missing:
        todo = "Grant admin consent for these delegated permissions to the app of GRAPH_CLIENT_ID, then sign in again "
        report.problem("scopes", f"not granted: {', '.join(status.missing)}", f"{todo}(`bridgectl graph login`).")
    else:
        report.ok("sign-in", "renewed")
        report.ok("scopes", "all that replies need")
