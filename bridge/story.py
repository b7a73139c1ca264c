"""What became of one message, hop by hop, as far as the stores know it. Nothing in it was said by anybody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bridge import ids
from bridge.letters_view import Filters, describe, first, matching
from bridge.notices import NOTICE
from bridge.ports import DeadLetter, Envelope, Link, Queue, Step, ThreadMap, Waiting
from bridge.sayings import SAYING
from bridge.text import when

SOURCES = {"to-freshchat": "Teams", "to-teams": "Freshchat"}

Hop = dict[str, Any]


@dataclass(slots=True)
class Story:
    """All that the stores know of one trace of one tenant."""

    tenant: str
    trace: str
    waiting: list[Waiting] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    @property
    def envelopes(self) -> list[Envelope]:
        """What is still in the queue or in the dead letters."""
        return [one.envelope for one in self.waiting] + [one.envelope for one in self.letters]


async def stories(queue: Queue, threads: ThreadMap, digits: str, *, most: int | None = None) -> list[Story]:
    """Find every message whose trace id begins so; eight digits may name more than one.

    `most` is how many dead letters are looked through. Raises as the stores do.
    """
    found: dict[tuple[str, str], Story] = {}

    def story(tenant: str, trace: str) -> Story:
        return found.setdefault((tenant, trace), Story(tenant, trace))

    for waiting in await queue.find(digits):
        story(waiting.envelope.tenant, waiting.envelope.trace).waiting.append(waiting)
    async for letter in first(matching(queue, Filters()), most):
        if letter.envelope.trace.startswith(digits):
            story(letter.envelope.tenant, letter.envelope.trace).letters.append(letter)
    for step in reversed(await threads.steps(digits)):
        story(step.tenant, step.trace).steps.append(step)
    for one in found.values():
        one.links = await _links(threads, one)
    return sorted(found.values(), key=lambda one: (one.tenant, one.trace))


async def _links(threads: ThreadMap, story: Story) -> list[Link]:
    found = [await threads.by_conversation(story.tenant, one) for one in dict.fromkeys(_conversations(story))]
    return [link for link in found if link is not None]


def _conversations(story: Story) -> Iterator[str]:
    """Name the Freshchat conversations: where an answer came from, or where a question went."""
    keys = [ids.parse_step_key(step.key)[0] for step in story.steps]
    keys += [ids.parse_dedupe_id(envelope.message_id)[1] for envelope in story.envelopes]
    for key in keys:
        try:
            yield ids.parse_freshchat_key(key).conversation
        except ValueError:
            continue
    for step in story.steps:
        if step.sent_id and step.key.startswith("teams:"):
            yield ids.parse_sent_key(step.sent_id)[0]


def hops(story: Story) -> list[Hop]:
    """Give every hop in order of time; one without a time (`at` None) is the present state."""
    found = [_accepted(envelope) for envelope in story.envelopes]
    known = {hop["key"] for hop in found}
    found += [_gone(step) for step in _first_steps(story.steps) if ids.parse_step_key(step.key)[0] not in known]
    found += map(_call, story.steps)
    found += map(_dead, story.letters)
    found += map(_waiting, story.waiting)
    return sorted(found, key=lambda hop: str(hop["at"] or "~"))  # what has no time is the present state, and so last


def _accepted(envelope: Envelope) -> Hop:
    return {
        "hop": "accepted",
        "at": when(envelope.received_at),
        "source": "the bridge" if envelope.kind in (NOTICE, SAYING) else SOURCES[envelope.direction],
        "direction": envelope.direction,
        "kind": envelope.kind,
        "key": ids.parse_dedupe_id(envelope.message_id)[1],
        "session": ids.for_log(envelope.session),
    }


def _gone(step: Step) -> Hop:
    """Say what is still known of a message that has left the queue: it was accepted before its first call."""
    key = ids.parse_step_key(step.key)[0]
    direction = "to-freshchat" if key.startswith("teams:") else "to-teams"
    at = when(step.started_at)
    return {"hop": "accepted", "at": at, "source": SOURCES[direction], "direction": direction, "kind": None, "key": key}


def _first_steps(steps: list[Step]) -> list[Step]:
    """Give the first call of each message, notices left out."""
    first: dict[str, Step] = {}
    for step in steps:
        key = ids.parse_step_key(step.key)[0]
        if key == ids.about(key):
            first.setdefault(key, step)
    return list(first.values())


def _call(step: Step) -> Hop:
    key, name = ids.parse_step_key(step.key)
    return {
        "hop": "call" if key == ids.about(key) else "notice",
        "at": when(step.started_at),
        "call": name,
        "about": ids.about(key),
        "via": step.note.get("via"),
        "ms": None if step.done_at is None else round((step.done_at - step.started_at) * 1000),
        "made": step.sent_id,
    }


def _waiting(waiting: Waiting) -> Hop:
    failure = waiting.failure
    held = failure is not None and not failure.transient and failure.code != "bug"
    return {
        "hop": "held" if held else "retrying" if failure else "waiting",
        "at": None,
        "kind": waiting.envelope.kind,
        "attempts": waiting.attempts,
        "first_failed_at": None if waiting.first_failed_at is None else when(waiting.first_failed_at),
        "code": failure and failure.code,
        "component": failure and failure.component,
        "message": failure and failure.message,
    }


def _dead(letter: DeadLetter) -> Hop:
    told = describe(letter)
    wanted = ("id", "kind", "attempts", "first_failed_at", "code", "component", "message", "replays", "next_replay")
    return {"hop": "dead_letter", "at": told["last_failed_at"]} | {name: told[name] for name in wanted}


def told(story: Story) -> dict[str, Any]:
    """Give the whole story as JSON."""
    return {
        "reference": ids.reference(story.trace),
        "trace": story.trace,
        "tenant": story.tenant,
        "hops": hops(story),
        "conversations": [
            {
                "conversation": link.conversation_id,
                "thread": ids.for_log(link.thread_key),
                "question": link.trace or None,
                "question_reference": ids.reference(link.trace) if link.trace else None,
            }
            for link in story.links
        ],
    }
