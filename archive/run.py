"""The export from beginning to end: ask, read, read again what has changed meanwhile, write the folder."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from archive import layout
from archive.attachments import Attachments
from archive.freshchat import Freshchat
from archive.freshdesk import Freshdesk
from archive.links import find_links
from archive.page import Page, id_of
from archive.ports import Files, KnownConversations, Source
from archive.render import Folder, checksums, renamed, render, write_object
from archive.report import unlinked, verification
from archive.report_reading import read_report
from archive.reports import Reports
from archive.rounds import OVERLAP, ROUNDS, Order, Rounds
from archive.state import State
from archive.streams import FIRST_WAIT, Lane, Runner, patiently, refused
from archive.summary import summary
from bridge.errors import Forbidden, Misconfigured, Rejected
from bridge.exact_json import dumps
from bridge.moments import epoch, iso

FORMAT = 1
WORKERS = 48
"""Pages of one account that are under way at once; what the limits allow is decided behind the port."""
FILES = 16
CHAT, DESK = "accounts/configuration", "agents/me"
"""What each account always answers, and who we are there."""
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """Where everything comes from; None where it is not wanted or not there."""

    freshchat: Source | None
    freshdesk: Source | None
    files: Files
    known: KnownConversations | None
    version: str = ""
    first_wait: float = FIRST_WAIT


def order_since(order: Order, base: Path) -> Order:
    """Order only what has changed since a base archive began; Misconfigured if it is not a complete one."""
    try:
        metadata = json.loads((base / layout.METADATA).read_text(encoding="utf-8"))
        listed = (base / layout.CHECKSUMS).read_bytes()
        began = epoch(metadata["started"])
    except (OSError, ValueError, KeyError, TypeError):
        began = None
    if began is None:
        raise Misconfigured(f"{base} is no complete archive")
    kept = {"folder": base.resolve().name, "checksumsSha256": hashlib.sha256(listed).hexdigest()}
    accounts = {name: str(host) for name, host in metadata.get("accounts", {}).items()}
    highest = {"highestTicket": str(_highest_ticket(base, metadata))}
    return replace(order, since=began - OVERLAP, base=kept | accounts | highest)


def _highest_ticket(base: Path, metadata: Mapping[str, Any]) -> int:
    """Give the highest id of a ticket that an archive has, or the one that it adds to; Misconfigured without one."""
    try:
        told = read_report(base / layout.REPORT)["sources"]["tickets"]["highestId"]
        return max(int(told), int((metadata.get("base") or {}).get("highestTicket", 0)))
    except (OSError, ValueError, KeyError, TypeError):
        raise Misconfigured(f"{base} is no complete archive") from None


def new_folder(out: Path, now: float) -> Path:
    """Make the folder of an export that begins now; a second one of a day gets a number."""
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    number = 1
    while True:
        path = out / (f"export_omni_{day}" + (f"_{number}" if number > 1 else ""))
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return path


def begin(root: Path, order: Order, now: float) -> State:
    """Open the state of a new export."""
    (root / layout.WORK).mkdir()
    state = State(root / layout.WORK / "state.sqlite")
    with state.transaction():
        state.put("order", json.dumps(asdict(order)))
        state.put("started", str(now))
        state.put("phase", "0")
    return state


def reopen(root: Path) -> State | None:
    """Open the state of an export that was interrupted; None if it is complete."""
    path = root / layout.WORK / "state.sqlite"
    if path.exists():
        state = State(path)
        if state.get("order"):
            if int(state.get("phase")) <= ROUNDS:  # behind them nothing is read any more: what is missing stays told
                state.reopen()
            return state
        state.close()
    elif (root / layout.CHECKSUMS).exists():
        shutil.rmtree(root / layout.WORK, ignore_errors=True)
        return None
    raise Misconfigured(f"{root} is no export that was begun")


class Export:
    """One export, whichever process began it."""

    def __init__(self, root: Path, state: State, upstreams: Upstreams, clock: Callable[[], float] = time.time) -> None:
        self._root, self._state, self._up, self._clock = root, state, upstreams, clock
        self._order = self.order_of(state)
        self._started = float(state.get("started"))
        self._rounds = Rounds(state, self._order, self._started)

    @staticmethod
    def order_of(state: State) -> Order:
        """Read what was wanted when the export began."""
        kept = json.loads(state.get("order"))
        return Order(**{**kept, "only": tuple(kept["only"])})

    async def run(self) -> dict[str, Any]:
        """Do what is left to be done, and give the verification report."""
        await self._check()
        runner = Runner(self._state, self._lanes(), first_wait=self._up.first_wait)
        while (phase := int(self._state.get("phase"))) <= self._rounds.last:
            if not self._state.get(f"seeded {phase}"):
                await self._seed(phase)
            await runner.run()
            self._state.put("phase", str(self._rounds.after(phase)))
        return await self._write()

    async def _check(self) -> None:
        """Ask each account who we are: a key that is refused stops here, and its rights are kept for the record."""
        up = self._up
        for name, source, path in (
            ("freshchat", up.freshchat, CHAT),
            ("freshdesk", up.freshdesk, DESK),
        ):
            if source is None:
                continue
            self._same_account(name, source.host)
            self._state.put(f"account {name}", source.host)
            try:
                value = (await patiently(source, path)).value
                self._same_number(name, value)
                self._state.put(f"rights {name}", dumps(value))
            except (Rejected, Forbidden) as error:
                if refused(error):
                    raise
                self._state.put(f"rights {name}", "null")

    def _same_account(self, name: str, host: str) -> None:
        """Misconfigured if the base archive is of another account, or what was read before an interruption."""
        before = self._state.get(f"account {name}") or (self._order.base or {}).get(name, host)
        if before != host:
            raise Misconfigured(f"this archive is, or adds to one, of another account of {name}: {before}")

    def _same_number(self, name: str, told: Any) -> None:
        """Misconfigured if the account has another number than before: Freshchat's older accounts share a host."""
        before = id_of(json.loads(self._state.get(f"rights {name}", "null")), "account_id")
        if before and id_of(told, "account_id") not in ("", before):
            raise Misconfigured(f"this archive is of another account of {name}, with the number {before}")

    def _lanes(self) -> list[Lane]:
        up, state, work = self._up, self._state, self._root / layout.WORK
        lanes = []
        if up.freshchat is not None:
            lanes.append(
                Lane(
                    "freshchat",
                    Freshchat(up.freshchat, self._order.since).streams(),
                    WORKERS,
                    alive(up.freshchat, CHAT),
                )
            )
            reports = Reports(state, up.freshchat, up.files, self._root)
            lanes.append(Lane("reports", reports.streams(), 1))
        if up.freshdesk is not None:
            lanes.append(
                Lane(
                    "freshdesk",
                    Freshdesk(up.freshdesk, state, self._order.since).streams(),
                    WORKERS,
                    alive(up.freshdesk, DESK),
                )
            )
        if "attachments" in self._order.only:
            sources = {"freshchat": up.freshchat, "freshdesk": up.freshdesk}
            present = {name: source for name, source in sources.items() if source is not None}
            files = Attachments(state, up.files, work, present)
            lanes.append(Lane("attachments", files.streams(), FILES, tries=3))
        return lanes

    async def _seed(self, phase: int) -> None:
        if phase == 0 and self._up.known is not None and "freshchat" in self._order.only:
            await self._known(self._up.known)
        page = Page()
        self._rounds.seed(phase, page)
        with self._state.transaction():
            self._state.apply(page)
            self._state.put(f"seeded {phase}", "1")

    async def _known(self, known: KnownConversations) -> None:
        page = Page()
        async for one in known.all():
            page.seen(one.conversation_id, one.source, one.user_id)
            if len(page.writes) >= BATCH:
                self._apply(page)
        self._apply(page)

    def _apply(self, page: Page) -> None:
        with self._state.transaction():
            self._state.apply(page)
        page.clear()

    # --- the folder

    async def _write(self) -> dict[str, Any]:
        """Write the folder, then let go of the state: until then everything can be done again."""
        state, folder = self._state, Folder(self._root, self._state)
        folder.start()
        for _ in chain(find_links(state), render(folder, state)):
            await asyncio.sleep(0)  # others, such as who shows how far it is, have their turn
        finished = self._clock()
        report = verification(state, self._order.kind, finished)
        write_object(folder, layout.REPORT, report, {"unlinkedConversationIds": unlinked(state)})
        folder.write(layout.SUMMARY, [summary(report)])
        write_object(folder, layout.METADATA, self._metadata(finished))
        checksums(folder, state)
        os.sync()
        state.close()
        shutil.rmtree(self._root / layout.WORK)
        return report

    def _metadata(self, finished: float) -> Mapping[str, Any]:
        state = self._state
        names = [name for name in ("freshchat", "freshdesk") if state.get(f"account {name}")]
        counts = state.rows("SELECT stream, COUNT(*) FROM task GROUP BY stream ORDER BY stream")
        reports = state.rows("SELECT event, since, until, rows FROM report ORDER BY event, since")
        return {
            "format": FORMAT,
            "bridgeVersion": self._up.version,
            "kind": self._order.kind,
            "started": iso(self._started),
            "finished": iso(finished),
            "since": iso(self._order.since) if self._order.since else None,
            "base": self._order.base,
            "accounts": {name: state.get(f"account {name}") for name in names},
            "rights": {name: _rights(json.loads(state.get(f"rights {name}", "null"))) for name in names},
            "options": asdict(self._order),
            "bridge": "asked" if self._up.known is not None else "not asked",
            "streams": {stream: {"tasks": tasks} for stream, tasks in counts},
            "reports": [dict(zip(("event", "from", "to", "rows"), row, strict=True)) for row in reports],
            "renamed": renamed(state),
        }


def alive(source: Source, path: str) -> Callable[[], Awaitable[object]]:
    """Give the question whether an account answers at all."""
    return lambda: source.get(path)


def _rights(told: Any) -> Mapping[str, Any]:
    """Keep what says which rights the key has, and nothing of the person it belongs to."""
    wanted = ("type", "role_ids", "ticket_scope", "occasional", "plan_type", "bundle_type", "datacenter")
    return {name: told[name] for name in wanted if name in told} if isinstance(told, dict) else {}
