"""Packages from npm, installed once into a cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path


def npm_is_here() -> bool:
    """Tell whether packages can be installed and run on this machine."""
    return shutil.which("npm") is not None and shutil.which("node") is not None


def installed(name: str, *packages: str) -> Path:
    """Give the folder with these packages, installing them first if they are not there; one process at a time."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "teams-freshchat-bridge"
    folder = base / f"{name}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"
    base.mkdir(parents=True, exist_ok=True)
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".done").exists():
            command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", *packages]
            subprocess.run(command, check=True, capture_output=True, timeout=600)
            (folder / ".done").touch()
    return folder
