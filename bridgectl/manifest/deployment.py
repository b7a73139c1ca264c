"""What a package must agree with: the settings of a bridge, or what Terraform made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yarl import URL

from bridge.errors import Misconfigured
from bridge.settings import Settings
from bridgectl.doctor.local import is_guid

MOST = 1024 * 1024
NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The registered bot and the public host; `id_from` and `host_from` name where an administrator finds them."""

    bot_id: str
    host: str
    id_from: str = "MicrosoftAppId"
    host_from: str = "BRIDGE_PUBLIC_URL"

    @property
    def address(self) -> str:
        """The app's address for `webApplicationInfo`."""
        return f"https://{self.host}"


EXAMPLE = Deployment(bot_id="7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10", host="bridge.example.com")
"""To look at the template where there is no bridge yet."""


def of(settings: Settings, outputs: Path | None) -> Deployment:
    """Take the outputs where they are given, else the settings; raise Misconfigured saying what is wrong or missing."""
    return from_outputs(outputs) if outputs else from_settings(settings)


def from_settings(settings: Settings) -> Deployment:
    """Read the settings; raise Misconfigured."""
    missing = [
        name
        for name, value in (("MicrosoftAppId", settings.app_id), ("BRIDGE_PUBLIC_URL", settings.public_url))
        if not value
    ]
    if missing:
        raise Misconfigured(f"{' and '.join(missing)} missing: set them (docs/settings.md), or give --outputs.")
    return _checked(Deployment(bot_id=settings.app_id, host=""), settings.public_url or "")


def from_outputs(path: Path) -> Deployment:
    """Read what `terraform output -json` printed; raise Misconfigured."""
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(MOST))
        manifest, url = values["manifest"]["value"], values["public_url"]["value"]
        bot_id, app_id = str(manifest["bot_id"]), str(manifest["web_application_id"])
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        todo = "write it in infra/terraform/azure with `terraform output -json > FILE`, after `terraform apply`"
        raise Misconfigured(f"{path}: has no outputs `manifest` and `public_url`; {todo}.") from None
    if app_id.lower() != bot_id.lower():
        raise Misconfigured(f"{path}: web_application_id is another app than bot_id; Teams takes one for both.")
    return _checked(
        Deployment(bot_id=bot_id, host="", id_from=f"manifest.bot_id of {path}", host_from=f"public_url of {path}"),
        str(url),
    )


def _checked(given: Deployment, url: str) -> Deployment:
    if not is_guid(given.bot_id) or given.bot_id == NOBODY:
        raise Misconfigured(f"{given.id_from} is not a GUID; copy it from the bot registration (docs/setup.md).")
    return Deployment(
        bot_id=given.bot_id.lower(), host=_host(given.host_from, url), id_from=given.id_from, host_from=given.host_from
    )


def _host(name: str, url: str) -> str:
    try:
        address = URL(url)
    except ValueError:
        raise Misconfigured(f"{name} is not an address; it is like https://bridge.example.com") from None
    host = (address.host or "").lower()
    if address.scheme != "https" or "." not in host or host.replace(".", "").isdigit():
        raise Misconfigured(f"{name} must be https and a name that Teams can reach, like https://bridge.example.com")
    return host


def values(deployment: Deployment) -> Mapping[str, Any]:
    """Give what the template takes from here."""
    return {"bot_id": deployment.bot_id, "host": deployment.host, "address": deployment.address}
