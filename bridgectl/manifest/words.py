"""Rules of the words in a package: their lengths, the same in every language, and commands that the bot understands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from bridge.commands import WORDS, Command, meaning
from bridgectl.doctor.report import Report

LENGTHS = {
    "name.short": 30,
    "name.full": 100,
    "description.short": 80,
    "description.full": 4000,
    "title": 32,
    "description": 128,
}
"""Most UTF-16 units that Teams shows. The schema of languages names those of names too, but beside a `$ref`, where a
draft-04 validator must ignore them; for commands it has grown to more than the bot's menu shows."""
TITLE = re.compile(r"^bots\[0\]\.commandLists\[\d+\]\.commands\[\d+\]\.title$")


def localizable(manifest: Mapping[str, Any]) -> dict[str, str]:
    """List the texts that people read, by their keys in a language's file."""
    found = {
        f"{part}.{name}": text
        for part in ("name", "description")
        for name, text in manifest[part].items()
        if name in ("short", "full")
    }
    for place, menu in enumerate(manifest["bots"][0].get("commandLists", ())):
        for row, command in enumerate(menu["commands"]):
            key = f"bots[0].commandLists[{place}].commands[{row}]"
            found |= {f"{key}.{name}": command[name] for name in ("title", "description") if name in command}
    return found


def languages(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Give the files of the languages with their tags; the default one is among them if it has a file."""
    info = manifest.get("localizationInfo", {})
    files = {one["file"]: one["languageTag"] for one in info.get("additionalLanguages", ())}
    default = info.get("defaultLanguageFile")
    return {default: info["defaultLanguageTag"], **files} if default else files


def look_at_lengths(report: Report, name: str, texts: Mapping[str, str]) -> None:
    """Look whether Teams would cut or refuse a text of this file."""
    for key in sorted(key for key, text in texts.items() if not text.strip()):
        report.problem(f"{name} {key}", "empty", "Write it.")
    for key, text in texts.items():
        most = LENGTHS.get(key) or LENGTHS.get(key.rpartition(".")[2])
        length = len(text.encode("utf-16-le")) // 2
        if most and length > most:
            report.problem(f"{name} {key}", f"{length} characters", f"Shorten it to {most}.")


def look_at_language(report: Report, name: str, given: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Look whether a language has exactly the texts that the manifest has."""
    for key in sorted(wanted.keys() - given.keys()):
        report.problem(f"{name} {key}", "not there: people read it in the default language", f"Add `{key}`.")
    for key in sorted(given.keys() - wanted.keys() - {"$schema"}):
        report.problem(f"{name} {key}", "manifest.json has no such text", f"Take `{key}` out, or correct it.")


def look_at_default(report: Report, name: str, given: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Look whether the file of the default language says what the manifest says."""
    for key in sorted(given.keys() & wanted.keys()):
        if given[key] != wanted[key]:
            report.problem(f"{name} {key}", "is another text than in manifest.json", "Let both say the same.")


def look_at_commands(report: Report, name: str, titles: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Look whether the bot understands each title of this file as the command that the manifest means."""
    for key, title in titles.items():
        meant = meaning(wanted.get(key, ""))
        if TITLE.match(key) and (not meant or meaning(title) != meant):
            known = ", ".join(word for word, command in WORDS.items() if meant in (None, command))
            report.problem(f"{name} {key}", f"`{title}` is not understood as such", f"Use one of: {known}.")


def look_at_menus(report: Report, manifest: Mapping[str, Any]) -> None:
    """Look whether the bot's menu offers every command in every scope."""
    bot = manifest["bots"][0]
    for scope in bot["scopes"]:
        menus = [menu for menu in bot.get("commandLists", ()) if scope in menu["scopes"]]
        offered = {meaning(one["title"]) for menu in menus for one in menu["commands"]}
        lacking = [command for command in get_args(Command) if command not in offered]
        if lacking:
            todo = f"Add {', '.join(lacking)} to a `commandLists` with the scope {scope}."
            report.problem(f"commands in {scope}", f"{', '.join(lacking)} missing", todo)
        else:
            report.ok(f"commands in {scope}", ", ".join(get_args(Command)))
