"""Archive folders as an export writes them, small and nasty or as large as asked; nothing of an export is needed."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXPORTED = "2026-11-01T01:00:00Z"
SCRIPT = "<script>document.title='owned'</script>"
RENAMED = "aa..bb/cc_feedback"
RENAMED_AS = "aa..bb_cc_feedback"
HUGE = 9007199254740993
"""2**53 + 1: a reader that goes through floats loses it."""


def png(width: int = 64, height: int = 40) -> bytes:
    """Make a picture: a real PNG, one colour a row."""
    rows = b"".join(b"\0" + bytes((60, 73, 184 - 3 * row)) * width for row in range(height))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    framed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@dataclass
class Builder:
    """Writes the files and counts what the report tells."""

    root: Path
    totals: dict[str, Any] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)

    def rows(self, path: str, rows: Iterable[Any]) -> int:
        """Write a list, an element a line; give how many they were."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        count = 0
        with file.open("w", encoding="utf-8", newline="\n") as out:
            out.write("[")
            for count, row in enumerate(rows, 1):
                out.write(
                    ("," if count > 1 else "") + "\n" + json.dumps(row, ensure_ascii=False, separators=(",", ":"))
                )
            out.write("\n]\n" if count else "]\n")
        return count

    def object(self, path: str, value: Any) -> None:
        """Write a file of one object."""
        text = json.dumps(value, ensure_ascii=False, indent=1)
        (self.root / path).write_text(text + "\n", encoding="utf-8", newline="\n")

    def attach(
        self, product: str, source: str, owner: str, number: int, name: str, kind: str, content: bytes, of: str = ""
    ) -> None:
        """Write an attachment and its row; an inline picture is `of` a ticket or a reply."""
        path = f"attachments/{product}/{source}_{owner}-{number}_{name}"
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        row = self._row(source, owner, number, name, kind) | ({"owner_kind": of} if of else {})
        fetched = {
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "state": "fetched",
            "reason": None,
        }
        self.attachments.append(row | {"path": path} | fetched)

    def fail(self, source: str, owner: str, number: int, name: str, reason: str) -> None:
        """Write the row of an attachment that could not be had."""
        row = self._row(source, owner, number, name, "application/pdf")
        failed = {"path": None, "size": None, "sha256": None, "state": "failed", "reason": reason}
        self.attachments.append(row | failed)

    @staticmethod
    def _row(source: str, owner: str, number: int, name: str, kind: str) -> dict[str, Any]:
        who = {"owner_kind": source, "owner_id": owner, "attachment_id": str(number)}
        return {"path": None, "source": source, **who, "name": name, "content_type": kind}


def seal(root: Path) -> str:
    """Write `checksums.sha256`; give its own hash."""
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.name != "checksums.sha256")
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  ./{f.relative_to(root).as_posix()}" for f in files]
    text = "\n".join(sorted(lines, key=lambda line: line[66:])) + "\n"
    (root / "checksums.sha256").write_text(text, encoding="utf-8", newline="\n")
    return hashlib.sha256(text.encode()).hexdigest()


def archive(parent: Path, conversations: int = 6, tickets: int = 4, talk: int = 3) -> Path:
    """Write an archive; beside the numbered chats and tickets there are a few nasty ones. Give its folder.

    `c-0001` … are chats of `talk` messages each; the first ones are linked to the tickets 101 …; the others to none.
    """
    builder = Builder(parent / "export_omni_2026-11-01")
    builder.root.mkdir(parents=True)
    _people(builder)
    _freshchat(builder, conversations, talk)
    _freshdesk(builder, tickets)
    _ends(builder, conversations, tickets)
    seal(builder.root)
    return builder.root


def _people(builder: Builder) -> None:
    ada = {"id": "u-1", "first_name": "Ada", "last_name": "Fenn", "email": "ada@example.com", "created_time": at(1)}
    minji = {"id": "u-2", "first_name": "민지", "last_name": "김", "email": None, "later_field": {"deep": [HUGE, 1.10]}}
    builder.totals["users"] = builder.rows("freshchat/users.json", [ada, minji])
    agent = {"id": "a-1", "first_name": "Grace", "last_name": "<b>Hop</b>"}
    builder.totals["agents"] = {"freshchat": builder.rows("freshchat/agents.json", [agent])}
    for name in ("groups", "channels", "fields", "csat"):
        builder.rows(f"freshchat/{name}.json", [{"id": "ch-1", "name": "IT 헬프"}] if name == "channels" else [])
    desk_agent = {"id": 432, "contact": {"name": "Grace Hop", "email": "grace@example.com"}}
    builder.totals["agents"]["freshdesk"] = builder.rows("freshdesk/agents.json", [desk_agent])
    contact = {"id": 434, "name": "김민지", "email": "minji@example.com", "company_id": 23}
    builder.totals["contacts"] = builder.rows("freshdesk/contacts.json", [contact])
    builder.totals["companies"] = builder.rows("freshdesk/companies.json", [{"id": 23, "name": "한빛 상사"}])
    status = {"name": "status", "choices": {"2": ["Open", "Being processed"], "6": ["Waiting <i>", "…"]}}
    for name in ("groups", "fields"):
        builder.rows(f"freshdesk/{name}.json", [status] if name == "fields" else [])


def at(minute: int) -> str:
    """Give a time as Freshchat writes it."""
    return f"2026-01-{1 + minute // 1440 % 28:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000Z"


def chat_id(number: int) -> str:
    return f"c-{number:07}"


def conversation(key: str, number: int, **more: Any) -> dict[str, Any]:
    internal = HUGE + number
    known = {"conversation_id": key, "conversation_internal_id": internal, "status": "resolved", "channel_id": "ch-1"}
    times = {"created_time": at(number), "updated_time": at(number + 9)}
    return {**known, "user_id": f"u-{1 + number % 2}", "assigned_agent_id": "a-1", **times, "properties": {}, **more}


def message(key: str, number: int, parts: list[Any], actor: str = "user", **more: Any) -> dict[str, Any]:
    actor_id = {"user": "u-2", "agent": "a-1"}.get(actor, "")
    body = {"id": f"{key}-m{number}", "message_parts": parts, "message_type": "normal", "actor_type": actor}
    return {**body, "actor_id": actor_id, "conversation_id": key, "created_time": at(number), **more}


def text(content: str) -> dict[str, Any]:
    return {"text": {"content": content}}


def _talk(key: str, number: int, talk: int) -> Iterator[dict[str, Any]]:
    said = ("프린터가 고장났어요 🖨️", f"Which printer is it? ({number})", "3층 복합기입니다. 환불요청도 하고 싶어요.")
    for each in range(talk):
        yield message(key, each, [text(said[each % 3])], "agent" if each % 3 == 1 else "user")


def _nasty_talk(builder: Builder, key: str) -> list[dict[str, Any]]:
    button = {"collection": {"sub_parts": [{"quick_reply_button": {"label": "예 / Yes"}}]}}
    file = {"file": {"name": "비용 보고서.pdf", "url": "https://files.example/expired"}}
    builder.attach("freshchat", "message", f"{key}-m4", 1, "scan.png", "image/png", png())
    builder.attach("freshchat", "message", f"{key}-m4", 2, "evil.svg", "image/svg+xml", b"<svg onload='alert(1)'/>")
    builder.attach("freshchat", "message", f"{key}-m4", 3, "fake.png", "image/png", b"<html>" + SCRIPT.encode())
    builder.fail("message", f"{key}-m4", 4, "비용 보고서.pdf", "http_403")
    return [
        message(key, 0, [text(f"Hello {SCRIPT} & good-bye</script>")], actor_id="u-1"),
        message(key, 1, [text("Internal: call the vendor")], "agent", message_type="private"),
        message(key, 2, [text("Conversation was reopened by Ada")], "system", message_type="system"),
        message(key, 3, [text("Is it urgent?")], "bot", reply_parts=[button]),
        message(key, 4, [file, {"image": {"url": "https://files.example/x.png"}}], "agent"),
        message(key, 5, [{"hologram": {"depth": 3}}, text("둘째 줄\n셋째 줄\u2028끝")], actor_id="u-2"),
    ]


def _freshchat(builder: Builder, conversations: int, talk: int) -> None:
    chats = {
        "c-empty": [],
        "c-nasty": _nasty_talk(builder, "c-nasty"),
        RENAMED: [message(RENAMED, 0, [text("old id")])],
    }
    numbered = (conversation(chat_id(n), n) for n in range(1, conversations + 1))
    nasty = (conversation(key, 7 + i, hidden={"x": None}) for i, key in enumerate(sorted(chats)))
    # "aa…" < "c-0…" < "c-e…": the list is sorted by id
    old, *others = nasty
    count = builder.rows("freshchat/conversations.json", (row for part in ([old], numbered, others) for row in part))
    said = sum(
        builder.rows(f"freshchat/messages/{chat_id(n)}.json", _talk(chat_id(n), n, talk))
        for n in range(1, conversations + 1)
    )
    for key, rows in chats.items():
        said += builder.rows(f"freshchat/messages/{RENAMED_AS if key == RENAMED else key}.json", rows)
    builder.totals |= {"conversations": count, "messages": said}


def ticket(number: int, **more: Any) -> dict[str, Any]:
    about = {"id": number, "subject": f"프린터 문제 {number}", "status": 2, "priority": 1, "source": 7, "type": None}
    people = {"requester_id": 434, "responder_id": 432, "company_id": 23, "group_id": None}
    times = {"created_at": "2026-01-05T12:02:50Z", "updated_at": "2026-01-05T13:00:00Z"}
    return {**about, **people, **times, "description": "<div>도와주세요</div>", "custom_fields": {"cf_x": None}, **more}


NASTY_HTML = (
    '<div onclick="alert(1)" style="position:fixed"><p>Dear <b>team</b>,</p>'
    '<img src=x onerror="document.title=\'owned\'"><a href="javascript:alert(1)">click</a> '
    '<a href="https://example.com/help">help</a>' + SCRIPT + "<iframe src='https://evil.example'></iframe>"
    "<img src='https://files.example/inline.png?sig=1'><table><tr><td>칸 1</td><td>칸 2</td></tr></table></div>"
)


def _freshdesk(builder: Builder, tickets: int) -> None:
    numbered = (ticket(100 + n) for n in range(1, tickets + 1))
    nasty = ticket(9000, subject=f"{SCRIPT} 긴급", description=NASTY_HTML, status=6, spam=True, attachments=[{"id": 1}])
    rows = (row for part in (numbered, [nasty]) for row in part)
    count = builder.rows("freshdesk/tickets.json", rows)
    replies = 0
    for number in (*range(101, 101 + tickets), 9000):
        reply = {"id": number * 10, "ticket_id": number, "user_id": 432, "incoming": False, "private": False}
        note = reply | {"id": number * 10 + 1, "private": True, "body": "<p>메모: 부품 주문</p>", "created_at": at(70)}
        reply |= {"body": NASTY_HTML, "body_text": "Dear team", "created_at": at(60)}
        replies += builder.rows(f"freshdesk/conversations/{number}.json", [reply, note])
    builder.attach("freshdesk", "ticket", "9000", 1, "virus.html", "text/html", SCRIPT.encode())
    builder.attach("freshdesk", "inline", "90000", 1, "inline.png", "image/png", png(90, 30), of="reply")
    builder.attach("freshdesk", "reply", "90000", 2, "사진.png", "image/png", png(120, 60))
    builder.totals |= {"tickets": count, "ticketConversations": replies}


def _ends(builder: Builder, conversations: int, tickets: int) -> None:
    linked = min(conversations, tickets)
    link = {"confidence": "explicit", "evidence": "properties.ticket_id"}
    builder.rows(
        "links.json", ({"conversation_id": chat_id(n), "ticket_id": 100 + n, **link} for n in range(1, linked + 1))
    )
    rows = sorted(builder.attachments, key=lambda row: (row["path"] or "", row["owner_id"]))
    failed = builder.rows("attachments.json", rows) - sum(row["state"] == "fetched" for row in rows)
    gap = {"what": "attachment", "id": "4", "reason": "http_403", "path": None}
    builder.rows("gaps.json", [gap] * failed)
    unlinked = [RENAMED, *map(chat_id, range(linked + 1, conversations + 1)), "c-empty", "c-nasty"]
    attachments = {"expected": len(rows), "fetched": len(rows) - failed, "failed": failed}
    report = {
        "exportDate": EXPORTED,
        "kind": "monthly",
        "complete": False,
        "totals": builder.totals | {"attachments": attachments},
        "linkedConversations": linked,
        "unlinkedConversations": len(unlinked),
        "unlinkedConversationIds": unlinked,
        "warning": "1 attachment could not be fetched.",
        "gaps": {"count": failed, "byReason": {"http_403": failed}},
    }
    builder.object("verification_report.json", report)
    (builder.root / "VERIFICATION_SUMMARY.txt").write_text("요약\n\nSummary\n", encoding="utf-8")
    renamed = {"freshchat/messages": {RENAMED: f"{RENAMED_AS}.json"}}
    times = {"started": "2026-11-01T00:10:00Z", "finished": EXPORTED}
    accounts = {"freshchat": "acme.freshchat.com", "freshdesk": "acme.freshdesk.com"}
    builder.object(
        "export_metadata.json", {"format": 1, "kind": "monthly", **times, "accounts": accounts, "renamed": renamed}
    )


def rewrite(root: Path, path: str, change: Callable[[list[Any]], list[Any]]) -> None:
    """Change a list of an archive; its checksums are not written anew."""
    file = root / path
    Builder(root).rows(path, change(json.loads(file.read_text(encoding="utf-8"))))
