"""Greeting: what to do here, once for each place where the app was added."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge.delivery import Done, Outcome
from bridge.events import Event, Ignored
from bridge.panels import Panel, Section
from bridge.ports import ThreadMap
from bridge.sayings import Sayings


def welcome_panel(say: Callable[..., str], locale: str | None, values: Mapping[str, str]) -> Panel:
    """Say what to do in the `scope` of the values."""
    lines = tuple(say(text, locale) for text in ("welcome_title", f"welcome_{values['scope']}", "welcome_help"))
    return Panel(words="", lines="\n".join(lines), sections=(Section(lines),))


class Welcomes:
    """Remembers where the app is. Teams tells each change twice, and not always in order."""

    def __init__(self, threads: ThreadMap, sayings: Sayings) -> None:
        self._threads, self._sayings = threads, sayings

    async def follow(self, event: Event) -> Outcome:
        """Greet where the app is new; forget where it was removed, so that it greets again."""
        tenant, key, place = event.tenant_id, event.thread_key or "", event.place
        assert place is not None
        known = await self._threads.fact(tenant, "install", key) or {"state": "removed", "at": ""}
        state = event.custom_attributes["install"]
        if event.timestamp < known["at"]:
            return Ignored("old_install")
        if state == known["state"]:
            return Ignored("known_install")
        if state == "added":
            values = {"scope": place.scope}
            await self._sayings.put(event, None, "", panel="welcome", values=values, about="welcome")
        await self._threads.learn(tenant, "install", key, {"state": state, "at": event.timestamp}, None)
        return Done({"install": state})
