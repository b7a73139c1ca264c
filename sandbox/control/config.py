"""What a page or a bridge must know about this sandbox."""

from dataclasses import asdict
from urllib.parse import urlsplit

from sandbox import archive
from sandbox.entra import Entra
from sandbox.freshchat.api import ApiKey
from sandbox.webhooks import WebhookSender
from sandbox.wire import JsonObject
from sandbox.world import World


def describe(
    world: World, origin: str, service_url: str, api_key: ApiKey, entra: Entra, webhooks: WebhookSender, bridge: str
) -> JsonObject:
    """GET /_sandbox/config."""
    return {
        "tenant": world.tenant,
        "app_id": world.app_id,
        "bot": {"id": world.bot_id, "name": world.bot_name},
        "service_url": service_url,
        "bridge": bridge,
        "team": asdict(world.team),
        "channels": [asdict(channel) for channel in world.channels],
        "group_chats": [asdict(chat) for chat in world.group_chats],
        "users": [asdict(user) for user in world.users],
        "service_account": asdict(world.service_account),
        "agents": [asdict(agent) for agent in world.agents],
        "inboxes": [asdict(inbox) for inbox in world.inboxes],
        "groups": [asdict(group) for group in world.groups],
        "env": environment(world, origin, api_key, entra, webhooks),
    }


def environment(world: World, origin: str, api_key: ApiKey, entra: Entra, webhooks: WebhookSender) -> dict[str, str]:
    """The variables that point a bridge at this sandbox."""
    host = urlsplit(origin).hostname or "127.0.0.1"
    token_url = f"{origin}/entra/{world.tenant}/oauth2/v2.0/token"
    return {
        "MicrosoftAppId": world.app_id,
        "MicrosoftAppPassword": entra.bot_secret,
        "MicrosoftAppType": "SingleTenant",
        "MicrosoftAppTenantId": world.tenant,
        "BOT_OPENID_METADATA_URL": f"{origin}/botframework/.well-known/openidconfiguration",
        "BOT_OAUTH_URL": token_url,
        "BOT_SERVICE_URL_ALLOWLIST": host,
        "GRAPH_BASE_URL": f"{origin}/v1.0",
        "GRAPH_OAUTH_URL": token_url,
        "GRAPH_CLIENT_ID": world.graph_client_id,
        "FRESHCHAT_API_URL": f"{origin}/v2",
        "FRESHCHAT_API_KEY": api_key.value,
        "FRESHCHAT_CHANNEL_ID": world.inboxes[0].id,
        "FRESHCHAT_WEBHOOK_SCHEME": "rsa",
        "FRESHCHAT_WEBHOOK_KEYS": webhooks.key.freshchat_pem().replace("\n", "\\n"),
        "FRESHCHAT_WEBHOOK_TOKEN": world.webhook_token,
        "FRESHCHAT_HOST_ALLOWLIST": host,
        **archive.environment(origin),
    }
