"""The Freshchat door from outside: only what was signed, byte for byte, by a live key of that very account is taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from stack import Stack, nothing_happens, running
from test_conversation import conversation_with, thread_with, word

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = 1024 * 1024
JSON = {"Content-Type": "application/json"}
PLAIN = "/freshchat/webhook"


@dataclass
class Account:
    """A running bridge that also knows a key of ours, and a genuine webhook as the sandbox sent it."""

    stack: Stack
    key: rsa.RSAPrivateKey
    genuine: bytes

    @property
    def path(self) -> str:
        """The address that the account was given."""
        return f"{PLAIN}/{self.stack.config['tenant']}/{self.stack.config['env']['FRESHCHAT_WEBHOOK_TOKEN']}"

    def body(self, text: str) -> bytes:
        """The genuine webhook with another text under another id."""
        event = json.loads(self.genuine)
        event["data"]["message"] |= {"id": str(uuid.uuid4()), "message_parts": [{"text": {"content": text}}]}
        return json.dumps(event).encode()

    def sign(self, body: bytes) -> dict[str, str]:
        """Headers of a genuine webhook."""
        return JSON | {"X-Freshchat-Signature": signature(self.key, body)}


def signature(key: rsa.RSAPrivateKey, body: bytes) -> str:
    """Sign as Freshchat does."""
    return base64.b64encode(key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


def public(key: rsa.RSAPrivateKey) -> bytes:
    """Give the public half as PEM."""
    kind, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(kind, form)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def account(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Account]:
    """Two live keys: the sandbox's own and ours."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with running(tmp_path_factory.mktemp("door"), bridge=False, TEAMS_REPLY_VIA="bot") as stack:
        ours = public(key).decode().strip().replace("\n", "\\n")
        stack.extra["FRESHCHAT_WEBHOOK_KEYS"] = f"{stack.config['env']['FRESHCHAT_WEBHOOK_KEYS']};{ours}"
        await stack.start_bridge()
        question, answer = word(), word()
        await stack.say(question)
        conversation = await conversation_with(stack, question)
        await stack.answer(conversation["conversation_id"], answer)
        await thread_with(stack, answer)
        await stack.settled()
        sent = await stack.get("requests?on=webhook&bodies=1")
        genuine = next(r["body"] for r in sent if answer in r["body"])
        yield Account(stack, key, genuine.encode())


async def test_genuine_webhook_is_taken_at_both_addresses(account: Account) -> None:
    """The control of this table: signed by the second live key, it is posted; sent again, it is a duplicate."""
    for path in (PLAIN, account.path):
        text = word()
        body = account.body(text)
        for outcome in ("stored", "duplicate"):
            status, _, answer = await account.stack.raw(path, body, account.sign(body))
            assert (status, json.loads(answer)) == (200, {"status": outcome})
        thread = await thread_with(account.stack, text)
        assert sum(text in m["text"] for m in thread["messages"]) == 1
    used = [await account.stack.metric("bridge_webhook_key_total", tenant=account.stack.config["tenant"])]
    assert used[0] >= 4
    await account.stack.settled()


def _forgeries(account: Account, body: bytes) -> dict[str, dict[str, str]]:
    """Name ways to sign wrongly."""
    genuine = account.sign(account.genuine)["X-Freshchat-Signature"]
    right = account.sign(body)["X-Freshchat-Signature"]
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    mac = base64.b64encode(hmac.digest(public(account.key), body, "sha256")).decode()
    sha1 = base64.b64encode(account.key.sign(body, padding.PKCS1v15(), hashes.SHA1())).decode()
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    return {
        "unsigned": {},
        "empty": {"X-Freshchat-Signature": ""},
        "the signature of another body": {"X-Freshchat-Signature": genuine},
        "another key": {"X-Freshchat-Signature": signature(other, body)},
        "HMAC keyed with the public key": {"X-Freshchat-Signature": mac},
        "a bare digest": {"X-Freshchat-Signature": base64.b64encode(hashlib.sha256(body).digest()).decode()},
        "SHA-1": {"X-Freshchat-Signature": sha1},
        "PSS": {
            "X-Freshchat-Signature": base64.b64encode(account.key.sign(body, pss, hashes.SHA256())).decode(),
        },
        "cut off": {"X-Freshchat-Signature": right[:-8]},
        "not base64": {"X-Freshchat-Signature": "?" * 344},
        "in another header": {"X-Hub-Signature": right},
    }


FORGERIES = (
    "unsigned",
    "empty",
    "the signature of another body",
    "another key",
    "HMAC keyed with the public key",
    "a bare digest",
    "SHA-1",
    "PSS",
    "cut off",
    "not base64",
    "in another header",
)


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_forged_webhook_is_401_and_says_nothing_in_teams(account: Account, forgery: str) -> None:
    """A body that would be posted into a real thread, wrongly signed, at both addresses."""
    body = account.body("forged words")
    wrong = _forgeries(account, body)
    assert set(wrong) == set(FORGERIES)
    async with nothing_happens(account.stack):
        for path in (PLAIN, account.path):
            status, _, text = await account.stack.raw(path, body, JSON | wrong[forgery])
            assert (status, json.loads(text)) == (401, {"error": "not authentic"})


async def test_one_changed_byte_breaks_the_signature(account: Account) -> None:
    """The signature is over the raw bytes: not even a space may be added or an escape written otherwise."""
    body = account.body("café")
    headers = account.sign(body)
    changed = [body + b" ", b" " + body, body.replace(b"\\u00e9", "é".encode()), body.replace(b"caf", b"kaf")]
    async with nothing_happens(account.stack):
        for other in changed:
            assert other != body
            assert (await account.stack.raw(PLAIN, other, headers))[0] == 401


async def test_wrong_addresses_of_a_genuine_webhook(account: Account) -> None:
    """A right signature does not help at another tenant's address or without the address's secret."""
    body = account.body("at the wrong door")
    tenant = account.stack.config["tenant"]
    token = account.path.rsplit("/", 1)[1]
    expected = {
        f"{PLAIN}/{tenant}/{token[:-1]}": 401,
        f"{PLAIN}/{tenant}/{token}x": 401,
        f"{PLAIN}/{tenant}/-": 401,
        f"{PLAIN}/{tenant}/%ED%95%9C": 401,
        f"{PLAIN}/11111111-2222-4333-8444-555555555555/{token}": 403,
        f"{PLAIN}/{tenant}/{token}/more": 404,
        f"{PLAIN}/{tenant}": 404,
    }
    async with nothing_happens(account.stack):
        for path, status in expected.items():
            assert (await account.stack.raw(path, body, account.sign(body)))[0] == status, path


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "binary": bytes(range(256)) * 16,
    "half": b'{"action": "message_create", "da',
    "an array": b"[]",
    "deep": b'{"a":' * 100_000,
    "a name twice": b'{"action": "x", "action": "message_create"}',
    "not a number": b'{"action": NaN}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_signed_nonsense_is_400(account: Account, body: bytes) -> None:
    """Authentic, but nothing that can be read."""
    async with nothing_happens(account.stack):
        status, _, text = await account.stack.raw(PLAIN, body, account.sign(body))
        assert status == 400, text


@pytest.mark.parametrize("change", [{"conversation_id": 7}, {"id": None}, {"id": "x" * 5000}])
async def test_authentic_event_without_its_ids_is_kept_as_a_dead_letter(account: Account, change: Any) -> None:
    """What Freshchat really said is never thrown away, although nobody understands it today."""
    event = json.loads(account.body("nobody can place this"))
    event["data"]["message"] |= change
    body = json.dumps(event).encode()
    before = await account.stack.metric("bridge_queue_dead", direction="to-teams")
    assert (await account.stack.raw(PLAIN, body, account.sign(body)))[0] == 200

    async def dead() -> bool:
        return await account.stack.metric("bridge_queue_dead", direction="to-teams") == before + 1

    await account.stack.until(dead)


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-16", "application/jsonx", ""])
async def test_other_content_type_is_415(account: Account, kind: str) -> None:
    """Only JSON in UTF-8 is read."""
    body = account.body("typed wrongly")
    async with nothing_happens(account.stack):
        assert (await account.stack.raw(PLAIN, body, account.sign(body) | {"Content-Type": kind}))[0] == 415


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield b"x" * 65536


@pytest.mark.parametrize("length", ["told", "untold"])
async def test_ten_megabytes_are_413(account: Account, length: str) -> None:
    """Too much is refused whether its length is told or not; the answer can be read, and the next one is served."""
    async with nothing_happens(account.stack):
        body = io.BytesIO(b"x" * (10 * MEGABYTE)) if length == "told" else _pieces(10 * MEGABYTE)
        assert (await account.stack.raw(PLAIN, body, JSON | {"X-Freshchat-Signature": "AAAA"}))[0] == 413
        assert (await account.stack.raw(PLAIN, b"{}", JSON))[0] == 401


async def test_changed_key_is_refused_until_it_is_known(account: Account) -> None:
    """Freshchat signs with a key that nobody told us: 401, and its own retries give up without an effect."""
    await account.stack.post("settings", webhook_retry_seconds=0.01)
    conversation = (await account.stack.conversations())[0]["conversation_id"]
    await account.stack.post("rotate", what="webhook_key")
    before = [m["text"] for t in await account.stack.threads() for m in t["messages"]]
    await account.stack.answer(conversation, word())

    async def given_up() -> bool:
        return bool((await account.stack.get("webhooks"))["failed"] == 1)

    await account.stack.until(given_up)
    assert [m["text"] for t in await account.stack.threads() for m in t["messages"]] == before
    assert any(r["action"] == "webhook_not_authentic" for r in account.stack.log())
