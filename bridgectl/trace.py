"""`bridgectl trace`: what became of one message, hop by hop."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge import ids
from bridge.notices import NOTICE
from bridge.ports import Link
from bridge.story import Hop, Story, hops, stories, told
from bridgectl.output import FOUND, fail, run, show_json
from bridgectl.stores import existing_ports

NOTHING = """Nothing is known of {ref}. It may be mistyped, or the message
  - was delivered more than 30 days ago (older calls are forgotten),
  - was ignored, because it was not to be carried: see the bridge's log for this trace,
  - never arrived here, or lies in the store of another installation (BRIDGE_DATA_DIR)."""


def trace(
    reference: Annotated[str, typer.Argument(metavar="REF", help="A reference such as 7F3A-09BC, or a trace id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain what became of a message, hop by hop. Exit code 1 if nothing is known of it."""
    try:
        digits = ids.parse_reference(reference)
    except ValueError:
        fail(f"{reference} is not a reference (such as 7F3A-09BC) and not a trace id (up to 32 hex digits).")

    async def work() -> list[Story]:
        async with existing_ports() as ports:
            return await stories(ports.queue, ports.threads, digits)

    found = run(work())
    if as_json:
        show_json([told(story) for story in found])
    elif found:
        typer.echo("\n\n".join(_text(story) for story in found))
    else:
        typer.echo(NOTHING.format(ref=reference), err=True)
    if not found:
        raise typer.Exit(FOUND)


def _text(story: Story) -> str:
    head = f"{ids.reference(story.trace)}  trace {story.trace}  tenant {story.tenant}"
    lines = [f"  {hop['at'] or 'now':<20}  {_line(hop)}" for hop in hops(story)]
    return "\n".join([head, *lines, *(f"  {_belongs(link, story.trace)}" for link in story.links)])


def _line(hop: Hop) -> str:
    state = hop["hop"]
    if state == "accepted":
        kind = f", {hop['kind']}" if hop["kind"] else ""
        return f"accepted from {hop['source']}, {hop['direction']}{kind}: {hop['key']}"
    if state in ("call", "notice"):
        return _call_line(hop)
    why = f"{hop['code']} of {hop['component']} ({hop['message']})"
    notice = "the notice is " if hop["kind"] == NOTICE else ""
    if state == "waiting":
        return f"{notice}waiting in the queue, not tried yet or just being tried"
    if state == "held":
        return f"{notice}held until the upstream takes our credentials again: {why}"
    tries = f"{hop['attempts']} attempts since {hop['first_failed_at']}"
    if state == "retrying":
        return f"{notice}waiting to be tried again after {tries}: {why}"
    again = f"is put back by itself from {hop['next_replay']}" if hop["next_replay"] else "waits for a person"
    return (
        f"{notice}given up after {tries}: {why}; dead letter {hop['id']}, {hop['replays']} automatic replays, {again}"
    )


def _call_line(hop: Hop) -> str:
    what = "the sender is told" if hop["hop"] == "notice" else f"outside call {hop['call']}"
    via = f" via {hop['via']}" if hop["via"] else ""
    if hop["made"] is None:
        return f"{what}{via}: no result is known (refused, under way, or to be looked up before it is repeated)"
    return f"{what}{via}: done after {hop['ms']} ms, made {hop['made']}"


def _belongs(link: Link, trace: str) -> str:
    where = f"conversation {link.conversation_id} of thread {ids.for_log(link.thread_key)}"
    if link.trace == trace:
        return f"this is the first question of {where}"
    question = f", first question {ids.reference(link.trace)}" if link.trace else ""
    return f"belongs to {where}{question}"
