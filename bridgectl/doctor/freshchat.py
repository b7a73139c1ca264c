"""Checks of one tenant's Freshchat account: host, token, inboxes, groups, webhook keys."""

from __future__ import annotations

from yarl import URL

from adapters.freshchat.accounts import load_keys, read_material
from adapters.freshchat.client import FreshchatHelpdesk
from adapters.upstreams import helpdesk
from bridge.errors import BridgeError, Forbidden, Misconfigured, Throttled
from bridge.labels import SENTIMENT, TAGS
from bridge.ports import SecretSource
from bridge.tenants import Tenant, resolve
from bridgectl.doctor.case import Case
from bridgectl.doctor.report import Report

API_PAGE = "Admin → Marketplace and Integrations → API"


async def look_at_account(report: Report, case: Case, tenant: Tenant) -> None:
    """Look at everything that one account needs."""
    if case.secrets is None:
        report.skipped("account", "the secrets cannot be read")
        return
    await _look_at_keys(report, case, tenant, case.secrets)
    if case.offline:
        report.skipped("account", "--offline")
        return
    try:
        desk = helpdesk(case.settings, case.session, tenant, case.secrets)
    except Misconfigured as error:
        todo = f"Set {case.named('FRESHCHAT_API_URL', 'url', tenant)} to the Chat URL ({API_PAGE})."
        report.problem("host", str(error), f"{todo} Its host must be on FRESHCHAT_HOST_ALLOWLIST.")
        return
    if await _reached(report, case, tenant, desk):
        await _look_at_inboxes(report, case, tenant, desk)
        await _look_at_groups(report, tenant, desk)
        await _look_at_fields(report, case, tenant, desk)
        _look_at_limits(report, case, tenant)


async def _look_at_keys(report: Report, case: Case, tenant: Tenant, secrets: SecretSource) -> None:
    account = tenant.freshchat
    where = case.named("FRESHCHAT_WEBHOOK_KEYS", "webhook_keys", tenant)
    todo = f"Copy the public key from {API_PAGE} → Conversation Webhooks into {where}."
    try:
        live = load_keys(tenant, await read_material(tenant, secrets)).live
        if live:
            report.ok("webhook keys", f"{account.webhook_scheme}, {', '.join(key.id for key in live)}")
        else:
            report.problem("webhook keys", "none: every webhook is refused", todo)
    except (Misconfigured, BridgeError) as error:
        report.problem("webhook keys", str(error), todo)
    token = case.named("FRESHCHAT_WEBHOOK_TOKEN", "webhook_token", tenant)
    try:
        given = await resolve(account.webhook_token, secrets)
    except (Misconfigured, BridgeError) as error:
        report.problem("webhook token", str(error), f"Correct {token}.")
        return
    if account.webhook_token and not given:
        report.problem("webhook token", "names a secret that is not there", f"Store the secret that {token} names.")
    elif case.settings.production and not given:
        todo = f"Set {token} (`openssl rand -hex 24`) and put it into the webhook URL in Freshchat."
        report.warning("webhook token", "not set", todo)
    else:
        report.ok("webhook token", f"{len(given)} live" if given else "not set (only production needs one)")


async def _reached(report: Report, case: Case, tenant: Tenant, desk: FreshchatHelpdesk) -> bool:
    url = case.named("FRESHCHAT_API_URL", "url", tenant)
    key = case.named("FRESHCHAT_API_KEY", "api_key", tenant)
    try:
        await desk.ping()
    except Throttled as error:
        report.warning("host", f"{error}: the account's limit is used up", "Try again in a minute.")
        return False
    except Forbidden as error:
        if error.code == "freshchat_wrong_host":
            todo = f"Set {url} to the account's Chat URL ({API_PAGE}), not to the portal or the web app."
            report.problem("host", str(error), todo)
        else:
            report.problem("token", str(error), f"Generate a token ({API_PAGE}) and set {key}.")
        return False
    except BridgeError as error:
        todo = f"Check the host in {url}, and that this machine reaches it (name server, proxy, firewall)."
        report.problem("host", str(error), todo)
        return False
    report.ok("host", "answers as Freshchat's API")
    report.ok("token", "accepted")
    return True


async def _look_at_inboxes(report: Report, case: Case, tenant: Tenant, desk: FreshchatHelpdesk) -> None:
    where = case.named("FRESHCHAT_CHANNEL_ID", "inbox", tenant)
    wanted = tenant.inboxes()
    try:
        there = await desk.inboxes()
    except BridgeError as error:
        report.problem("inboxes", str(error), "The token must be allowed to list channels (GET /channels).")
        return
    for inbox in sorted(wanted):
        if inbox not in there:
            todo = f"Set {where}, or the `inbox` of the route, to the id of an inbox of this account (GET /channels)."
            report.problem("inbox", f"{inbox} does not exist", todo)
        elif not there[inbox]:
            report.problem("inbox", f"{inbox} is disabled", f"Enable it in Freshchat, or change {where} or the route.")
        else:
            report.ok("inbox", f"{inbox} exists")


async def _look_at_groups(report: Report, tenant: Tenant, desk: FreshchatHelpdesk) -> None:
    wanted = sorted({route.group for route in tenant.route if route.group})
    if not wanted:
        return
    try:
        there = await desk.groups()
    except BridgeError as error:
        report.problem("groups", str(error), "The token must be allowed to list groups (GET /groups).")
        return
    for group in wanted:
        if group in there:
            report.ok("group", f"{group} exists")
        else:
            report.problem("group", f"{group} does not exist", "Correct the `group` of the route (GET /groups).")


async def _look_at_fields(report: Report, case: Case, tenant: Tenant, desk: FreshchatHelpdesk) -> None:
    """Look for the fields of the properties that conversations are opened with; one that is missing is left out."""
    wanted = {name for route in tenant.route for name in (*route.attributes, *([TAGS] if route.tags else []))}
    wanted |= {case.settings.link_property or ""} | ({SENTIMENT} if case.settings.sentiment != "off" else set())
    there = await desk.conversation_fields()
    if there is None:
        report.skipped("conversation fields", "the account does not tell them (GET /conversations/fields)")
    elif missing := sorted(wanted - there.keys() - {""}):
        todo = "Create them in Freshchat as text fields of conversations, or switch them off (docs/settings.md)."
        report.warning("conversation fields", f"missing, so not set: {', '.join(missing)}", todo)
    else:
        report.ok("conversation fields", "all that are set exist")


def _look_at_limits(report: Report, case: Case, tenant: Tenant) -> None:
    text = tenant.freshchat.url
    host = URL(text if "://" in text else f"https://{text}").origin()
    told = case.heard.limits.get(str(host))
    report.ok("limits", told or "none advertised; the pace follows 429 answers")
