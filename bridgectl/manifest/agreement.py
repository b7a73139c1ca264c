"""Does a manifest fit the bridge that runs: its bot, its address, what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridgectl.doctor.report import Report

SCOPES = ("personal", "team", "groupChat")
RIGHTS = {
    "ChannelMessage.Read.Group": "channels: messages that do not mention the bot, pictures, answers read back",
    "ChatMessage.Read.Chat": "group chats: the same",
}
"""Resource-specific permissions, and what the bridge does with them (docs/manifest.md)."""


def look_at_ids(report: Report, manifest: Mapping[str, Any], wanted: str, source: str) -> None:
    """Compare the bot and the app that asks for rights with the registration; `source` names where that is from."""
    bots, wanted = manifest.get("bots"), wanted.lower()
    named = [str(bot.get("botId")).lower() for bot in bots if isinstance(bot, dict)] if isinstance(bots, list) else []
    if named == [wanted]:
        report.ok("bot id", wanted)
    else:
        seen = ", ".join(named) or "none"
        report.problem("bot id", f"{seen} in the manifest", f"Set `bots[0].botId` to {source}, and upload it anew.")
    app = manifest.get("webApplicationInfo")
    if isinstance(app, dict) and str(app.get("id")).lower() != wanted:
        todo = f"Set it to {source}: Teams grants the resource-specific consent to this app."
        report.problem("webApplicationInfo.id", str(app.get("id")), todo)


def look_at_domains(report: Report, manifest: Mapping[str, Any], host: str, source: str) -> None:
    """Look whether our host is among the valid domains."""
    listed = manifest.get("validDomains")
    domains = [str(domain).lower() for domain in listed] if isinstance(listed, list) else []
    if any(_covers(domain, host) for domain in domains):
        report.ok("valid domains", host)
    else:
        report.problem("valid domains", f"{host} is missing", f"Add the host of {source} to `validDomains`.")


def look_at_other_domains(report: Report, manifest: Mapping[str, Any], host: str) -> None:
    """Look whether other domains than ours are trusted."""
    for domain in manifest.get("validDomains", ()):
        if domain.lower() != host:
            report.problem("valid domains", f"{domain} is trusted too", f"Take it out; {host} is enough.")


def look_at_resource(report: Report, app: Mapping[str, Any], address: str) -> None:
    """Look at the address in `webApplicationInfo`: Teams wants one, though it reads it for single sign-on only."""
    seen = app.get("resource", "")
    if seen == address:
        report.ok("webApplicationInfo.resource", seen)
    else:
        report.problem("webApplicationInfo.resource", seen or "none", f"Set it to {address}")


def look_at_bot(report: Report, manifest: Mapping[str, Any]) -> None:
    """Look whether the bot is where people ask, may be talked to, and takes files."""
    bot = manifest["bots"][0]
    missing, more = set(SCOPES) - set(bot["scopes"]), set(bot["scopes"]) - set(SCOPES)
    if missing or more:
        seen = ", ".join(
            [*(f"{scope} missing" for scope in sorted(missing)), *(f"{scope} too much" for scope in sorted(more))]
        )
        report.problem("bots[0].scopes", seen, f"Set them to {', '.join(SCOPES)}.")
    else:
        report.ok("bots[0].scopes", ", ".join(SCOPES))
    if bot.get("isNotificationOnly", False):
        report.problem("bots[0].isNotificationOnly", "true: nobody can write to the bot", "Set it to false.")
    if not bot.get("supportsFiles", False):
        report.problem("bots[0].supportsFiles", "false: personal chats offer no files", "Set it to true.")


def look_at_rights(report: Report, manifest: Mapping[str, Any], *, all_messages: bool) -> None:
    """Compare the resource-specific permissions with what the bridge uses: all of it, or none, and nothing else."""
    asked = manifest.get("authorization", {}).get("permissions", {}).get("resourceSpecific", [])
    named = {right["name"] for right in asked if right["type"] == "Application"}
    for name in sorted(
        f"{right['name']} ({right['type']})" for right in asked if right["name"] not in named & RIGHTS.keys()
    ):
        report.problem(f"right {name}", "is not used", "Take it out of `resourceSpecific`.")
    for name, use in RIGHTS.items():
        if name in named:
            report.ok(f"right {name}", use)
        elif named & RIGHTS.keys():
            report.problem(f"right {name}", "not asked for", "Add it as Application, or build with --without-rsc.")
    if not named & RIGHTS.keys():
        _tell_of_none(report, all_messages=all_messages)


def _tell_of_none(report: Report, *, all_messages: bool) -> None:
    seen = "none asked for: the bot hears only messages that mention it, and reads back no answers or pictures"
    if all_messages:
        todo = "If that is meant, set BRIDGE_CHANNEL_MESSAGES=mention; else build without --without-rsc."
        report.warning("rights", seen, todo)
    else:
        report.skipped("rights", seen)


def _covers(domain: str, host: str) -> bool:
    """Compare as Teams does: `*` stands for one label."""
    listed, labels = domain.split("."), host.lower().split(".")
    return len(listed) == len(labels) and all(a in ("*", b) for a, b in zip(listed, labels, strict=True))
