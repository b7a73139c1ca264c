"""What is sent: whole HTTP requests, with the bodies that Teams and Freshchat send, signed before any clock starts."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

FIRST_ROOT, FIRST_ID = 1_600_000_000_000, 1_610_000_000_000
"""Message ids of Teams are milliseconds; these are years before those that a sandbox gives today."""


def request(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Write one request as it goes over the wire."""
    fields = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class WebhookKey:
    """A key pair as Freshchat has one per account."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def pem(self) -> str:
        """The public half."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self._private.public_key().public_bytes(encoding, form).decode()

    def sign(self, body: bytes) -> str:
        """Sign as Freshchat does."""
        return base64.b64encode(self._private.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


# --- Freshchat ------------------------------------------------------------------------------------------------------


def webhook(conversation: str, text: str, agent: str, inbox: str) -> dict[str, Any]:
    """Make the `message_create` of an agent's answer; its message id is new."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # an old one is told to be late
    message = {
        "message_parts": [{"text": {"content": text}}],
        "reply_parts": [],
        "app_id": "0d4c8f5e-3f0a-4b1d-9b5e-2f1f0c9a7e11",
        "actor_id": agent,
        "org_actor_id": "1523487",
        "id": str(uuid.uuid4()),
        "channel_id": inbox,
        "conversation_id": conversation,
        "freshchat_conversation_id": "708541236957412",
        "freshchat_channel_id": "1044",
        "interaction_id": "708541236957412-1741079730123",
        "message_type": "normal",
        "actor_type": "agent",
        "created_time": at,
        "user_id": "b8a3bc0e-6f33-4a52-9c86-0f3b1a1a8d7c",
        "restrictResponse": False,
        "botsPrivateNote": False,
        "message_source": "web",
    }
    actor = {"actor_type": "agent", "actor_id": agent}
    return {"actor": actor, "action": "message_create", "action_time": at, "data": {"message": message}}


def webhook_request(key: WebhookKey, body: Mapping[str, Any]) -> bytes:
    """Sign a webhook and make it a request."""
    raw = json.dumps(body, ensure_ascii=False).encode()
    headers = {"X-Freshchat-Signature": key.sign(raw), "X-Freshchat-Payload-Version": "2"}
    return request("/freshchat/webhook", raw, headers)


# --- Teams ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TeamsWorld:
    """What activities tell of where they come from, and the tokens they come with."""

    config: Mapping[str, Any]
    tokens: Sequence[str]

    def conversation(self, thread: int) -> str:
        """Name a channel thread by its number."""
        return f"{self.config['channels'][0]['id']};messageid={FIRST_ROOT + thread}"

    def activity(self, number: int, thread: int, text: str) -> dict[str, Any]:
        """Make a channel message that mentions the bot, the way Teams sends it. Each thread has one author."""
        config, person = self.config, self.config["users"][thread % 2]
        bot, channel, team = config["bot"], config["channels"][0]["id"], config["team"]["thread_id"]
        mention = f"<at>{bot['name']}</at>"
        return {
            "type": "message",
            "id": str(FIRST_ID + number),
            "timestamp": "2025-03-04T09:15:30.1234567Z",
            "localTimestamp": "2025-03-04T18:15:30.1234567+09:00",
            "localTimezone": "Asia/Seoul",
            "channelId": "msteams",
            "serviceUrl": config["service_url"],
            "from": {"id": person["teams_id"], "name": person["name"], "aadObjectId": person["aad_id"]},
            "conversation": {
                "isGroup": True,
                "conversationType": "channel",
                "tenantId": config["tenant"],
                "id": self.conversation(thread),
            },
            "recipient": {"id": bot["id"], "name": bot["name"]},
            "textFormat": "plain",
            "text": f"{mention} {text}",
            "locale": person["locale"],
            "attachments": [{"contentType": "text/html", "content": f"<div><div>{text}</div></div>"}],
            "entities": [
                {"type": "mention", "text": mention, "mentioned": {"id": bot["id"], "name": bot["name"]}},
                {"type": "clientInfo", "locale": person["locale"], "country": "KR", "platform": "Web"},
            ],
            "channelData": {
                "teamsChannelId": channel,
                "teamsTeamId": team,
                "channel": {"id": channel},
                "team": {"id": team},
                "tenant": {"id": config["tenant"]},
            },
        }

    def request(self, number: int, thread: int, text: str) -> bytes:
        """Make a message a request; the tokens take turns."""
        body = json.dumps(self.activity(number, thread, text), ensure_ascii=False).encode()
        return request("/api/messages", body, {"Authorization": f"Bearer {self.tokens[number % len(self.tokens)]}"})
