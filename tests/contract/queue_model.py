"""A queue of a few lines, and a random walk that compares a real one with it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from bridge.errors import LeaseLost
from bridge.ports import DIRECTIONS, Delivery, Direction, Envelope, Failure, Queue, Session


class MovableClock(Protocol):
    """A clock that the walk may set forward."""

    time: float


@dataclass
class Message:
    """A message that waits or is dead."""

    envelope: Envelope
    attempts: int = 0
    first_failed_at: float | None = None
    replays: int = 0
    failure: Failure | None = None


@dataclass
class Line:
    """One session: its messages, from when it may be taken, and by whom it is held."""

    visible_at: float
    tenant: str
    messages: list[Message] = field(default_factory=list)
    holder: Session | None = None


Key = tuple[Direction, str]
FAILED = Failure(code="x", message="y", component="z")


class Model:
    """The truth about the queue, and one random call at a time."""

    def __init__(self, dice: random.Random, queues: list[Queue], clock: MovableClock, lease_seconds: float) -> None:
        self.dice = dice
        self.queues = queues
        self.clock = clock
        self.lease_seconds = lease_seconds
        self.lines: dict[Key, Line] = {}
        self.seen: list[Envelope] = []
        self.held: list[tuple[Direction, Session, float]] = []
        self.dead: list[Message] = []

    async def step(self) -> None:
        """Make one call and compare."""
        calls = [self.put, self.put, self.put, self.put_again, self.accept, self.accept, self.settle, self.settle]
        await self.dice.choice([*calls, self.settle, self.release, self.pass_time, self.replay, self.drop])()
        await self.compare()

    async def put(self) -> None:
        direction, tenant = self.dice.choice(DIRECTIONS), self.dice.choice("ab")
        envelope = Envelope(
            direction=direction,
            tenant=tenant,
            message_id=f"m{len(self.seen)}",
            session=f"{tenant}/s{self.dice.randrange(2)}",
            kind="message",
            trace=f"{len(self.seen):032x}",
            body=self.dice.randbytes(8),
            received_at=self.clock.time,
        )
        self.seen.append(envelope)
        assert await self.dice.choice(self.queues).put(envelope)
        self._append(Message(envelope))

    async def put_again(self) -> None:
        if self.seen:
            assert not await self.dice.choice(self.queues).put(self.dice.choice(self.seen))

    async def accept(self) -> None:
        direction = self.dice.choice(DIRECTIONS)
        rooms = {tenant: self.dice.choice([0, 1, 2]) for tenant in "ab"}
        room = self.dice.choice([None, rooms.__getitem__])
        session = await self.dice.choice(self.queues).accept(direction, 0, room)
        ready = {
            key
            for (d, key), line in self.lines.items()
            if d == direction and line.visible_at <= self.clock.time and (room is None or rooms[line.tenant])
        }
        assert (session is None) == (not ready)
        if session is not None:
            assert session.key in ready
            assert session.tenant == self.lines[direction, session.key].tenant
            until = self.clock.time + self.lease_seconds
            line = self.lines[direction, session.key]
            line.holder, line.visible_at = session, until
            self.held.append((direction, session, until))

    async def settle(self) -> None:
        if not self.held:
            return
        held = self.dice.choice(self.held)
        direction, session, _ = held
        if not self._owns(held):
            self.held.remove(held)
            with pytest.raises(LeaseLost):
                await session.next()
            return
        delivery = await session.next()
        assert delivery is not None
        self._compare_delivery(self.lines[direction, session.key].messages[0], delivery)
        await self.dice.choice([self._complete, self._retry, self._bury])(held, delivery)

    async def release(self) -> None:
        if self.held:
            held = self.held.pop(self.dice.randrange(len(self.held)))
            await held[1].release()
            if self._owns(held):
                line = self.lines[held[0], held[1].key]
                line.holder, line.visible_at = None, self.clock.time

    async def pass_time(self) -> None:
        self.clock.time += self.dice.choice([0.5, 1, 5, self.lease_seconds + 1])

    async def replay(self) -> None:
        if letters := await self.dice.choice(self.queues).dead_letters():
            place = self.dice.randrange(len(letters))
            automatic = self.dice.random() < 0.5
            assert await self.dice.choice(self.queues).replay(letters[place].id, automatic=automatic)
            dead = self.dead.pop(place)
            again = Message(dead.envelope, dead.attempts, dead.first_failed_at, dead.replays + 1)
            self._append(again if automatic else Message(dead.envelope))

    async def drop(self) -> None:
        if letters := await self.dice.choice(self.queues).dead_letters(limit=1):
            assert await self.dice.choice(self.queues).drop(letters[0].id)
            del self.dead[0]

    async def compare(self) -> None:
        """Counts and dead letters are the same in both."""
        queue = self.dice.choice(self.queues)
        for direction in DIRECTIONS:
            depth = await queue.depth(direction)
            assert depth.waiting == sum(len(line.messages) for (d, _), line in self.lines.items() if d == direction)
            assert depth.dead == sum(m.envelope.direction == direction for m in self.dead)
        found = [(m.envelope, m.attempts, m.first_failed_at, m.replays) for m in await queue.dead_letters(limit=1000)]
        assert found == [(m.envelope, m.attempts, m.first_failed_at, m.replays) for m in self.dead]
        waiting = [message for line in self.lines.values() for message in line.messages]
        if waiting:
            await self._compare_waiting(queue, self.dice.choice(waiting))

    async def _compare_waiting(self, queue: Queue, message: Message) -> None:
        (found,) = await queue.find(message.envelope.trace)
        expected = message.envelope, message.attempts, message.first_failed_at, message.failure
        assert (found.envelope, found.attempts, found.first_failed_at, found.failure) == expected

    def _append(self, message: Message) -> None:
        key = message.envelope.direction, message.envelope.session
        self.lines.setdefault(key, Line(self.clock.time, message.envelope.tenant)).messages.append(message)

    def _owns(self, held: tuple[Direction, Session, float]) -> bool:
        direction, session, until = held
        line = self.lines.get((direction, session.key))
        return line is not None and line.holder is session and until > self.clock.time

    def _compare_delivery(self, expected: Message, delivery: Delivery) -> None:
        found = delivery.envelope, delivery.attempts, delivery.first_failed_at, delivery.replays
        assert found == (expected.envelope, expected.attempts, expected.first_failed_at, expected.replays)

    async def _complete(self, held: tuple[Direction, Session, float], delivery: Delivery) -> None:
        await held[1].complete(delivery)
        await self._shift(held)

    async def _bury(self, held: tuple[Direction, Session, float], delivery: Delivery) -> None:
        await held[1].dead_letter(delivery, FAILED)
        message = await self._shift(held)
        first = self.clock.time if message.first_failed_at is None else message.first_failed_at
        self.dead.append(Message(message.envelope, message.attempts + 1, first, message.replays))

    async def _shift(self, held: tuple[Direction, Session, float]) -> Message:
        direction, session, _ = held
        line = self.lines[direction, session.key]
        message = line.messages.pop(0)
        if not line.messages:
            del self.lines[direction, session.key]
            self.held.remove(held)
            assert await session.next() is None
        return message

    async def _retry(self, held: tuple[Direction, Session, float], delivery: Delivery) -> None:
        direction, session, _ = held
        after, counts = self.dice.choice([0.0, 1.0, 7.0]), self.dice.random() < 0.7
        await session.retry(delivery, after, FAILED, count=counts)
        self.held.remove(held)
        line = self.lines[direction, session.key]
        line.holder, line.visible_at = None, self.clock.time + after
        line.messages[0].failure = FAILED
        if counts:
            line.messages[0].attempts += 1
            line.messages[0].first_failed_at = line.messages[0].first_failed_at or self.clock.time
