"""The door's keys change while it is open, and nothing that goes wrong with them locks it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import io
import json

import pytest
from pydantic import SecretStr

from adapters.freshchat import accounts as module
from adapters.freshchat.accounts import Accounts
from adapters.freshchat.key_ring import change_ring, record_name
from adapters.freshchat.signature import NotAuthentic, load_key
from adapters.local.files_secrets import LocalSecrets
from bridge.errors import Misconfigured
from bridge.telemetry import Telemetry
from bridge.tenants import FreshchatAccount, Tenant

BODY = b'{"action":"message_create"}'


def tenant(name, keys, **more):
    account = FreshchatAccount(
        url="x", api_key=SecretStr("x"), inbox="x", webhook_scheme="hmac", webhook_keys=SecretStr(keys), **more
    )
    return Tenant(id=f"{name}-id", name=name, freshchat=account)


def key_id(text):
    return load_key("hmac", text).id


def sign(secret):
    return base64.b64encode(hmac.digest(secret.encode(), BODY, "sha256")).decode()


class Rig:
    """Accounts over a real folder of secrets."""

    def __init__(self, folder, *tenants):
        self.folder, self.stream = folder, io.StringIO()
        self.secrets = LocalSecrets(folder, {})
        self.accounts = Accounts(tenants, LocalSecrets(folder, {}), Telemetry("INFO", self.stream))

    def verifies(self, secret, name=None):
        try:
            self.accounts.find(name).verifier.verify(BODY, sign(secret))
        except NotAuthentic:
            return False
        return True

    async def add(self, text, tenant="one-id"):
        await change_ring(self.secrets, tenant, lambda ring: ring.add("hmac", text, 1.0))

    async def retire(self, text, configured=()):
        keys = [load_key("hmac", each) for each in configured]
        await change_ring(self.secrets, "one-id", lambda ring: ring.retire(key_id(text), 1.0, keys))

    def told(self, action):
        return [record for record in map(json.loads, self.stream.getvalue().splitlines()) if record["action"] == action]


@pytest.fixture
async def rig(tmp_path):
    rig = Rig(tmp_path / "secrets", tenant("one", "old"))
    await rig.accounts.load()
    return rig


async def test_add_then_promote_then_retire_is_followed_without_a_restart(rig):
    assert (rig.verifies("old"), rig.verifies("new")) == (True, False)
    await rig.add("new")
    await rig.accounts.refresh()
    assert (rig.verifies("old"), rig.verifies("new")) == (True, True)
    await change_ring(rig.secrets, "one-id", lambda ring: ring.promote(key_id("new"), 2.0))
    await rig.accounts.refresh()
    assert rig.accounts.find(None).verifier.key_ids == (key_id("new"), key_id("old"))
    await rig.retire("old", ["old"])
    await rig.accounts.refresh()
    assert (rig.verifies("old"), rig.verifies("new")) == (False, True)
    assert [record["live"] for record in rig.told("webhook_keys")][-1] == [key_id("new")]


async def test_a_request_under_way_goes_on_with_the_account_it_found(rig):
    before = rig.accounts.find("one")
    await rig.add("new")
    await rig.accounts.refresh()
    assert before.verifier.key_ids == (key_id("old"),)
    assert rig.accounts.find("ONE-ID") is rig.accounts.find("one") is rig.accounts.find(None) is not before


async def test_nothing_new_changes_and_tells_nothing(rig):
    before = rig.accounts.find(None)
    for _ in range(3):
        await rig.accounts.refresh()
    assert rig.accounts.find(None) is before
    assert len(rig.told("webhook_keys")) == 1


async def unreadable_folder(rig):
    rig.folder.mkdir(exist_ok=True)
    rig.folder.rename(rig.folder.with_name("moved"))
    rig.folder.write_text("not a folder")


async def unreadable_ring(rig):
    await rig.secrets.put(record_name("one-id"), "planted nonsense")


async def unusable_key(rig):
    broken = '{"entries": [{"id": "x", "scheme": "rsa", "value": "planted", "added_at": 1}]}'
    await rig.secrets.put(record_name("one-id"), broken)


async def every_key_retired(rig):
    await rig.secrets.put(record_name("one-id"), json.dumps({"retired": {key_id("old"): 1.0}}))


async def another_encryption_key(rig):
    await rig.add("new")
    (rig.folder / ".key").unlink()


HARM = [unreadable_folder, unreadable_ring, unusable_key, every_key_retired, another_encryption_key]


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
async def test_whatever_breaks_the_last_good_keys_stay_and_it_is_said_once(rig, harm):
    await harm(rig)
    for _ in range(3):
        await rig.accounts.refresh()
    assert rig.verifies("old")
    assert [record["tenant"] for record in rig.told("webhook_keys_stale")] == ["one-id"]
    assert "planted" not in rig.stream.getvalue()
    if rig.folder.is_file():
        rig.folder.unlink()
    else:
        (rig.folder / f"{record_name('one-id')}.secret").unlink()
    await rig.accounts.refresh()
    assert len(rig.told("webhook_keys_fresh")) == 1


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
async def test_a_door_does_not_open_on_keys_that_cannot_be_read(tmp_path, harm):
    """At the start there are no last good keys, and a retired one must not come back to life."""
    rig = Rig(tmp_path / "secrets", tenant("one", "old"))
    await harm(rig)
    with pytest.raises(Exception) as caught:
        await rig.accounts.load()
    assert type(caught.value).__name__ in ("Misconfigured", "Unavailable")


async def test_one_tenants_trouble_is_not_the_others(tmp_path):
    rig = Rig(tmp_path, tenant("one", "a"), tenant("two", "b"))
    await rig.accounts.load()
    await unreadable_ring(rig)
    await rig.add("c", "two-id")
    await rig.accounts.refresh()
    assert (rig.verifies("a", "one"), rig.verifies("b", "two"), rig.verifies("c", "two")) == (True, True, True)
    assert (rig.verifies("c", "one"), rig.accounts.find(None)) == (False, None)


async def test_named_secrets_of_the_settings_are_read_anew_too(tmp_path):
    rig = Rig(tmp_path, tenant("one", "secret:hook", webhook_token=SecretStr("secret:path")))
    await rig.secrets.put("hook", "first")
    await rig.secrets.put("path", "p1")
    await rig.accounts.load()
    await rig.secrets.put("hook", "second", keep=2)
    await rig.secrets.put("path", "p2", keep=2)
    await rig.accounts.refresh()
    assert (rig.verifies("first"), rig.verifies("second")) == (True, True)
    assert rig.accounts.find(None).tokens == ("p2", "p1")


async def test_no_key_at_all_opens_no_door(tmp_path):
    rig = Rig(tmp_path, tenant("one", "secret:missing"))
    with pytest.raises(Misconfigured, match="no webhook key"):
        await rig.accounts.load()


async def test_the_task_refreshes_until_the_application_ends(rig, monkeypatch):
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.01)
    context = rig.accounts.context(None)
    await anext(context)
    await rig.add("new")
    async with asyncio.timeout(5):
        while not rig.verifies("new"):
            await asyncio.sleep(0.01)
    assert [t for t in asyncio.all_tasks() if t.get_name() == "refresh webhook keys"]
    with pytest.raises(StopAsyncIteration):
        await anext(context)
    assert not [t for t in asyncio.all_tasks() if t.get_name() == "refresh webhook keys"]


async def test_a_path_token_that_names_no_secret_opens_no_door(tmp_path):
    """At the start; a token that vanishes later leaves the door as it was."""
    rig = Rig(tmp_path, tenant("one", "key", webhook_token=SecretStr("secret:path-token")))
    with pytest.raises(Misconfigured, match="names a secret that is not there"):
        await rig.accounts.load()
    await rig.secrets.put("path-token", "abc")
    await rig.accounts.load()
    assert rig.accounts.find("one").tokens == ("abc",)


class Slow(LocalSecrets):
    """A folder that answers like a service far away."""

    asking = most = 0

    async def get(self, name):
        Slow.asking += 1
        Slow.most = max(Slow.most, Slow.asking)
        await asyncio.sleep(0.01)
        Slow.asking -= 1
        return await super().get(name)


async def test_many_tenants_are_read_some_at_a_time(tmp_path):
    tenants = [tenant(f"t{number}", "key") for number in range(40)]
    accounts = Accounts(tenants, Slow(tmp_path, {}), Telemetry("INFO", io.StringIO()))
    await accounts.load()
    assert all(accounts.find(one.name) for one in tenants)
    assert Slow.most == module.AT_ONCE
