"""Fills the template in `manifest/` for an environment: the files of an app package."""

from __future__ import annotations

import json
import string
import tomllib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.errors import Misconfigured
from bridgectl.manifest.deployment import Deployment, values
from bridgectl.manifest.words import languages, localizable

FOLDER = Path(__file__).parents[2] / "manifest"
ENVIRONMENTS = "environments.toml"
GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
PLACEHOLDER = "${"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Developer(_Part):
    """Who stands behind the app."""

    name: str = Field(min_length=1)
    website: str = Field(pattern="^https://")
    privacy: str = Field(pattern="^https://")
    terms: str = Field(pattern="^https://")


class Name(_Part):
    """What the app is called in a language."""

    short: str = Field(min_length=1)
    full: str = Field(min_length=1)


class Environment(_Part):
    """One of several installations side by side; `suffix` follows its names."""

    suffix: str = ""
    app_id: str | None = Field(None, pattern=GUID)


class Environments(_Part):
    """`manifest/environments.toml`."""

    developer: Developer
    names: Mapping[str, Name]
    environments: Mapping[str, Environment]

    def named(self, name: str) -> Environment:
        """Find an environment; raise Misconfigured naming those that there are."""
        try:
            return self.environments[name]
        except KeyError:
            known = ", ".join(self.environments)
            raise Misconfigured(f"no environment `{name}` in manifest/{ENVIRONMENTS}; there are: {known}") from None


def environments(folder: Path = FOLDER) -> Environments:
    """Read the environments; raise Misconfigured naming each field that is wrong."""
    path = folder / ENVIRONMENTS
    try:
        return Environments.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Misconfigured(
            f"{path}: cannot be read ({error.strerror}); run this in a checkout of the bridge"
        ) from None
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise Misconfigured("\n".join(lines)) from None
    except ValueError as error:
        raise Misconfigured(f"{path}: not TOML: {error}") from None


def app_id(deployment: Deployment, environment: str) -> str:
    """Derive the id under which Teams knows the app of an environment: always the same, and another for each."""
    return str(uuid.uuid5(uuid.UUID(deployment.bot_id), environment))


def fill(
    environment: str, deployment: Deployment, version: str, *, rights: bool = True, folder: Path = FOLDER
) -> dict[str, bytes]:
    """Make the files of a package; `rights` whether it asks for resource-specific permissions. Raises Misconfigured."""
    book = environments(folder)
    chosen = book.named(environment)
    known = {
        **values(deployment),
        **{"developer" if key == "name" else key: value for key, value in book.developer.model_dump().items()},
        "version": version,
        "app_id": chosen.app_id or app_id(deployment, environment),
    }
    template = _json(folder / "manifest.json")
    default = template["localizationInfo"]["defaultLanguageTag"]
    manifest = _filled(template, known | _names(book, default, chosen))
    if not rights:
        manifest.pop("authorization", None)
    files = {"manifest.json": _text(manifest)}
    for name, tag in languages(manifest).items():
        if tag == default:
            schema = manifest["$schema"].replace("Teams.schema", "Teams.Localization.schema")
            files[name] = _text({"$schema": schema, **localizable(manifest)})
        else:
            files[name] = _text(_filled(_json(folder / name), known | _names(book, tag, chosen)))
    return files | {name: _read(folder / name) for name in manifest["icons"].values()}


def _names(book: Environments, tag: str, chosen: Environment) -> dict[str, str]:
    if tag not in book.names:
        raise Misconfigured(
            f"manifest/{ENVIRONMENTS}: names.{tag} is missing: what is the app called in that language?"
        )
    return {f"{kind}_name": text + chosen.suffix for kind, text in book.names[tag].model_dump().items()}


def _filled(template: Any, known: Mapping[str, Any]) -> Any:
    """Put values into every text of a JSON document."""
    if isinstance(template, dict):
        return {key: _filled(value, known) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, known) for value in template]
    if not isinstance(template, str):
        return template
    try:
        return string.Template(template).substitute(known)
    except (KeyError, ValueError):
        raise Misconfigured(f"manifest/: `{template[:80]}` names no value; there are: {', '.join(known)}") from None


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except ValueError as error:
        raise Misconfigured(f"{path}: not JSON: {error}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read ({error.strerror})") from None


def _text(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
