"""Switches that can be changed by name while a server runs: the fields of a dataclass."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def change(switches: Any, wanted: Mapping[str, Any]) -> str | None:
    """Apply the wanted values to a dataclass, or return the complaint and change nothing."""
    values: dict[str, Any] = {}
    kinds = {f.name: type(getattr(switches, f.name)) for f in fields(switches)}
    for name, value in wanted.items():
        if name not in kinds:
            return f"unknown setting {name}"
        values[name] = _fit(kinds[name], value)
        if values[name] is None:
            return f"setting {name} must be {kinds[name].__name__}"
    for name, value in values.items():
        setattr(switches, name, value)
    return None


def _fit(kind: type, value: Any) -> Any:
    """The value as this kind, or None; true is not a number, and numbers must not be negative."""
    if kind is bool or isinstance(value, bool):
        return value if kind is bool and isinstance(value, bool) else None
    if kind is str:
        return value.rstrip("/") if isinstance(value, str) and value.startswith(("http://", "https://")) else None
    if not isinstance(value, (int, float)) or value < 0:
        return None
    return kind(value)
