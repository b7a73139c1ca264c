"""All settings of the bridge: one frozen model, read once at start from the environment and `.env`.

Names are a contract with administrators. `docs/settings.md` is generated from this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bridge.errors import Misconfigured
from bridge.recipients import recipients

FRESHWORKS_HOSTS = "freshchat.com;myfreshworks.com"
FRESHCHAT_FILE_HOSTS = ";".join(
    f"fc-{region}-00-{bucket}-bkt-00.s3.{host}amazonaws.com"
    for region, host in (
        ("use1", ""),
        ("euc1", "eu-central-1."),
        ("aps1", "ap-south-1."),
        ("aps2", "ap-southeast-2."),
    )
    for bucket in ("pics", "files")
)
"""Freshchat's file stores in the United States and in Europe, as seen in public, and by their pattern in India and in
Australia. Not all of S3: anybody can keep something there."""
TEAMS_HOSTS = (
    "smba.trafficmanager.net;smba.infra.gcc.teams.microsoft.com;smba.infra.gov.teams.microsoft.us;"
    "smba.infra.dod.teams.microsoft.us"
)
FILE_HOSTS = "sharepoint.com;sharepoint.us;sharepoint-mil.us;sharepoint.cn"


def _setting(name: str, default: Any, help_text: str, **more: Any) -> Any:
    return Field(default, validation_alias=AliasChoices(name), title=name, description=help_text, **more)


def _public_keys(text: str) -> str:
    return ",".join(recipients(text))


class Settings(BaseSettings):
    """Every setting with its variable (`title`), default and meaning (`description`)."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        frozen=True,
        extra="ignore",
        str_strip_whitespace=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    host: str = _setting("HOST", "0.0.0.0", "address to listen on")  # noqa: S104 - a server behind a gateway
    port: int = _setting("PORT", 3978, "port to listen on", ge=0, le=65535)
    env: Literal["development", "production"] = _setting(
        "BRIDGE_ENV", "development", "`production` refuses choices that are only safe on a developer's machine"
    )
    public_url: str | None = _setting("BRIDGE_PUBLIC_URL", None, "how the outside reaches the bridge (https)")
    data_dir: Path = _setting("BRIDGE_DATA_DIR", Path("data"), "folder of the embedded stores")
    tenants_file: Path | None = _setting(
        "BRIDGE_TENANTS_FILE",
        None,
        "`tenants.toml` for several tenants; without it the FRESHCHAT_* variables are the only tenant",
    )
    routing_file: Path | None = _setting(
        "BRIDGE_ROUTING_FILE", None, "`routing.toml` of the only tenant: which team or channel goes to which inbox"
    )
    queue: str = _setting("BRIDGE_QUEUE", "local.sqlite_queue", "adapter of the queue")
    threads: str = _setting("BRIDGE_THREADS", "local.sqlite_threads", "adapter of the thread map")
    secrets: str = _setting("BRIDGE_SECRETS", "local.files_secrets", "adapter of the secret source")
    objects: str = _setting("BRIDGE_OBJECTS", "local.files_objects", "adapter of the store for files")
    sentiment: Literal["off", "local.lexicon", "azure.language"] = _setting(
        "BRIDGE_SENTIMENT", "local.lexicon", "who judges the mood of new questions (`cf_sentiment`), if anybody does"
    )
    sentiment_seconds: float = _setting(
        "BRIDGE_SENTIMENT_SECONDS", 0.3, "longest that a question waits for its mood; then it goes without", gt=0, le=5
    )
    pictures: Literal["on", "off"] = _setting(
        "BRIDGE_PICTURES",
        "on",
        "`on`: agents see the picture that a person has in Microsoft 365; `off`: no picture is read or handed over",
    )
    max_file_bytes: int = _setting(
        "BRIDGE_MAX_FILE_BYTES",
        25 * 1024 * 1024,
        "longest file that is carried, in bytes; Freshchat takes 25 MB (`max_file_bytes` of a tenant replaces it)",
        ge=1,
        le=1024 * 1024 * 1024,
    )
    refused_files: str = _setting(
        "BRIDGE_REFUSED_FILES",
        "program;script;macro;locked",
        "kinds of files that are kept out, separated by `;`, or `none` (`refused_files` of a tenant replaces it; "
        "docs/files.md)",
    )
    file_seconds: float = _setting(
        "BRIDGE_FILE_SECONDS", 60.0, "longest that reading one file may take, to its last byte", gt=0, le=60
    )
    file_patience: float = _setting(
        "BRIDGE_FILE_PATIENCE_SECONDS",
        300.0,
        "seconds that a message waits for its files while their server or the scanner is away; then they are kept out",
        ge=0,
        le=1800,
    )
    scanner: Literal["off", "local.clamav"] | None = _setting(
        "BRIDGE_SCANNER",
        None,
        "who scans files: `off` only in development; without this and without `CLAMD_ADDRESS` nobody does, and in "
        "production files are then kept out",
    )
    clamd_address: str = _setting(
        "CLAMD_ADDRESS",
        "",
        "where clamd listens: `unix:/run/clamav/clamd.ctl` (the default of `local.clamav`) or `tcp:host:3310`; setting "
        "it switches scanning on",
    )
    clamd_max_bytes: int = _setting(
        "CLAMD_MAX_BYTES",
        25 * 1024 * 1024,
        "`StreamMaxLength` of clamd in bytes: longer files cannot be scanned, so they are kept out",
        ge=1,
    )
    scan_seconds: float = _setting("BRIDGE_SCAN_SECONDS", 60.0, "longest that one scan may take", gt=0, le=600)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "BRIDGE_LOG_LEVEL", "INFO", "`DEBUG` also logs each accepted request"
    )
    concurrency: int = _setting(
        "BRIDGE_CONCURRENCY", 64, "threads worked on at the same time, per direction", ge=1, le=1024
    )
    queue_limit: int = _setting(
        "BRIDGE_QUEUE_LIMIT",
        2_000_000,
        "messages that may wait in the embedded queue, per direction; the door answers 503 beyond it (0: no limit but "
        "the disk). Several tenants share it: none has more waiting than there is room for more, so one alone half",
        ge=0,
    )
    tenant_rate: float | None = _setting(
        "BRIDGE_TENANT_RATE",
        None,
        "most messages per second and direction that each process delivers for a tenant (`rate` of a tenant in "
        "`tenants.toml` replaces it; default: no limit)",
        gt=0,
        allow_inf_nan=False,
    )
    retry_window: float = _setting(
        "BRIDGE_RETRY_WINDOW",
        3600.0,
        "seconds a failing message may hold its thread before it becomes a dead letter",
        gt=0,
        allow_inf_nan=False,
    )
    retry_wait: float = _setting(
        "BRIDGE_RETRY_WAIT", 1.0, "seconds before the first retry; doubles with each, up to a minute", gt=0, le=60
    )
    grace: float = _setting(
        "BRIDGE_GRACE", 20.0, "seconds to finish what is under way on stop", ge=0, allow_inf_nan=False
    )
    reconcile_seconds: float = _setting(
        "BRIDGE_RECONCILE_SECONDS",
        900.0,
        "seconds between two passes that read conversations back and deliver what webhooks did not bring (0: none)",
        ge=0,
        allow_inf_nan=False,
    )
    reconcile_days: float = _setting(
        "BRIDGE_RECONCILE_DAYS", 7.0, "days after its last message that a conversation is still read back", gt=0, le=28
    )
    retirement_seconds: float = _setting(
        "BRIDGE_RETIREMENT_SECONDS",
        5.0,
        "seconds between two looks of each process whether the bridge was retired",
        gt=0,
        le=3600,
    )
    channel_messages: Literal["all", "mention"] = _setting(
        "BRIDGE_CHANNEL_MESSAGES",
        "all",
        "`mention`: open a conversation only for messages that mention the bot (with resource-specific consent Teams "
        "sends every message of a channel); messages of threads already linked are always carried",
    )
    status_notices: bool = _setting(
        "BRIDGE_STATUS_NOTICES",
        True,
        "one small line in the thread when a conversation is assigned, resolved or reopened (`status_notices` of a "
        "tenant in `tenants.toml` replaces it)",
    )
    away_notices: bool = _setting(
        "BRIDGE_AWAY_NOTICES",
        True,
        "tell whoever writes outside the business hours of Freshchat, once for each conversation (`away_notices` of a "
        "tenant in `tenants.toml` replaces it)",
    )
    csat: bool = _setting(
        "BRIDGE_CSAT",
        False,
        "ask for a rating in the thread when a conversation is resolved (`csat` of a tenant in `tenants.toml` "
        "replaces it)",
    )

    reactions: Literal["on", "off"] = _setting(
        "BRIDGE_REACTIONS",
        "off",
        "`on`: agents read when somebody reacts to an answer that the bot posted (`reactions` of a tenant in "
        "`tenants.toml` replaces it)",
    )
    deletes: Literal["notice", "redact"] = _setting(
        "BRIDGE_DELETES",
        "notice",
        "what follows when a message is deleted in Teams: `notice` tells the agent; `redact` also deletes what the "
        "bridge itself stores of it (`deletes` of a tenant in `tenants.toml` replaces it)",
    )

    app_id: str = _setting("MicrosoftAppId", "", "app id of the bot registration; required, never optional")
    app_password: SecretStr | None = _setting(
        "MicrosoftAppPassword", None, "client secret of the bot registration, or `secret:NAME` (read at each use)"
    )
    app_type: Literal["SingleTenant", "UserAssignedMSI", "MultiTenant"] = _setting(
        "MicrosoftAppType", "SingleTenant", "kind of the bot registration (`MultiTenant` only for old ones)"
    )
    app_tenant_id: str = _setting("MicrosoftAppTenantId", "", "Entra tenant of the bot registration")
    bot_openid_metadata_url: str = _setting(
        "BOT_OPENID_METADATA_URL",
        "https://login.botframework.com/v1/.well-known/openidconfiguration",
        "key metadata of the Bot Framework (other clouds, sandbox)",
    )
    bot_oauth_url: str | None = _setting(
        "BOT_OAUTH_URL", None, "token endpoint of the bot (default: Entra's, for the tenant of the registration)"
    )
    bot_service_url_allowlist: str = _setting(
        "BOT_SERVICE_URL_ALLOWLIST", TEAMS_HOSTS, "host suffixes that may be a `serviceUrl`, separated by `;` or `,`"
    )
    file_hosts: str = _setting(
        "TEAMS_FILE_HOST_ALLOWLIST",
        FILE_HOSTS,
        "host suffixes that files of Teams messages are read from, besides the connectors and Graph, separated by `;` "
        "or `,`",
    )

    ops: Literal["off", "token", "entra"] = _setting(
        "BRIDGE_OPS", "off", "the operators' page `/ops`, and how one logs in there (docs/ops-page.md)"
    )
    ops_token: SecretStr | None = _setting(
        "OPS_TOKEN", None, "token of the operators, at least 20 characters (default: the secret `ops-token`)"
    )
    ops_allowed: str = _setting(
        "OPS_ALLOWED", "", "who may sign in with Entra: object ids of users or groups, or app roles, separated by `;`"
    )
    ops_client_id: str | None = _setting(
        "OPS_CLIENT_ID", None, "app registration that operators sign in to (default: `MicrosoftAppId`)"
    )
    ops_client_secret: SecretStr | None = _setting(
        "OPS_CLIENT_SECRET", None, "client secret of `OPS_CLIENT_ID`, or `secret:NAME`; without one a public client"
    )
    ops_authority: str | None = _setting(
        "OPS_AUTHORITY", None, "Entra's address for the tenant, ending in /v2.0 (other clouds, sandbox)"
    )

    graph_base_url: str = _setting("GRAPH_BASE_URL", "https://graph.microsoft.com/v1.0", "Graph, ending in /v1.0")
    graph_oauth_url: str | None = _setting(
        "GRAPH_OAUTH_URL", None, "token endpoint of the delegated sign-in (default: Entra's)"
    )
    graph_client_id: str | None = _setting(
        "GRAPH_CLIENT_ID", None, "client id of the delegated sign-in (`bridgectl graph login`)"
    )
    teams_limits: Literal["learn", "published"] = _setting(
        "TEAMS_LIMITS",
        "learn",
        "when Microsoft's published sending limits are kept: `published`, always; `learn`, while they are seen to be "
        "enforced",
    )
    reply_via: Literal["auto", "graph", "bot"] = _setting(
        "TEAMS_REPLY_VIA", "auto", "`auto`: Graph for channels once signed in, the bot otherwise"
    )

    freshchat_api_url: str = _setting("FRESHCHAT_API_URL", "", "account host, with or without /v2")
    freshchat_api_key: SecretStr | None = _setting(
        "FRESHCHAT_API_KEY", None, "API token of the account, or `secret:NAME` (read at each use)"
    )
    freshchat_channel_id: str = _setting("FRESHCHAT_CHANNEL_ID", "", "default inbox (channel id)")
    freshchat_webhook_scheme: Literal["rsa", "hmac"] = _setting(
        "FRESHCHAT_WEBHOOK_SCHEME", "rsa", "how webhooks are signed: `rsa` (Freshchat itself) or `hmac` (a gateway)"
    )
    freshchat_webhook_keys: SecretStr | None = _setting(
        "FRESHCHAT_WEBHOOK_KEYS",
        None,
        "live webhook keys, several separated by `;` (PEM with literal \\n allowed, or `secret:NAME`)",
    )
    freshchat_webhook_token: SecretStr | None = _setting(
        "FRESHCHAT_WEBHOOK_TOKEN",
        None,
        "secret path segment of the webhook URL, several separated by `;` while it changes (or `secret:NAME`)",
    )
    freshchat_host_allowlist: str = _setting(
        "FRESHCHAT_HOST_ALLOWLIST",
        FRESHWORKS_HOSTS,
        "host suffixes the API token may go to, and files are read from, separated by `;` or `,`",
    )
    freshchat_file_hosts: str = _setting(
        "FRESHCHAT_FILE_HOST_ALLOWLIST",
        FRESHCHAT_FILE_HOSTS,
        "more host suffixes that files of agents are read from, always without the API token",
    )

    freshdesk_domain: str = _setting(
        "FRESHDESK_DOMAIN", "", "the account's own word or host (`acme` or `acme.freshdesk.com`), for the archive"
    )
    freshdesk_url: str = _setting("FRESHDESK_URL", "", "address of the account, instead of `FRESHDESK_DOMAIN`")
    freshdesk_api_key: SecretStr | None = _setting(
        "FRESHDESK_API_KEY",
        None,
        "API key of an account administrator with global ticket scope, or `secret:NAME` (read at each use)",
    )
    freshdesk_host_allowlist: str = _setting(
        "FRESHDESK_HOST_ALLOWLIST", "freshdesk.com", "host suffixes that key may go to, separated by `;` or `,`"
    )

    freshchat_link_property: str = _setting(
        "FRESHCHAT_LINK_PROPERTY",
        "cf_teams_link",
        "property of new conversations with the link to their Teams thread (`off`: none)",
    )

    azure_client_id: str | None = _setting(
        "AZURE_CLIENT_ID", None, "client id of the user-assigned managed identity (default: the system-assigned one)"
    )
    cosmos_endpoint: str = _setting(
        "AZURE_COSMOS_ENDPOINT", "", "address of the Cosmos DB account (`BRIDGE_THREADS=azure.cosmos`)"
    )
    cosmos_key: SecretStr | None = _setting(
        "AZURE_COSMOS_KEY", None, "key of the Cosmos DB account (default: the machine's managed identity)"
    )
    cosmos_database: str = _setting("AZURE_COSMOS_DATABASE", "bridge", "database in the Cosmos DB account")
    servicebus_namespace: str = _setting(
        "AZURE_SERVICEBUS_NAMESPACE",
        "",
        "host of the Service Bus namespace, asked as the machine's managed identity (`BRIDGE_QUEUE=azure.service_bus`)",
    )
    servicebus_connection_string: SecretStr | None = _setting(
        "AZURE_SERVICEBUS_CONNECTION_STRING",
        None,
        "connection string of the Service Bus namespace, with rights to send and listen (instead of an identity)",
    )
    servicebus_transport: Literal["amqp", "websockets"] = _setting(
        "AZURE_SERVICEBUS_TRANSPORT", "amqp", "`websockets`: AMQP through port 443, where 5671 is closed"
    )
    servicebus_prefix: str = _setting(
        "AZURE_SERVICEBUS_PREFIX", "", "goes before the names of the queues `to-freshchat` and `to-teams`"
    )
    storage_account_url: str = _setting(
        "AZURE_STORAGE_ACCOUNT_URL",
        "",
        "blob address of the storage account, asked as the machine's managed identity (`BRIDGE_OBJECTS=azure.blob`)",
    )
    storage_connection_string: SecretStr | None = _setting(
        "AZURE_STORAGE_CONNECTION_STRING", None, "connection string of the storage account (instead of an identity)"
    )
    storage_container: str = _setting(
        "AZURE_STORAGE_CONTAINER", "bridge-files", "container in the storage account, made where it is missing"
    )
    archive_recipients: Annotated[str, AfterValidator(_public_keys)] = _setting(
        "ARCHIVE_RECIPIENTS",
        "",
        "public keys that stored archives are sealed for (`age1…`), separated by commas; `bridgectl export stored key` "
        "makes a pair (docs/archive.md)",
    )
    archive_container: str = _setting(
        "ARCHIVE_CONTAINER", "archives", "container of monthly archives (`BRIDGE_OBJECTS=azure.blob`)"
    )
    archive_final_container: str = _setting(
        "ARCHIVE_FINAL_CONTAINER", "archives-final", "container of event and final archives, which are kept forever"
    )
    key_vault_url: str = _setting(
        "AZURE_KEY_VAULT_URL",
        "",
        "address of the vault, asked as the machine's managed identity (`BRIDGE_SECRETS=azure.key_vault`)",
    )
    language_endpoint: str = _setting(
        "AZURE_LANGUAGE_ENDPOINT",
        "",
        "address of the Language resource, asked as the machine's managed identity (`BRIDGE_SENTIMENT=azure.language`)",
    )
    language_key: SecretStr | None = _setting(
        "AZURE_LANGUAGE_KEY", None, "key of the Language resource, or `secret:NAME` (instead of an identity)"
    )
    insights: SecretStr | None = _setting(
        "APPLICATIONINSIGHTS_CONNECTION_STRING", None, "push traces and metrics to this Application Insights resource"
    )
    otlp_endpoint: str | None = _setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "push traces and metrics to this collector by OTLP over HTTP (https, or loopback). The other standard `OTEL_…` "
        "variables (headers, sampler, service name, intervals) are read from the environment, not from `.env`",
    )

    @property
    def production(self) -> bool:
        """Whether unsafe choices are refused."""
        return self.env == "production"

    @property
    def scans_files(self) -> bool:
        """Whether clamd scans files; setting its address is enough."""
        return bool(self.clamd_address) or self.scanner == "local.clamav"

    @property
    def link_property(self) -> str | None:
        """The property with the link to the Teams thread, if there is to be one."""
        return None if self.freshchat_link_property == "off" else self.freshchat_link_property

    @property
    def authority_tenant(self) -> str:
        """The Entra tenant that issues the bot's own token."""
        return "botframework.com" if self.app_type == "MultiTenant" else self.app_tenant_id

    @property
    def bot_token_url(self) -> str:
        """The token endpoint for the bot's own token."""
        return self.bot_oauth_url or f"https://login.microsoftonline.com/{self.authority_tenant}/oauth2/v2.0/token"

    @property
    def graph_token_url(self) -> str:
        """The token endpoint for the delegated sign-in."""
        return self.graph_oauth_url or f"https://login.microsoftonline.com/{self.app_tenant_id}/oauth2/v2.0/token"

    @model_validator(mode="after")
    def _only_safe_in_production(self) -> Self:
        if self.production and self.public_url and not self.public_url.startswith("https://"):
            raise ValueError("BRIDGE_PUBLIC_URL must be https in production")
        if self.production and self.scanner == "off" and not self.scans_files:
            raise ValueError("BRIDGE_SCANNER=off is refused in production: set CLAMD_ADDRESS")
        return self

    def require_bot(self) -> None:
        """Raise Misconfigured unless the bot can be authenticated and can authenticate itself."""
        missing = [
            name
            for name, value in {
                "MicrosoftAppId": self.app_id,
                "MicrosoftAppTenantId": self.app_tenant_id,
                "MicrosoftAppPassword": self.app_type == "UserAssignedMSI" or self.app_password,
            }.items()
            if not value
        ]
        if missing:
            raise Misconfigured(
                f"{', '.join(missing)} missing: take them from the bot registration (docs/setup-one-machine.md) and "
                "set them in the environment or in .env. An empty app id never means that callers are not checked."
            )


def suffixes(text: str) -> tuple[str, ...]:
    """Split an allowlist into host suffixes."""
    parts = (part.strip().lower().lstrip(".") for part in text.replace(",", ";").split(";"))
    return tuple(part for part in parts if part)


def load(**overrides: Any) -> Settings:
    """Read the settings; raise Misconfigured with one line per mistake, without any value.

    Overrides may be given by field or by variable. Variables count by their published name only: with pydantic's
    `populate_by_name`, a platform's own `ENV` or `QUEUE` would be read too.
    """
    try:
        return Settings(**{_variable((name,)): value for name, value in overrides.items()})
    except ValidationError as error:
        lines = [f"{_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
        raise Misconfigured("\n".join(lines)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f".env: cannot be read ({type(error).__name__}); it is a text file in UTF-8") from None


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "settings"
    field = Settings.model_fields.get(name)
    return field.title if field and field.title else name
