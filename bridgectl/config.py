"""`bridgectl config`: what the bridge would run with."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from bridge.settings import Settings, load
from bridgectl.output import run, show


def show_config(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show every setting, where it comes from, and its value (secrets are not printed)."""

    async def work() -> list[dict[str, Any]]:
        return rows(load())

    show(run(work()), ("name", "source", "value"), as_json=as_json, empty="")


def rows(settings: Settings) -> list[dict[str, Any]]:
    """List the settings with their sources: environment, .env, or default."""
    variables = {name.lower() for name in os.environ}
    found = []
    for field, info in type(settings).model_fields.items():
        name = info.title or field
        given = field in settings.model_fields_set
        source = "environment" if name.lower() in variables and given else ".env" if given else "default"
        found.append({"name": name, "source": source, "value": _printable(getattr(settings, field))})
    return found


def _printable(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "(set, not printed)"
    return value if value is None or isinstance(value, (int, float, bool)) else str(value)
