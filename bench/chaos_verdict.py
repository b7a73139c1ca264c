"""What became of every message of a chaos run, and the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from bench.chaos_board import Note
from bench.chaos_traffic import Talk, tokens_of

WINDOW = ("_post_via.call", "ThreadMap.done")
"""Marks of the points between the connector's work and the journal row (docs/guarantees.md, window 1)."""

WHENS = ("before", "during", "after", "frozen", "random")


@dataclass
class Kill:
    """One SIGKILL (or, `when` is "frozen", one SIGSTOP): where, how, and what each delivery was doing."""

    point: str
    when: str
    notes: list[Note]


@dataclass
class Column:
    """The counts of one transport.

    `in_window` are extra copies that the stated window explains; `healed` came by reconciliation: its webhooks had been
    given up before the door could answer one.
    """

    pieces: int = 0
    lost: int = 0
    healed: int = 0
    duplicated: int = 0
    in_window: int = 0
    out_of_order: int = 0
    misrouted: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing happened that the guarantees exclude."""
        return not self.wrong


def freshchat(talks: Iterable[Talk], conversations: Sequence[Mapping[str, Any]]) -> Column:
    """Judge the way to Freshchat: each question once, in order, in a conversation of its own thread."""
    column = Column()
    found = [tokens_of(m for m in c["messages"] if m["actor_type"] == "user") for c in conversations]
    places: dict[str, list[list[str]]] = {}
    for tokens in found:
        owners = {_owner(token) for token in tokens}
        if len(owners) > 1:
            column.misrouted += 1
            column.wrong.append(f"misrouted: one conversation holds {sorted(owners)}")
        for owner in owners:
            places.setdefault(owner, []).append([token for token in tokens if _owner(token) == owner])
    for talk in talks:
        arrived = [token for piece in places.get(talk.name, []) for token in piece]
        _count(column, talk.asked, arrived, Counter())
        column.out_of_order += _disorder(column, talk.asked, arrived)
    return column


def teams(
    talks: Iterable[Talk], threads: Sequence[Mapping[str, Any]], excused: Counter[str], healed: frozenset[str]
) -> Column:
    """Judge the way to Teams: each answer once, in order, in the thread of its question, by the right transport.

    `excused` says how many extra copies of a token the window explains, `healed` which tokens the door never took:
    they come late, so what was said after them may be there before them.
    """
    column, shown = Column(), {t["conversation_id"]: [m for m in t["messages"] if m["via"] != "user"] for t in threads}
    via = {t["conversation_id"]: {m["via"] for m in shown[t["conversation_id"]]} for t in threads}
    everywhere = {name: tokens_of(messages) for name, messages in shown.items()}
    for talk in talks:
        there = everywhere.get(talk.conversation_id, [])
        strangers = [token for token in there if _owner(token) != talk.name]
        column.misrouted += len(strangers)
        column.wrong += [f"misrouted: {token} in {talk.name}" for token in strangers]
        unexpected = via.get(talk.conversation_id, set()) - {"connector" if talk.column == "bot" else "graph"}
        column.wrong += [f"{talk.name} was answered via {name}" for name in unexpected]
        for said in talk.answered.values():
            mine = [token for token in there if token in set(said)]
            _count(column, said, mine, excused)
            column.healed += len(healed.intersection(said))
            column.out_of_order += _disorder(column, said, [token for token in mine if token not in healed])
    return column


def _owner(token: str) -> str:
    return token.split("-")[1]


def _count(column: Column, said: Sequence[str], arrived: Sequence[str], excused: Counter[str]) -> None:
    counts = Counter(arrived)
    column.pieces += len(said)
    for token in said:
        extra = counts[token] - 1
        if extra < 0:
            column.lost += 1
            column.wrong.append(f"lost: {token}")
        if extra > 0:
            explained = min(extra, excused[token])
            column.in_window += explained
            column.duplicated += extra - explained
            column.wrong += [f"duplicated: {token} × {extra + 1}"] if extra > explained else []


def _disorder(column: Column, said: Sequence[str], arrived: Sequence[str]) -> int:
    """Count the places where something came behind what was said after it; a second copy is no place of its own."""
    rank = {token: number for number, token in enumerate(said)}
    ranks = [rank[token] for token in dict.fromkeys(arrived) if token in rank]
    wrong = sum(earlier > later for earlier, later in pairwise(ranks))
    column.wrong += [f"out of order: {list(arrived)[:20]}"] if wrong else []
    return wrong


def excused(kills: Iterable[Kill], sent: Mapping[str, Sequence[str]]) -> Counter[str]:
    """Count per token how often its delivery died in the window; `sent` lists the tokens of Freshchat's message ids."""
    found: Counter[str] = Counter()
    for kill in kills:
        for note in kill.notes:
            if any(mark in note.point for mark in WINDOW) and "_post_via" in note.point:
                found.update(sent.get(note.message.rpartition("/")[2].partition(":")[0], ()))
    return found


def unrecorded(
    records: Iterable[Mapping[str, Any]], keys: Mapping[str, str], tokens: Mapping[str, Sequence[str]]
) -> Counter[str]:
    """Count per token how often the database was away while it was delivered: what was sent may not be written down.

    `keys` tells the keys of messages by trace, `tokens` the tokens of answers by key.
    """
    found: Counter[str] = Counter()
    for record in records:
        if record.get("action") == "retry" and str(record.get("code", "")).startswith("cosmos"):
            found.update(tokens.get(keys.get(record.get("trace", ""), ""), ()))
    return found


@dataclass
class Result:
    """A whole run."""

    kills: list[Kill]
    columns: dict[str, Column]
    facts: dict[str, Any]
    missed: dict[str, int]

    @property
    def clean(self) -> bool:
        """Whether the run kept every promise."""
        right = all(column.clean for column in self.columns.values())
        return right and not self.facts["dead letters"] and not self.facts["bugs"]

    def rows(self) -> list[tuple[str, ...]]:
        """Count per fault point."""
        whens: dict[str, Counter[str]] = {}
        affected: Counter[str] = Counter()
        for kill in self.kills:
            whens.setdefault(kill.point, Counter())[kill.when] += 1
            affected[kill.point] += len(kill.notes)
        names = sorted(whens, key=lambda name: (name.startswith("("), name))
        return [
            (name, *(str(whens[name][when] or "") for when in WHENS),
             str(affected[name]))
            for name in names
        ]  # fmt: skip

    def table(self) -> str:
        """Write it for people."""
        head = ("fault point", *WHENS, "in flight")
        lines = [head, *self.rows()]
        widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
        text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        text += ["", _counts("", ("pieces", "lost", "dup", "in window", "disorder", "misrouted", "healed"))]
        for name, c in self.columns.items():
            numbers = (c.pieces, c.lost, c.duplicated, c.in_window, c.out_of_order, c.misrouted, c.healed)
            text.append(_counts(name, numbers))
        text += ["", *(f"{name}: {value}" for name, value in self.facts.items())]
        text += [f"never reached when armed: {name}" for name, _ in sorted(self.missed.items())]
        text += [f"{name}: {line}" for name, c in self.columns.items() for line in c.wrong[:20]]
        return "\n".join(text)

    def as_dict(self) -> dict[str, Any]:
        """Give it for programs."""
        return {
            "clean": self.clean,
            "points": [dict(zip(("point", *WHENS, "in_flight"), row, strict=True))
                       for row in self.rows()],
            "columns": {name: asdict(column) for name, column in self.columns.items()},
            "facts": self.facts,
            "missed": self.missed,
        }  # fmt: skip


def _counts(name: str, values: Sequence[object]) -> str:
    return f"{name:18}" + "".join(f"{value!s:>11}" for value in values)
