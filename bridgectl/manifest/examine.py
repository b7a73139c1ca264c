"""Everything that can be said about an app package without Teams."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bridgectl.doctor.report import Report
from bridgectl.manifest import agreement, schema, words
from bridgectl.manifest.deployment import NOBODY, Deployment
from bridgectl.manifest.icons import look_at_color, look_at_outline
from bridgectl.manifest.template import PLACEHOLDER

MANIFEST = "manifest.json"
VERSION = re.compile(r"^(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8})){2}$")
EXAMPLES = ("example.com", "Your company")


def examine(report: Report, files: Mapping[str, bytes], deployment: Deployment | None, *, all_messages: bool) -> None:
    """Look at a package; `all_messages` whether the bridge opens conversations for messages that do not mention it.

    What builds on something that is wrong is not looked at: without a valid manifest, its form alone.
    """
    manifest = _object(report, MANIFEST, files)
    if manifest is None:
        return
    if PLACEHOLDER in json.dumps(manifest):
        todo = "Build a package with `bridgectl manifest build --env prod`, and check that."
        report.problem(MANIFEST, "is the template, not filled in", todo)
        return
    if not _schema_holds(report, manifest):
        return
    _look_at_files(report, files, manifest)
    _look_at_identity(report, manifest)
    _look_at_words(report, files, manifest)
    _look_at_icons(report, files, manifest)
    agreement.look_at_bot(report, manifest)
    agreement.look_at_rights(report, manifest, all_messages=all_messages)
    _look_at_agreement(report, manifest, deployment)


def _object(report: Report, name: str, files: Mapping[str, bytes]) -> dict[str, Any] | None:
    """Read a JSON object; None if it is none."""
    if name not in files:
        inside = next((other for other in files if other.endswith(f"/{name}")), None)
        todo = "Put the files at the top level, in no folder." if inside else f"Add {name}."
        report.problem(name, f"is in a folder: {inside}" if inside else "not in the package", todo)
        return None
    try:
        value = json.loads(files[name])
    except (ValueError, RecursionError) as error:
        report.problem(name, f"is not JSON: {error}", "Correct it there; it is a text file in UTF-8.")
        return None
    if isinstance(value, dict):
        return value
    report.problem(name, "is not an object", "Begin it with { and end it with }.")
    return None


def _schema_holds(report: Report, manifest: dict[str, Any]) -> bool:
    if manifest.get("manifestVersion") != schema.VERSION:
        todo = f"Set it to {schema.VERSION}, which is what this check knows."
        report.problem("manifestVersion", str(manifest.get("manifestVersion")), todo)
        return False
    holds = schema.look_at(report, MANIFEST, manifest, schema.MANIFEST)
    if holds and not manifest.get("bots"):
        report.problem("bots", "the app has no bot", "Add it as the template has it.")
        return False
    return holds


def _look_at_files(report: Report, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    wanted = {MANIFEST, *manifest["icons"].values(), *words.languages(manifest)}
    for name in sorted(wanted - files.keys()):
        report.problem(name, "named in manifest.json, not in the package", "Add it at the top level of the package.")
    for name in sorted(files.keys() - wanted):
        report.problem(name, "not named in manifest.json", "Take it out of the package.")
    for name in sorted(name for name in wanted if "/" in name or "\\" in name):
        report.problem(name, "is in a folder", "Put it at the top level, and name it so in manifest.json.")
    if wanted == files.keys():
        report.ok("files", ", ".join(sorted(wanted)))


def _look_at_identity(report: Report, manifest: Mapping[str, Any]) -> None:
    if manifest["id"] == NOBODY:
        report.problem("id", "nobody's", "Draw a GUID and keep it: Teams knows the app by it.")
    if not VERSION.match(manifest["version"]):
        report.problem("version", manifest["version"], "Give three numbers such as 1.0.0; updates need a higher one.")
    developer = manifest["developer"]
    for name in ("websiteUrl", "privacyUrl", "termsOfUseUrl"):
        if not developer[name].lower().startswith("https://"):
            report.problem(f"developer.{name}", "is not https", "Give an https address.")
    examples = [name for name, value in developer.items() if any(word in value for word in EXAMPLES)]
    if examples:
        todo = "Say who you are under [developer] in manifest/environments.toml: people see it in Teams."
        report.warning("developer", f"{', '.join(examples)} as in the template", todo)


def _look_at_words(report: Report, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    wanted = words.localizable(manifest)
    words.look_at_lengths(report, MANIFEST, wanted)
    words.look_at_commands(report, MANIFEST, wanted, wanted)
    words.look_at_menus(report, manifest)
    default = manifest.get("localizationInfo", {}).get("defaultLanguageFile")
    for name in words.languages(manifest):
        content = _object(report, name, files) if name in files else None
        if content is None or not schema.look_at(report, name, content, schema.LANGUAGE):
            continue
        texts = {key: text for key, text in content.items() if isinstance(text, str)}
        words.look_at_lengths(report, name, texts)
        words.look_at_language(report, name, texts, wanted)
        if name == default:
            words.look_at_default(report, name, texts, wanted)
        else:
            words.look_at_commands(report, name, texts, wanted)


def _look_at_icons(report: Report, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    for kind, look in (("color", look_at_color), ("outline", look_at_outline)):
        name = manifest["icons"][kind]
        if name in files:
            look(report, name, files[name])


def _look_at_agreement(report: Report, manifest: Mapping[str, Any], deployment: Deployment | None) -> None:
    app = manifest.get("webApplicationInfo")
    if app is None:
        todo = "Add it as the template has it: without it Teams grants no resource-specific permission."
        report.problem("webApplicationInfo", "missing", todo)
    if deployment is None:
        seen = "MicrosoftAppId and BRIDGE_PUBLIC_URL are not set, and there are no --outputs"
        report.skipped("agreement with the bridge", seen)
        if app and app["id"].lower() != manifest["bots"][0]["botId"].lower():
            report.problem("webApplicationInfo.id", "is another app than the bot", "Set it to `bots[0].botId`.")
        return
    agreement.look_at_ids(report, manifest, deployment.bot_id, deployment.id_from)
    agreement.look_at_domains(report, manifest, deployment.host, deployment.host_from)
    agreement.look_at_other_domains(report, manifest, deployment.host)
    if app:
        agreement.look_at_resource(report, app, deployment.address)
