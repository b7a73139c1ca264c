"""What Microsoft's published schemas say about a manifest and the files of its languages."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from bridgectl.doctor.report import Report

VERSION = "1.30"
FOLDER = Path(__file__).parents[2] / "manifest" / "schemas" / f"v{VERSION}"
MANIFEST, LANGUAGE = "MicrosoftTeams.schema.json", "MicrosoftTeams.Localization.schema.json"
MOST = 20
"""Most errors that are listed of one file."""


def look_at(report: Report, name: str, content: dict[str, Any], schema: str) -> bool:
    """Compare a file with a schema, every error on a line; True if there is none."""
    address = f"https://developer.microsoft.com/json-schemas/teams/v{VERSION}/{schema}"
    if content.get("$schema") != address:
        report.problem(f"{name} $schema", "is of another version, or missing", f"Set it to {address}")
    errors = sorted(_validator(schema).iter_errors(content), key=lambda error: [str(part) for part in error.path])
    for error in errors[:MOST]:
        where = path_of(list(error.absolute_path))
        report.problem(
            f"{name} {where}".strip(), error.message[:200], f"Correct `{where or name}` after {schema} {VERSION}."
        )
    if not errors:
        report.ok(name, f"as the schema {VERSION} says")
    return not errors


def path_of(parts: list[str | int]) -> str:
    """Write a place in a document as localisation files do: `bots[0].commandLists[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


@cache
def _validator(schema: str) -> Any:
    # 0.15 s that other commands need not wait
    from jsonschema import Draft4Validator  # noqa: PLC0415

    return Draft4Validator(json.loads((FOLDER / schema).read_text(encoding="utf-8")))
