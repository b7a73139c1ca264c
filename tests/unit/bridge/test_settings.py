"""Settings: sensible without any, one clear line for a mistake, and never a secret in a text."""

from __future__ import annotations

import os

import pytest

from bridge.errors import Misconfigured
from bridge.settings import Settings, load, suffixes

SECRETS = ("MicrosoftAppPassword", "FRESHCHAT_API_KEY", "FRESHCHAT_WEBHOOK_KEYS", "FRESHCHAT_WEBHOOK_TOKEN")
PLANTED = "pl4nted-s3cret"
PUBLIC_KEY = "age195l946u5frm5hyzwg966zfnfnhv4v8jc99hks663rg25ypsrwf0q042v8c"
NAMES = {field.title: name for name, field in Settings.model_fields.items()}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    """An empty environment in an empty folder."""
    for name in list(os.environ):
        if name.upper() in {n.upper() for pair in NAMES.items() for n in pair}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_any_setting_there_are_defaults():
    """A fresh machine needs no settings to load them."""
    found = load()
    assert (found.host, found.port, found.env) == ("0.0.0.0", 3978, "development")
    assert (str(found.data_dir), found.tenants_file) == ("data", None)
    assert (found.queue, found.threads) == ("local.sqlite_queue", "local.sqlite_threads")
    assert (found.reply_via, found.freshchat_webhook_scheme, found.channel_messages) == ("auto", "rsa", "all")
    assert (found.app_id, found.app_password, found.freshchat_webhook_keys) == ("", None, None)
    assert not found.production


def test_every_setting_is_read_from_its_own_variable(monkeypatch):
    """The published names work, in the environment."""
    for title, name in NAMES.items():
        default = getattr(load(), name)
        value = {
            "BRIDGE_ENV": "production",
            "MicrosoftAppType": "UserAssignedMSI",
            "TEAMS_REPLY_VIA": "bot",
            "TEAMS_LIMITS": "published",
            "BRIDGE_OPS": "token",
            "AZURE_SERVICEBUS_TRANSPORT": "websockets",
            "FRESHCHAT_WEBHOOK_SCHEME": "hmac",
            "BRIDGE_LOG_LEVEL": "DEBUG",
            "BRIDGE_CHANNEL_MESSAGES": "mention",
            "BRIDGE_PICTURES": "off",
            "BRIDGE_REACTIONS": "on",
            "BRIDGE_DELETES": "redact",
            "BRIDGE_SENTIMENT": "off",
            "BRIDGE_STATUS_NOTICES": "false",
            "BRIDGE_AWAY_NOTICES": "false",
            "BRIDGE_CSAT": "true",
            "BRIDGE_SENTIMENT_SECONDS": "2",
            "BRIDGE_SCANNER": "off",
            "ARCHIVE_RECIPIENTS": PUBLIC_KEY,
        }.get(title, "17")
        with monkeypatch.context() as inner:
            inner.setenv(title, value)
            assert getattr(load(), name) != default, title


@pytest.mark.parametrize("name", sorted(set(NAMES.values()) - {n.lower() for n in NAMES}))
def test_a_variable_that_only_looks_like_a_field_is_not_ours(name, monkeypatch):
    """`ENV` or `QUEUE` of the platform must not reach into the bridge: only published names count."""
    before = load()
    monkeypatch.setenv(name.upper(), "17")
    assert load() == before


def test_the_env_file_is_read_and_the_environment_wins(monkeypatch, tmp_path):
    """A variable that is set to nothing does not count as set."""
    text = 'PORT=4000\nHOST="127.0.0.1"\nFRESHCHAT_CHANNEL_ID=받은편지함\nBRIDGE_GRACE=\n'
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PORT", "5000")
    monkeypatch.setenv("HOST", "")
    found = load()
    assert (found.port, found.host, found.freshchat_channel_id, found.grace) == (5000, "127.0.0.1", "받은편지함", 20.0)


def test_an_env_file_that_cannot_be_read_is_a_mistake_with_a_line(tmp_path):
    """A file in another encoding stops the start with its name, not with a traceback."""
    (tmp_path / ".env").write_bytes(b"PORT=4000\nFRESHCHAT_API_KEY=\xff\xfe" + PLANTED.encode() + b"\n")
    with pytest.raises(Misconfigured) as wrong:
        load()
    assert ".env" in str(wrong.value)
    assert PLANTED not in str(wrong.value)


WRONG = [
    ("PORT", "80x80"),
    ("PORT", "70000"),
    ("PORT", "-1"),
    ("BRIDGE_ENV", "prod-like"),
    ("BRIDGE_LOG_LEVEL", "CHATTY"),
    ("BRIDGE_CONCURRENCY", "0"),
    ("BRIDGE_CONCURRENCY", "4096"),
    ("BRIDGE_CONCURRENCY", "2.5x"),
    ("BRIDGE_RETRY_WINDOW", "0"),
    ("BRIDGE_RETRY_WINDOW", "nan"),
    ("BRIDGE_RETRY_WINDOW", "inf"),
    ("BRIDGE_RETRY_WINDOW", "one-hour"),
    ("BRIDGE_GRACE", "-0.5"),
    ("BRIDGE_GRACE", "nan"),
    ("BRIDGE_CHANNEL_MESSAGES", "some-of-them"),
    ("MicrosoftAppType", "DoubleTenant"),
    ("TEAMS_REPLY_VIA", "carrier-pigeon"),
    ("FRESHCHAT_WEBHOOK_SCHEME", "rot13"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_gives_one_line_that_names_the_variable(name, value, monkeypatch):
    """The line says what is wrong without repeating the value, which may be a secret in the wrong place."""
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as wrong:
        load()
    assert str(wrong.value).startswith(f"{name}: ")
    assert len(str(wrong.value).splitlines()) == 1
    assert len(value) < 3 or value not in str(wrong.value)


def test_every_mistake_has_its_line(monkeypatch):
    """All mistakes are told at once."""
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("BRIDGE_ENV", "y")
    with pytest.raises(Misconfigured) as wrong:
        load()
    assert {line.split(":")[0] for line in str(wrong.value).splitlines()} == {"PORT", "BRIDGE_ENV"}


def test_production_refuses_plain_http():
    """The outside reaches a production bridge by https only; the address itself is not repeated."""
    with pytest.raises(Misconfigured) as wrong:
        load(BRIDGE_ENV="production", BRIDGE_PUBLIC_URL="http://bridge.planted.example")
    assert "BRIDGE_PUBLIC_URL" in str(wrong.value)
    assert "planted" not in str(wrong.value)
    assert len(str(wrong.value).splitlines()) == 1
    assert load(BRIDGE_ENV="production", BRIDGE_PUBLIC_URL="https://bridge.example").production


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_in_no_text(name, monkeypatch):
    """Not in repr, str, a dump, nor in the message about another setting."""
    monkeypatch.setenv(name, PLANTED)
    found = load()
    assert getattr(found, NAMES[name]).get_secret_value() == PLANTED
    for text in (repr(found), str(found), str(found.model_dump()), found.model_dump_json(), f"{found!s:.9999}"):
        assert PLANTED not in text
    monkeypatch.setenv("PORT", PLANTED)
    with pytest.raises(Misconfigured) as wrong:
        load()
    assert PLANTED not in repr(wrong.value)
    assert wrong.value.__cause__ is None


def test_settings_do_not_change():
    """What was checked at the start stays as it was."""
    with pytest.raises(Exception, match="frozen"):
        load().port = 1


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["MicrosoftAppId", "MicrosoftAppTenantId", "MicrosoftAppPassword"]),
        ({"MicrosoftAppId": "a", "MicrosoftAppTenantId": "t"}, ["MicrosoftAppPassword"]),
        ({"MicrosoftAppId": "", "MicrosoftAppTenantId": "t", "MicrosoftAppPassword": "p"}, ["MicrosoftAppId"]),
        ({"MicrosoftAppId": "  ", "MicrosoftAppTenantId": "t", "MicrosoftAppPassword": "p"}, ["MicrosoftAppId"]),
        ({"MicrosoftAppId": "a", "MicrosoftAppType": "UserAssignedMSI"}, ["MicrosoftAppTenantId"]),
    ],
)
def test_a_bot_that_cannot_be_checked_does_not_start(given, missing):
    """An empty app id never means that callers are not checked; what is missing is named."""
    with pytest.raises(Misconfigured) as wrong:
        load(**given).require_bot()
    assert str(wrong.value).startswith(f"{', '.join(missing)} missing")


@pytest.mark.parametrize(
    "given",
    [
        {"MicrosoftAppId": "a", "MicrosoftAppTenantId": "t", "MicrosoftAppPassword": "p"},
        {"MicrosoftAppId": "a", "MicrosoftAppTenantId": "t", "MicrosoftAppType": "UserAssignedMSI"},
    ],
)
def test_a_complete_bot_starts(given):
    """A managed identity needs no password."""
    load(**given).require_bot()


def test_token_endpoints_follow_the_registration():
    """Single-tenant bots ask their own tenant, old multi-tenant ones the Bot Framework's; both can be replaced."""
    assert "/t1/" in load(MicrosoftAppTenantId="t1").bot_token_url
    assert "/botframework.com/" in load(MicrosoftAppTenantId="t1", MicrosoftAppType="MultiTenant").bot_token_url
    assert load(BOT_OAUTH_URL="http://127.0.0.1/token").bot_token_url == "http://127.0.0.1/token"
    assert load(GRAPH_OAUTH_URL="http://127.0.0.1/token").graph_token_url == "http://127.0.0.1/token"


def test_allowlists_are_host_suffixes():
    """Either separator, any case, with or without a leading dot; empty parts do not allow everything."""
    assert suffixes(" Example.COM;.b.org,, ;") == ("example.com", "b.org")
    assert suffixes("") == ()
    assert suffixes(" ; , .") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PUBLIC_KEY[:-1] + "d", "key 1 is no public key of age"),
        (f"{PUBLIC_KEY}, AGE-SECRET-KEY-1QQ", "key 2 is a private key"),
        ("ssh-ed25519 AAAA", "key 1 is no public key"),
    ],
)
def test_a_key_that_archives_cannot_be_sealed_for(text, said):
    """One letter is enough; the text itself is not shown."""
    with pytest.raises(Misconfigured, match="ARCHIVE_RECIPIENTS") as caught:
        load(archive_recipients=text)
    assert said in str(caught.value)
    assert text.split(", ")[-1] not in str(caught.value)


def test_keys_that_archives_are_sealed_for():
    assert load(archive_recipients=f" {PUBLIC_KEY} , {PUBLIC_KEY},").archive_recipients == PUBLIC_KEY
