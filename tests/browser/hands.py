"""What a bridge would do to the page's world: post as the bot, as the signed-in account, or as Freshchat's API user."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

CARD = "application/vnd.microsoft.card.adaptive"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def png(width: int = 60, height: int = 40) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + b"\x4d\x50\xb5" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def upload(name: str, content_type: str, data: bytes) -> dict[str, Any]:
    """A file for the page's file chooser."""
    return {"name": name, "mimeType": content_type, "buffer": data}


class Bridge:
    """Posts into Teams and Freshchat as a bridge would, over the sandbox's real interfaces."""

    def __init__(self, shown: Any) -> None:
        self._shown = shown
        self._config = shown.page.request.get(f"{shown.url}/_sandbox/config").json()
        self._env = self._config["env"]

    def threads(self) -> list[dict[str, Any]]:
        return list(self._get("/_sandbox/teams/state")["threads"])

    def conversations(self) -> list[dict[str, Any]]:
        return list(self._get("/_sandbox/freshchat/state")["conversations"])

    def told(self) -> list[dict[str, Any]]:
        """The activities that Teams sent, oldest first."""
        sent = self._get("/_sandbox/requests?on=teams&bodies=1")
        return [json.loads(one["body"]) for one in sent]

    def says(self, **activity: Any) -> str:
        """Post as the bot into the newest thread; give the message's id."""
        thread = self.threads()[-1]["conversation_id"]
        token = self._token(
            grant_type="client_credentials",
            client_id=self._env["MicrosoftAppId"],
            client_secret=self._env["MicrosoftAppPassword"],
            scope="https://api.botframework.com/.default",
        )
        path = f"/connector/{self._config['tenant']}/v3/conversations/{thread}/activities"
        return str(self._post(path, {"type": "message", **activity}, token)["id"])

    def shows_card(self, *body: dict[str, Any], actions: tuple[dict[str, Any], ...] = ()) -> str:
        """Post an Adaptive Card as the bot."""
        content = {"type": "AdaptiveCard", "version": "1.5", "body": list(body), "actions": list(actions)}
        return self.says(attachments=[{"contentType": CARD, "content": content}])

    def answers_with_picture(self, data: bytes) -> None:
        """Reply in the newest channel thread through Graph, with an inline picture."""
        thread = self.threads()[-1]
        hosted = {"@microsoft.graph.temporaryId": "1", "contentBytes": base64.b64encode(data).decode()}
        markup = '<p>Look:</p><img src="../hostedContents/1/$value" alt="panel.png">'
        body = {
            "body": {"contentType": "html", "content": markup},
            "hostedContents": [{**hosted, "contentType": "image/png"}],
        }
        team, channel = self._config["team"]["aad_group_id"], thread["channel_id"]
        path = f"/v1.0/teams/{team}/channels/{channel}/messages/{thread['thread']}/replies"
        self._post(path, body, self._signed_in())

    def knows(self, conversation: str, properties: dict[str, str], **fields: Any) -> None:
        """Change the asking user's data."""
        user = next(one for one in self.conversations() if one["conversation_id"] == conversation)["user"]["id"]
        listed = [{"name": name, "value": value} for name, value in properties.items()]
        self._put(f"/v2/users/{user}", {**fields, "properties": listed})

    def changes(self, conversation: str, **fields: Any) -> None:
        """Change a Freshchat conversation through the API."""
        self._put(f"/v2/conversations/{conversation}", fields)

    def rates(self, conversation: str, **rating: Any) -> None:
        self._shown.post(f"/v2/csat/{conversation}", rating, headers=self._key())

    def asks_with(self, conversation: str, *parts: dict[str, Any]) -> None:
        """Add a message of the asking user to a Freshchat conversation."""
        found = next(one for one in self.conversations() if one["conversation_id"] == conversation)
        words = {"message_parts": list(parts), "actor_type": "user", "actor_id": found["user"]["id"]}
        self._shown.post(f"/v2/conversations/{conversation}/messages", words, headers=self._key())

    def uploads(self, path: str, field: str, name: str, content_type: str, data: bytes) -> dict[str, Any]:
        """Upload a file to Freshchat."""
        file = {field: {"name": name, "mimeType": content_type, "buffer": data}}
        answer = self._shown.page.request.post(f"{self._shown.url}/v2/{path}", multipart=file, headers=self._key())
        assert answer.ok, answer.text()
        return dict(answer.json())

    def _put(self, path: str, body: Any) -> None:
        answer = self._shown.page.request.put(self._shown.url + path, data=body, headers=self._key())
        assert answer.ok, answer.text()

    def _signed_in(self) -> str:
        client = {"client_id": self._env["GRAPH_CLIENT_ID"]}
        scope = "https://graph.microsoft.com/.default offline_access openid"
        started = self._form("devicecode", **client, scope=scope)
        form = {**client, "grant_type": DEVICE_GRANT, "device_code": started["device_code"]}
        self._form("token", **form)  # the first question approves it
        return self._token(**form)

    def _token(self, **form: str) -> str:
        return str(self._form("token", **form)["access_token"])

    def _form(self, name: str, **form: str) -> dict[str, Any]:
        url = self._env["GRAPH_OAUTH_URL"].removesuffix("token") + name
        return dict(self._shown.page.request.post(url, form=form).json())

    def _key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._env['FRESHCHAT_API_KEY']}"}

    def _post(self, path: str, body: Any, token: str) -> Any:
        return self._shown.post(path, body, headers={"Authorization": f"Bearer {token}"})

    def _get(self, path: str) -> Any:
        return self._shown.page.request.get(self._shown.url + path).json()
