"""Which files a tenant lets through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from bridge.errors import Misconfigured
from bridge.file_types import FileType, Kind
from bridge.settings import Settings, suffixes
from bridge.tenants import Tenant

Objection = Literal["too_large", "empty", "program", "script", "macro", "locked", "bomb", "type"]
"""Why a file is kept out; each has its words for people (`type`: this tenant wants no such files)."""

_TOLD: frozenset[str] = frozenset({"program", "script", "macro", "locked", "bomb"})


@dataclass(frozen=True, slots=True)
class FilePolicy:
    """`max_bytes` of one file, and the kinds that are kept out. Archives that are no plain ones always are."""

    max_bytes: int
    refused: frozenset[Kind]

    def objection(self, found: FileType, size: int) -> Objection | None:
        """Say why such a file is kept out; None if it may pass."""
        if size > self.max_bytes:
            return "too_large"
        if size == 0:
            return "empty"
        if found.kind != "bomb" and found.kind not in self.refused:
            return None
        return found.kind if found.kind in _TOLD else "type"  # type: ignore[return-value]


def policy_of(settings: Settings, tenant: Tenant) -> FilePolicy:
    """Give the tenant's policy: its own words, else those of the settings. Misconfigured if a kind is none."""
    refused = tenant.refused_files if tenant.refused_files is not None else _kinds(settings.refused_files)
    return FilePolicy(tenant.max_file_bytes or settings.max_file_bytes, frozenset(refused))


def _kinds(text: str) -> tuple[Kind, ...]:
    named = tuple(kind for kind in suffixes(text) if kind != "none")
    unknown = [kind for kind in named if kind not in get_args(Kind)]
    if unknown:
        raise Misconfigured(f"BRIDGE_REFUSED_FILES: {unknown[0]} is no kind of file; use {', '.join(get_args(Kind))}")
    return named  # type: ignore[return-value]
