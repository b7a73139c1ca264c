"""The bridge's own stores, for commands that work on what is in them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from adapters.stores import EMBEDDED, Ports, open_ports
from bridge.errors import Misconfigured
from bridge.settings import load


def existing_ports() -> AbstractAsyncContextManager[Ports]:
    """Open the stores; where there is none yet, an empty list would only hide that the folder is the wrong one."""
    settings = load()
    if settings.queue == EMBEDDED["BRIDGE_QUEUE"] and not (settings.data_dir / "bridge.db").exists():
        raise Misconfigured(f"no store is in BRIDGE_DATA_DIR {settings.data_dir}: is it the folder of the bridge?")
    return open_ports(settings)
