"""Sends Freshchat's webhooks: signed, retried, in order per conversation, and lost after the last try."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from sandbox.courier import Courier, Outcome, Parcel
from sandbox.faults import SENT_KINDS, Fault, FaultBook
from sandbox.keys import SigningKey
from sandbox.request_log import RequestLog
from sandbox.settings import Settings
from sandbox.tasks import TaskGroup
from sandbox.wire import JsonObject, dumps, iso

RETRIES = 5
PENDING_LIMIT = 20_000
LOG_LIMIT = 200
#: How long a reordered webhook waits for a later one of its conversation to pass it.
OVERTAKE_SECONDS = 2.0
PAYLOAD_VERSION = "2"
_NOT_REORDER = tuple(kind for kind in SENT_KINDS if kind != "reorder")


@dataclass(slots=True)
class Webhook:
    """One event on its way."""

    conversation_id: str
    action: str
    body: bytes
    signature: str | None = None
    attempts: int = 0
    held: bool = False


class WebhookSender:
    """Owns the way of every event from Freshchat to the bridge."""

    def __init__(self, settings: Settings, faults: FaultBook, log: RequestLog, path: str) -> None:
        self.key = SigningKey()
        self._settings = settings
        self._faults = faults
        self._tasks = TaskGroup(2 * PENDING_LIMIT)
        self._path = path
        self._courier = Courier("webhook", log)
        self._waiting: dict[str, deque[Webhook]] = {}
        self._arrived: dict[str, asyncio.Event] = {}
        self._slots = asyncio.Semaphore(64)
        self._log: deque[JsonObject] = deque(maxlen=LOG_LIMIT)
        self.pending = self.delivered = self.failed = 0

    def send(self, conversation_id: str, event: JsonObject) -> None:
        """Put an event behind the earlier ones of its conversation; too many waiting events are lost and counted."""
        if self.pending >= PENDING_LIMIT:
            self.failed += 1
            return
        webhook = Webhook(conversation_id, str(event.get("action")), dumps(event))
        self.pending += 1
        queue = self._waiting.get(conversation_id)
        if queue is not None:
            queue.append(webhook)
            self._arrived.get(conversation_id, asyncio.Event()).set()
            return
        self._waiting[conversation_id] = deque((webhook,))
        self._tasks.start(self._drain(conversation_id))

    async def send_raw(self, body: bytes, signature: str | None) -> Outcome:
        """Post any body at once, signed unless a signature is given; no retry and no fault."""
        return await self._courier.post(self._parcel(body, signature or self.key.signature(body), 0))

    def rotate(self) -> SigningKey:
        """Sign with a new key from now on."""
        self.key = SigningKey()
        return self.key

    def report(self) -> JsonObject:
        """GET /_sandbox/webhooks."""
        counts = {"pending": self.pending, "delivered": self.delivered, "failed": self.failed}
        return {**counts, "log": list(self._log)}

    def clear(self) -> None:
        """Drop what waits and what is under way."""
        self._tasks.cancel()
        self._waiting.clear()
        self._arrived.clear()
        self._log.clear()
        self.pending = self.delivered = self.failed = 0

    async def stop(self) -> None:
        await self._tasks.stop()
        await self._courier.stop()

    async def _drain(self, conversation_id: str) -> None:
        """Deliver a conversation's events one after the other until none waits."""
        queue = self._waiting[conversation_id]
        while queue:
            webhook = queue.popleft()
            if not webhook.held and (fault := self._take(webhook, without=_NOT_REORDER)):
                await self._let_one_pass(webhook, queue, fault)
            else:
                self._count(await self._deliver(webhook))
        del self._waiting[conversation_id]

    async def _let_one_pass(self, webhook: Webhook, queue: deque[Webhook], fault: Fault) -> None:
        """Put the webhook behind the next one, waiting a while for a next one to come."""
        webhook.held = True
        if not queue:
            arrived = self._arrived[webhook.conversation_id] = asyncio.Event()
            try:
                await asyncio.wait_for(arrived.wait(), fault.delay_seconds or OVERTAKE_SECONDS)
            except TimeoutError:
                pass  # nothing came; it goes out late instead of out of order
            finally:
                self._arrived.pop(webhook.conversation_id, None)
        queue.insert(1 if queue else 0, webhook)

    async def _deliver(self, webhook: Webhook) -> bool:
        """Try until the bridge accepts; False when the event is lost."""
        while True:
            fault = self._take(webhook)
            if fault is not None and fault.kind == "lose":
                self._note(webhook, Outcome(0, "lost: a fault was ordered"))
                return False
            outcome = await self._attempt(webhook, fault)
            self._note(webhook, outcome)
            webhook.attempts += 1
            if outcome.accepted or webhook.attempts > RETRIES:
                return outcome.accepted
            await asyncio.sleep(self._settings.webhook_retry_seconds)

    async def _attempt(self, webhook: Webhook, fault: Fault | None) -> Outcome:
        spoiled = fault is not None and fault.kind == "bad_signature"
        if webhook.signature is None:
            webhook.signature = await asyncio.to_thread(self.key.signature, webhook.body)
        signature = self.key.signature(webhook.body + b" ") if spoiled else webhook.signature
        async with self._slots:
            return await self._courier.post(self._parcel(webhook.body, signature, webhook.attempts), fault)

    def _parcel(self, body: bytes, signature: str, attempt: int) -> Parcel:
        headers = {
            "Content-Type": "application/json",
            "X-Freshchat-Signature": signature,
            "X-Freshchat-Payload-Version": PAYLOAD_VERSION,
            "X-Retry-Count": str(attempt),
        }
        return Parcel(self._settings.bridge + self._path, body, headers, self._settings.webhook_timeout_seconds)

    def _take(self, webhook: Webhook, without: tuple[str, ...] = ("reorder",)) -> Fault | None:
        """The fault for this webhook; its expression may also name the action and the conversation."""
        line = f"POST {self._path}"
        return self._faults.take("webhook", line, f"{line} {webhook.action} {webhook.conversation_id}", without=without)

    def _count(self, accepted: bool) -> None:
        self.pending -= 1
        if accepted:
            self.delivered += 1
        else:
            self.failed += 1

    def _note(self, webhook: Webhook, outcome: Outcome) -> None:
        self._log.append(
            {
                "at": iso(time.time()),
                "conversation_id": webhook.conversation_id,
                "action": webhook.action,
                "attempt": webhook.attempts,
                "status": outcome.status,
                "ms": outcome.ms,
            }
        )


def as_body(value: object) -> bytes:
    """A webhook body from the control API: a text is sent byte for byte, anything else as JSON."""
    return value.encode() if isinstance(value, str) else dumps(value)
