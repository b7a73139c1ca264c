"""Message parts: which ones are accepted, how files change on the way in, and how a part reads as text."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.freshchat.errors import invalid
from sandbox.wire import JsonObject

SENDABLE = frozenset(
    {
        "text",
        "email",
        "image",
        "video",
        "file",
        "url_button",
        "quick_reply_button",
        "callback",
        "reference",
        "collection",
        "template_content",
    }
)
FileByHash = Callable[[str], JsonObject | None]


def accepted(parts: object, file_by_hash: FileByHash) -> list[JsonObject]:
    """The parts as they are stored, or the refusal."""
    if not isinstance(parts, list) or not parts:
        invalid("message_parts must be a non-empty list")
    return [_accepted_part(part, file_by_hash) for part in parts]


def text_of(parts: object) -> str:
    """What a person would read: texts as they are, everything else as a short mark."""
    if not isinstance(parts, list):
        return ""
    return "\n".join(filter(None, (_readable(part) for part in parts if isinstance(part, dict))))


def _accepted_part(part: object, file_by_hash: FileByHash) -> JsonObject:
    if not isinstance(part, dict) or len(part) != 1:
        invalid("each message part must be an object with exactly one key")
    ((kind, value),) = part.items()
    if kind not in SENDABLE or not isinstance(value, dict):
        invalid(f"message part {kind} is not valid")
    if kind == "text" and not _filled(value, "content"):
        invalid("TEXT_EMPTY_CONTENT")
    if kind == "image" and not _filled(value, "url"):
        invalid("IMAGE_EMPTY_CONTENT")
    if kind == "video" and not _filled(value, "url"):
        invalid("VIDEO_EMPTY_CONTENT")
    return {"file": _stored_file(value, file_by_hash)} if kind == "file" else part


def _filled(value: Mapping[str, Any], name: str) -> bool:
    return isinstance(value.get(name), str) and bool(value[name].strip())


def _stored_file(value: JsonObject, file_by_hash: FileByHash) -> JsonObject:
    """A sent file names a hash; a received one has a URL."""
    if "fileHash" in value:
        known = file_by_hash(str(value["fileHash"]))
        if known is None:
            invalid("FILE_NOT_FOUND")
        return {**known, "name": value.get("name") or known["name"]}
    if not _filled(value, "url"):
        invalid("FILE_EMPTY_CONTENT")
    kind = value.get("content_type") or value.get("contentType") or "application/octet-stream"
    return {"name": value.get("name") or "file", "url": value["url"], "content_type": kind}


def _readable(part: JsonObject) -> str:
    for kind, value in part.items():
        if not isinstance(value, dict):
            continue
        if kind in ("text", "email", "help_text"):
            return str(value.get("content") or "")
        if kind in ("collection", "template_content"):
            return text_of(value.get("sub_parts") or _sections(value))
        label = value.get("name") or value.get("label") or value.get("url") or ""
        return f"[{kind}: {label}]" if label else f"[{kind}]"
    return ""


def _sections(value: JsonObject) -> list[Any]:
    sections = value.get("sections")
    if not isinstance(sections, list):
        return []
    return [part for section in sections if isinstance(section, dict) for part in section.get("parts") or ()]
