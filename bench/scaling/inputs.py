"""What the arithmetic and the simulation start from: every figure with its unit, its meaning and where it is from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

ASSUMED = "assumption"
CONNECTOR = "https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit"
BUS_LIMITS = "https://learn.microsoft.com/azure/service-bus-messaging/service-bus-throttling"
BUS_QUOTAS = "https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas"
BUS_PRICES = "https://devblogs.microsoft.com/azure-sdk/azure-service-bus-performance/ (a range)"
VAULT_LIMITS = "https://learn.microsoft.com/azure/key-vault/general/service-limits"
VAULT_PRICES = (
    "https://learn.microsoft.com/en-us/answers/questions/5608202/how-to-correctly-estimate-azure-key-vault-cost"
)
COSMOS_AUTOSCALE = "https://learn.microsoft.com/azure/cosmos-db/autoscale-faq"
COSMOS_PRICES = "https://cloud-horizons.com/blog/cosmos-db-the-rus-vs-storage-tradeoff/ (May 2026)"
ACA_PRICES = "https://azure.microsoft.com/pricing/details/container-apps/"
MONITOR_PRICES = "https://monitoringcost.com/azure-monitor-cost (2026)"
DECISIONS = "docs/decisions.md"
MEASURED = "docs/azure-stores.md"
DESIGN = "design"
COSMOS_COST = "tests/fixtures/cosmos_cost.json"


def given(default: float, unit: str, meaning: str, source: str) -> Any:
    """Declare a figure."""
    return field(default=default, metadata={"unit": unit, "meaning": meaning, "source": source})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """One deployment's profile, its measured costs, the limits around it and the prices of its parts.

    Each field carries `unit`, `meaning` and `source` as metadata; `python -m bench.scaling --inputs` prints them.
    `assumption` marks what nobody has measured or published: put your own figure there (`--set NAME=VALUE`).
    """

    # --- traffic
    tenants: float = given(1000, "tenants", "customers, each with a Freshchat account", "choice")
    questions: float = given(8, "1/tenant/peak hour", "threads opened by the mean tenant", ASSUMED)
    follow_ups: float = given(1.5, "1/question", "further messages of the person who asks", ASSUMED)
    answers: float = given(2.5, "1/question", "messages of agents", ASSUMED)
    statuses: float = given(2, "1/question", "assigned, resolved", ASSUMED)
    think: float = given(60, "s", "mean time between two messages of a thread", ASSUMED)
    largest: float = given(5, "× mean", "the largest tenant's share, in other tenants", ASSUMED)
    channel_share: float = given(0.5, "share", "of a tenant's messages that are in its busiest channel", ASSUMED)
    peak_share: float = given(0.15, "share", "of a day's questions that come in the peak hour", ASSUMED)
    work_days: float = given(22, "days/month", "days with traffic", ASSUMED)
    headroom: float = given(2, "× peak", "load that must be held", DESIGN)
    target: float = given(2.5, "s", "from the door to the other platform, p95", DESIGN)

    # --- the bridge
    web_ms: float = given(3, "ms CPU", "a request that is stored: check, keys, send to Service Bus", ASSUMED)
    ignored_ms: float = given(0.5, "ms CPU", "an echo of our own message, dropped at the door", ASSUMED)
    senders: float = given(16, "links", "that send, per web replica and queue", "service_bus_sender.py")
    polls: float = given(16, "links", "that wait for a thread, per worker and direction", "service_bus_acceptor.py")
    accepts: float = given(57, "1/s", "threads that a worker takes per direction", MEASURED)
    link_ms: float = given(3, "ms CPU", "to open the link of a thread", MEASURED)
    message_ms: float = given(1.5, "ms CPU", "Service Bus's SDK per message", MEASURED)
    handler_ms: float = given(2, "ms CPU", "our own work per message", "target of bench row 3")
    listen: float = given(0.3, "s", "that an empty thread is listened to", "service_bus_link.py")
    concurrency: float = given(64, "threads", "`BRIDGE_CONCURRENCY`, per worker and direction", "docs/settings.md")
    cosmos_ms: float = given(0.8, "ms CPU", "a call of Cosmos DB", DECISIONS)
    opening_calls: float = given(12, "calls", "of Cosmos DB: a question that opens a conversation", COSMOS_COST)
    following_calls: float = given(7, "calls", "a question that follows", COSMOS_COST)
    answer_calls: float = given(5, "calls", "an answer", COSMOS_COST)
    status_calls: float = given(7, "calls", "a resolved conversation", COSMOS_COST)
    opening_units: float = given(46, "RU", "a question that opens a conversation", COSMOS_COST)
    following_units: float = given(24, "RU", "a question that follows", COSMOS_COST)
    answer_units: float = given(22, "RU", "an answer", COSMOS_COST)
    status_units: float = given(20, "RU", "a resolved conversation", COSMOS_COST)
    reconcile_seconds: float = given(900, "s", "`BRIDGE_RECONCILE_SECONDS`: between two passes", "docs/settings.md")
    reconcile_days: float = given(7, "days", "`BRIDGE_RECONCILE_DAYS`: conversations read back", "docs/settings.md")
    reconcile_calls: float = given(2, "calls", "of Freshchat, per conversation and pass", "freshchat/client.py")
    reconcile_gap: float = given(0.25, "s", "between two conversations of a pass", "bridge/reconcile.py")
    reconcile_ms: float = given(1, "ms CPU", "a call of a pass", ASSUMED)
    vault_secrets: float = given(3, "secrets/tenant", "key ring, webhook key, path token", "accounts.py")
    vault_at_once: float = given(16, "tenants", "whose secrets a web replica reads at a time", "accounts.py")
    vault_fresh: float = given(45, "s", "that a secret is kept before it is read again", "key_vault.py")
    key_wait: float = given(60, "s", "that a new webhook key, or a start, may take", ASSUMED)

    # --- times of other services, within a region
    bus_seconds: float = given(0.01, "s", "a round trip to Service Bus", ASSUMED)
    cosmos_seconds: float = given(0.005, "s", "a call of Cosmos DB", ASSUMED)
    vault_seconds: float = given(0.02, "s", "a read of Key Vault", ASSUMED)
    opening_posts: float = given(2, "calls", "of Freshchat: a question that opens one", "bridge/to_freshchat.py")
    freshchat_seconds: float = given(0.35, "s", "a call of Freshchat, mean", ASSUMED)
    teams_seconds: float = given(0.35, "s", "a call of the connector or Graph, mean", ASSUMED)

    # --- limits of others
    account_rate: float = given(5, "calls/s", "Freshchat, per account (no figure is published)", ASSUMED)
    account_burst: float = given(5, "calls", "Freshchat, at once", ASSUMED)
    channel_rate: float = given(2, "messages/s", "connector, per channel: 60 in 30 s", CONNECTOR)
    channel_burst: float = given(7, "messages", "connector, per channel, in a second", CONNECTOR)
    channel_hour: float = given(1800, "messages", "connector, per channel, in an hour", CONNECTOR)
    tenant_rate: float = given(50, "calls/s", "connector, per app and tenant", CONNECTOR)
    bus_credits: float = given(1000, "credits/s", "Service Bus Standard, per namespace", BUS_LIMITS)
    bus_operations: float = given(4, "1/message", "send, accept, receive, complete", MEASURED)
    bus_unit_rate: float = given(1000, "operations/s", "Service Bus Premium, per messaging unit", ASSUMED)
    bus_connections: float = given(5000, "connections", "AMQP, per namespace", BUS_QUOTAS)
    vault_rate: float = given(400, "reads/s", "Key Vault, per vault: 4,000 in 10 s", VAULT_LIMITS)
    cosmos_least: float = given(1000, "RU/s", "least autoscale maximum, and its step", COSMOS_AUTOSCALE)
    usable: float = given(0.7, "share", "of Cosmos DB, Service Bus, a web replica: planned with", ASSUMED)

    # --- list prices, US dollars, pay as you go, November 2026
    replica_price: float = given(78.84, "$/month", "a replica that always runs: 1 vCPU, 2 GiB", ACA_PRICES)
    bus_base: float = given(9.86, "$/month", "Service Bus Standard, with 13 million operations", BUS_PRICES)
    bus_million: float = given(0.8, "$/million", "operations of Standard beyond those", BUS_PRICES)
    bus_unit: float = given(677, "$/month", "a messaging unit of Premium", BUS_PRICES)
    cosmos_hundred: float = given(8.76, "$/month", "100 RU/s, autoscale, one write region", COSMOS_PRICES)
    cosmos_mean: float = given(0.3, "share", "of the autoscale maximum that is billed on average", ASSUMED)
    cosmos_gb: float = given(0.25, "$/GB/month", "what is stored in Cosmos DB", ASSUMED)
    vault_million: float = given(3, "$/million", "reads of Key Vault", VAULT_PRICES)
    log_gb: float = given(2.3, "$/GB", "logs and sampled traces taken in by Azure Monitor", MONITOR_PRICES)
    log_kb: float = given(2, "kB/message", "of logs and traces", ASSUMED)
    item_kb: float = given(1, "kB", "an item in Cosmos DB with its index", ASSUMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a stamp is given: replicas, RU/s of Cosmos DB, operations per second of Service Bus."""

    web: int
    workers: int
    cosmos: float
    bus_rate: float


def rows() -> list[tuple[str, str, str, str, str]]:
    """List the figures: name, value, unit, meaning, source."""
    return [
        (one.name, f"{one.default:,g}", one.metadata["unit"], one.metadata["meaning"], one.metadata["source"])
        for one in fields(Inputs)
    ]
