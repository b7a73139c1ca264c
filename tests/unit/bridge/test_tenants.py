"""Tenants: what is wrong in the file is named, secrets are not, and each question has one inbox."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bridge.errors import Forbidden, Misconfigured
from bridge.events import Place
from bridge.settings import load
from bridge.tenants import Tenant, choose_route, load_tenants, newest, rates, redacting, resolve, with_reactions

PLANTED = "pl4nted-s3cret"
ONE = f"""
[[tenant]]
id = "t1"
name = "acme"
[tenant.freshchat]
url = "https://acme.freshchat.com"
api_key = "{PLANTED}-api"
inbox = "inbox-default"
webhook_keys = "{PLANTED}-key;second"
"""
TWO = ONE + ONE.replace('"t1"', '"t2"').replace('"acme"', '"other"')


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """No `.env` of the developer's is read."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tenants(tmp_path):
    """Load tenants from the text of a file."""

    def read(text):
        path = tmp_path / "tenants.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_tenants(load(BRIDGE_TENANTS_FILE=str(path)))

    return read


def test_a_file_gives_its_tenants(tenants):
    """Defaults are filled in; secrets are held as such."""
    first, second = tenants(TWO)
    assert (first.id, first.name, second.id, second.name) == ("t1", "acme", "t2", "other")
    assert (first.freshchat.webhook_scheme, first.freshchat.webhook_token, first.route) == ("rsa", None, ())
    assert first.inboxes() == {"inbox-default"}
    for text in (repr(first), str(first), first.model_dump_json()):
        assert PLANTED not in text


def test_a_tenants_rate_replaces_the_one_for_all(tenants):
    """Who has neither has no budget."""
    first, second = tenants(TWO.replace('name = "acme"', 'name = "acme"\nrate = 2.5'))
    assert rates((first, second), None) == {"t1": 2.5}
    assert rates((first, second), 10.0) == {"t1": 2.5, "t2": 10.0}


KEYLESS = ONE.replace(f'webhook_keys = "{PLANTED}-key;second"', "")
WRONG = {
    "unknown key of a tenant": (ONE.replace('name = "acme"', 'nmae = "acme"'), "nmae"),
    "unknown key of an account": (ONE + 'webhok_token = "x"\n', "webhok_token"),
    "unknown key of a route": (ONE + '[[tenant.route]]\ninbx = "i"\n', "inbx"),
    "unknown table": (ONE + '[tenants]\nid = "x"\n', "tenants"),
    "no tenant at all": ("", "tenant"),
    "an empty list": ("tenant = []\n", "tenant"),
    "missing account": ('[[tenant]]\nid = "t1"\n', "freshchat"),
    "missing keys": (KEYLESS, "webhook_keys"),
    "empty keys": (KEYLESS + 'webhook_keys = ""\n', "webhook_keys"),
    "empty token": (ONE + 'webhook_token = ""\n', "webhook_token"),
    "empty API key": (ONE.replace(f'"{PLANTED}-api"', '""'), "api_key"),
    "keys as a list": (KEYLESS + f'webhook_keys = ["{PLANTED}"]\n', "webhook_keys"),
    "empty id": (ONE.replace('"t1"', '""'), "id"),
    "empty inbox": (ONE.replace('"inbox-default"', '""'), "inbox"),
    "a rate of nothing": (ONE.replace('name = "acme"', "rate = 0"), "rate"),
    "an endless rate": (ONE.replace('name = "acme"', "rate = inf"), "rate"),
    "name with a slash": (ONE.replace('"acme"', '"a/b"'), "name"),
    "unknown scheme": (ONE + 'webhook_scheme = "none"\n', "webhook_scheme"),
    "unknown scope": (ONE + '[[tenant.route]]\nscope = "lobby"\n', "scope"),
    "attribute that is no text": (ONE + "[[tenant.route]]\nattributes = {cf_a = 1}\n", "cf_a"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_in_the_file_is_one_line_with_file_and_field(name, tenants):
    """Nobody starts with half a tenant, and no value of the file is repeated."""
    text, field = WRONG[name]
    with pytest.raises(Misconfigured) as wrong:
        tenants(text)
    assert len(str(wrong.value).splitlines()) == 1
    assert "tenants.toml: " in str(wrong.value)
    assert field in str(wrong.value)
    assert PLANTED not in repr(wrong.value)


NOT_TOML = [
    ONE + "nonsense\n",
    ONE + f'secret = "{PLANTED}\n',
    ONE + f'{PLANTED} "x"\n',
    ONE + 'id = "a"\nid = "b"\n',
    ONE.encode("utf-16"),
    ONE.encode() + b'x = "\xff' + PLANTED.encode() + b'"\n',
]


@pytest.mark.parametrize("text", NOT_TOML)
def test_a_file_that_is_not_toml_is_named(text, tenants):
    """A typing mistake stops the start with a line, not with the file's content."""
    with pytest.raises(Misconfigured) as wrong:
        tenants(text)
    assert "tenants.toml: not TOML" in str(wrong.value)
    assert PLANTED not in repr(wrong.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    """So is a folder in its place."""
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(Misconfigured, match="cannot be read"):
            load_tenants(load(BRIDGE_TENANTS_FILE=str(path)))


DOUBLES = [
    (ONE + ONE, "t1"),
    (ONE + ONE.replace('"t1"', '"t2"'), "acme"),
    (ONE + ONE.replace('"t1"', '"acme"').replace('name = "acme"', 'name = "x"'), "acme"),
]


@pytest.mark.parametrize(("text", "word"), DOUBLES)
def test_two_tenants_share_no_id_and_no_name(text, word, tenants):
    """Both are words of the webhook path."""
    with pytest.raises(Misconfigured) as wrong:
        tenants(text)
    assert "used twice" in str(wrong.value)
    assert word in str(wrong.value)


def test_a_tenant_may_be_named_like_its_own_id(tenants):
    """That is no double."""
    assert tenants(ONE.replace('"acme"', '"t1"'))[0].name == "t1"


ROUTES = """
[[tenant.route]]
team = "team-a"
channel = "19:special@thread.tacv2"
inbox = "inbox-special"
tags = ["vip"]
[[tenant.route]]
team = "team-a"
group = "group-a"
[[tenant.route]]
scope = "personal"
inbox = "inbox-personal"
[[tenant.route]]
team = "team-a"
inbox = "never-reached"
"""
PLACES = [
    ({"scope": "channel", "team_id": "team-a", "channel_id": "19:special@thread.tacv2"}, "inbox-special", None),
    ({"scope": "channel", "team_group_id": "team-a", "channel_id": "19:special@thread.tacv2"}, "inbox-special", None),
    ({"scope": "channel", "team_group_id": "team-a", "channel_id": "19:other"}, "inbox-default", "group-a"),
    ({"scope": "channel", "team_id": "team-b", "channel_id": "19:special@thread.tacv2"}, "inbox-default", None),
    ({"scope": "personal"}, "inbox-personal", None),
    ({"scope": "groupChat"}, "inbox-default", None),
]


@pytest.mark.parametrize(("facts", "inbox", "group"), PLACES)
def test_the_first_matching_route_decides(facts, inbox, group, tenants):
    """By thread id or Entra id of the team, by channel, by scope; without a row the default inbox."""
    place = Place(conversation_id="c", service_url="https://x", **facts)
    route = choose_route(tenants(ONE + ROUTES)[0], place)
    assert (route.inbox, route.group) == (inbox, group)


def test_all_inboxes_that_may_be_used_are_known(tenants):
    """Answers from these inboxes are expected."""
    used = {"inbox-default", "inbox-special", "inbox-personal", "never-reached"}
    assert tenants(ONE + ROUTES)[0].inboxes() == used


ENVIRONMENT = {
    "MicrosoftAppTenantId": "t1",
    "FRESHCHAT_API_URL": "https://acme.freshchat.com",
    "FRESHCHAT_API_KEY": f"{PLANTED}-api",
    "FRESHCHAT_CHANNEL_ID": "inbox",
    "FRESHCHAT_WEBHOOK_KEYS": f"{PLANTED}-keys",
}


def test_without_a_file_the_environment_is_the_only_tenant(tmp_path):
    """Its routes may come from a file of their own."""
    (only,) = load_tenants(load(**ENVIRONMENT))
    assert (only.id, only.freshchat.inbox, only.route) == ("t1", "inbox", ())
    (tmp_path / "routing.toml").write_text('[[route]]\nteam = "a"\ninbox = "b"\n')
    (routed,) = load_tenants(load(**ENVIRONMENT, BRIDGE_ROUTING_FILE=str(tmp_path / "routing.toml")))
    assert routed.inboxes() == {"inbox", "b"}


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_variable_of_the_only_tenant_is_named(name):
    """Only that one, and no value of the others."""
    with pytest.raises(Misconfigured) as wrong:
        load_tenants(load(**{k: v for k, v in ENVIRONMENT.items() if k != name}))
    assert str(wrong.value).startswith(f"{name} missing")
    assert PLANTED not in repr(wrong.value)


class Secrets:
    """A secret source with one secret of two versions."""

    async def get(self, name):
        return {"HOOK": ["new", "old"]}.get(name, [])


RESOLVED = [
    (None, ()),
    ("", ()),
    ("one", ("one",)),
    ("one;two", ("one", "two")),
    (" one ; two ;; ", ("one", "two")),
    ("-----BEGIN-----\\nx\\n-----END-----;k", ("-----BEGIN-----\\nx\\n-----END-----", "k")),
    ("secret:HOOK", ("new", "old")),
    (" secret:HOOK ", ("new", "old")),
    ("secret:MISSING", ()),
    ("secret:HOOK;literal", ("new", "old", "literal")),
    ("not-secret:HOOK", ("not-secret:HOOK",)),
]


@pytest.mark.parametrize(("text", "values"), RESOLVED)
async def test_a_secret_is_literal_or_named(text, values):
    """Several live values are separated by semicolons, and a person may put spaces around them."""
    assert await resolve(None if text is None else SecretStr(text), Secrets()) == values


ONE_VALUE = [(None, ""), ("a;b ", "a;b "), ("secret:HOOK", "new"), (" secret:HOOK ", "new"), ("secret:MISSING", "")]


@pytest.mark.parametrize(("text", "value"), ONE_VALUE)
async def test_a_secret_with_one_value_is_whole_or_the_newest(text, value):
    """A password may hold a semicolon."""
    assert await newest(None if text is None else SecretStr(text), Secrets()) == value


async def test_a_stored_value_may_end_in_a_line_break():
    """A vault keeps the line break of the file that it was given; no token, key or password of ours has one."""

    class Vault(Secrets):
        async def get(self, name):
            return (*(f"{value}\n" for value in await super().get(name)), " \n")

    assert await newest(SecretStr("secret:HOOK"), Vault()) == "new"
    assert await resolve(SecretStr("secret:HOOK"), Vault()) == ("new", "old")
    assert await resolve(SecretStr("secret:MISSING"), Vault()) == ()


async def test_a_secret_that_cannot_be_opened_holds_deliveries():
    """They wait for whoever mends it; a dead letter would be wrong."""

    class Locked(Secrets):
        async def get(self, name):
            raise Misconfigured("wrong key")

    with pytest.raises(Forbidden) as caught:
        await newest(SecretStr("secret:HOOK"), Locked())
    assert (caught.value.again, caught.value.code) == ("hold", "secret_unreadable")


def test_a_tenant_cannot_be_changed(tenants):
    """What was checked at the start stays as it was."""
    tenant = tenants(ONE)[0]
    assert isinstance(tenant, Tenant)
    with pytest.raises(Exception, match="frozen"):
        tenant.id = "t9"


@pytest.mark.parametrize(("own", "default", "wanted"), [(None, "on", True), ("off", "on", False), ("on", "off", True)])
def test_a_tenants_own_switch_counts_more(own, default, wanted):
    """Of reactions, and of what follows a deletion."""
    account = {"url": "u", "api_key": "k", "inbox": "i", "webhook_keys": "k"}
    policy = {"on": "redact", "off": "notice"}
    tenant = Tenant(id="t1", freshchat=account, reactions=own, deletes=policy.get(own))
    assert with_reactions([tenant], default) == (frozenset({"t1"}) if wanted else frozenset())
    assert redacting([tenant], policy[default]) == (frozenset({"t1"}) if wanted else frozenset())
