"""What every reader of files and stored records promises, whatever is in them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from adapters.freshchat.key_ring import LastKey, RingFull, parse_ring
from adapters.freshchat.signature import NotAuthentic, Verifier, load_key
from adapters.stores import open_secrets
from adapters.teams.sign_in import Record, _account
from bridge.errors import Misconfigured
from bridge.events import Place
from bridge.settings import Settings, load
from bridge.tenants import choose_route, load_tenants
from bridgectl.config import rows
from tests.fuzz.samples import MARKER, Sample, bytes_of, documents
from tests.fuzz.target import APP, TENANT, Target, silent

_VERIFIER = Verifier("hmac", ["fuzz"])
_KEY = load_key("hmac", "fuzz")


def _configured(work: Callable[[], Any]) -> Any:
    """Do it; Misconfigured is the only refusal, and names no value."""
    try:
        return work()
    except Misconfigured as error:
        silent(error)
        return None


_SECRETS = ("MicrosoftAppPassword", "FRESHCHAT_API_KEY", "FRESHCHAT_WEBHOOK_KEYS", "FRESHCHAT_WEBHOOK_TOKEN")
HIDDEN = "(set, not printed)"


def dotenv(sample: Sample) -> None:
    """A `.env` gives settings and tenants, or one line per mistake; a list of them shows no secret."""
    Path(".env").write_bytes(sample.body)
    try:
        settings = _configured(load)
        if settings is not None:
            assert {row["value"] for row in rows(settings) if row["name"] in _SECRETS} <= {None, HIDDEN}
            _configured(lambda: load_tenants(settings))
            _configured(settings.require_bot)
            _configured(lambda: open_secrets(settings))
    finally:
        Path(".env").unlink()


@cache
def _account_settings() -> Settings:
    return load(
        app_tenant_id=TENANT,
        freshchat_api_url="https://desk.freshchat.com",
        freshchat_api_key=MARKER,
        freshchat_channel_id="inbox",
        freshchat_webhook_keys=MARKER,
    )


_PLACE = Place(scope="channel", conversation_id="19:x@thread.tacv2", service_url="https://smba.trafficmanager.net/")


def tenants_file(sample: Sample) -> None:
    """Tenants, each with an inbox for every question, or Misconfigured."""
    _toml("tenants_file", sample)


def routing_file(sample: Sample) -> None:
    """The only tenant with its routes, or Misconfigured."""
    _toml("routing_file", sample)


def _toml(setting: str, sample: Sample) -> None:
    path = Path(f"{setting}.toml")
    path.write_bytes(sample.body)
    settings = _account_settings().model_copy(update={setting: path})
    tenants = _configured(lambda: load_tenants(settings))
    for tenant in tenants or ():
        assert choose_route(tenant, _PLACE).inbox in tenant.inboxes()
        assert MARKER not in repr(tenant)


def key_ring(sample: Sample) -> None:
    """A ring whose keys can be used and changed, or Misconfigured."""
    ring = _configured(lambda: parse_ring(TENANT, sample.body.decode("utf-8", "replace")))
    if ring is None:
        return
    assert MARKER not in repr(ring)
    _configured(lambda: ring.live((_KEY,)))
    for entry in ring.entries:
        with suppress(LastKey):
            _configured(lambda entry=entry: ring.promote(entry.id, 1.0).retire(entry.id, 2.0, (_KEY,)))
    with suppress(RingFull):
        assert ring.add("hmac", "another", 1.0).model_dump_json()


def webhook_key(sample: Sample) -> None:
    """A key that checks, or Misconfigured; no signature of a stranger passes, whatever it looks like."""
    given = sample.body.decode("utf-8", "replace")
    for scheme in ("rsa", "hmac"):
        key = _configured(lambda scheme=scheme: load_key(scheme, given))
        if key is not None:
            assert not key.check(b"x" * 256, b"body")
            assert MARKER not in repr(key)
    try:
        _VERIFIER.verify(b"body", given)
    except NotAuthentic as error:
        silent(error)
    else:
        raise AssertionError("a stranger's signature passes")


def sign_in_record(sample: Sample) -> None:
    """A stored sign-in or ValueError; an id token or nothing."""
    given = sample.body.decode("utf-8", "replace")
    with suppress(ValueError):
        assert "refresh_token=" not in repr(Record.from_json(given))
    _account(given)
    _account(f"e30.{base64.urlsafe_b64encode(sample.body).decode().rstrip('=')}.x")


# --- what they are given ----------------------------------------------------------------------------------------------

_PEM = (
    RSAPublicNumbers(65537, 2**2047 + 2**1000 + 1)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)
_ENV = f"""HOST=127.0.0.1
PORT=3978
BRIDGE_ENV=development
BRIDGE_PUBLIC_URL=https://bridge.example.com
BRIDGE_RETRY_WINDOW=3600
MicrosoftAppId={APP}
MicrosoftAppPassword="{MARKER}"
MicrosoftAppTenantId={TENANT}
FRESHCHAT_API_URL=desk.freshchat.com
FRESHCHAT_API_KEY={MARKER}
FRESHCHAT_CHANNEL_ID=inbox
FRESHCHAT_WEBHOOK_KEYS={MARKER}
FRESHCHAT_HOST_ALLOWLIST=freshchat.com;myfreshworks.com
BRIDGE_SECRET_KEY={base64.urlsafe_b64encode(b"k" * 32).decode()}
""".encode()
_TENANTS = f"""[[tenant]]
id = "{TENANT}"
name = "contoso"
channel_messages = "mention"
[tenant.freshchat]
url = "contoso-1234.freshchat.com"
api_key = "{MARKER}"
inbox = "dddddddd-0000-4000-8000-000000000001"
webhook_scheme = "rsa"
webhook_keys = "secret:CONTOSO;{MARKER}"
[[tenant.route]]
channel = "19:b71c0e55d2f84a0c9b4f2a6d3e1f7788@thread.tacv2"
tags = ["it"]
attributes = {{ cf_region = "KR" }}
""".encode()
_ROUTES = b"""[[route]]
team = "19:x@thread.tacv2"
scope = "channel"
inbox = "dddddddd-0000-4000-8000-000000000002"
group = "99999999-0000-4000-8000-000000000001"
tags = ["it"]
[[route]]
attributes = { cf_region = "KR" }
"""
_RING = {
    "entries": [
        {"id": "ab12cd34", "scheme": "hmac", "value": MARKER, "state": "current", "added_at": 1.0},
        {"id": "ef56ab78", "scheme": "rsa", "value": _PEM.decode(), "state": "pending", "added_at": 2.0},
    ],
    "retired": {"00112233": 1.0},
}
_RECORD = {
    "refresh_token": MARKER,
    "access_token": MARKER,
    "expires_at": 1.0,
    "account": {"oid": "someone", "tid": TENANT, "name": "n"},
}

TARGETS = (
    Target("dotenv", 25, bytes_of([_ENV]).map(Sample), dotenv),
    Target("tenants", 30, bytes_of([_TENANTS]).map(Sample), tenants_file),
    Target("routing", 20, bytes_of([_ROUTES]).map(Sample), routing_file),
    Target("key ring", 35, documents([_RING]).map(Sample), key_ring),
    Target("webhook key", 30, bytes_of([_PEM, b"c2VjcmV0", MARKER.encode()]).map(Sample), webhook_key),
    Target("sign-in", 20, documents([_RECORD]).map(Sample), sign_in_record),
)
