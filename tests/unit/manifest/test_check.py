"""`manifest check` names everything that Teams or the bridge would stumble over, and what to change."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridgectl.doctor.report import Report
from bridgectl.manifest import package, schema, words
from bridgectl.manifest.deployment import Deployment
from bridgectl.manifest.examine import examine

ROOT = Path(__file__).resolve().parents[3]
DEPLOYMENT = Deployment(bot_id="11111111-2222-4333-8444-555555555555", host="bridge.contoso.com")
OTHER = "99999999-2222-4333-8444-555555555555"
BOT = "bots[0]"
MENU = "bots[0].commandLists[0].commands"
RIGHTS = "authorization.permissions.resourceSpecific"


def place(document: Any, path: str) -> tuple[Any, str | int]:
    """Find what holds the last part of a path such as `bots[0].scopes`."""
    parts = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
    for part in parts[:-1]:
        document = document[part]
    return document, parts[-1]


def changed(files: dict[str, bytes], file: str, path: str, value: Any) -> dict[str, bytes]:
    """Give the files with another value at this path; `None` takes it out."""
    document = json.loads(files[file])
    holder, last = (document, path) if file != "manifest.json" else place(document, path)
    if value is None:
        del holder[last]
    elif isinstance(holder, list) and last == len(holder):
        holder.append(value)
    else:
        holder[last] = value
    return files | {file: json.dumps(document, ensure_ascii=False).encode()}


def test_what_is_built_has_no_problem(files, problems):
    """But what everybody must fill in."""
    assert [finding["subject"] for finding in problems(files, code=0)] == ["developer"]


def test_a_folder_is_checked_like_a_zip(files, manifest, tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    said = manifest("check", folder)
    (tmp_path / "app.zip").write_bytes(package.pack(files))
    assert manifest("check", tmp_path / "app.zip") == said.replace(" app:", " app.zip:")


def test_the_template_is_checked_without_a_bridge(manifest, monkeypatch):
    """In every environment; what cannot be compared is said."""
    monkeypatch.delenv("MicrosoftAppId")
    monkeypatch.delenv("BRIDGE_PUBLIC_URL")
    found = json.loads(manifest("check", "--json"))["checks"]
    assert {finding["check"] for finding in found} == {"prod", "stg", "dev"}
    assert [f["subject"] for f in found if f["status"] == "skipped"] == ["agreement with the bridge"] * 3


LONG = "x" * 31
BROKEN = [
    # the schema
    ("schemaversion", "manifest.json", "manifestVersion", "1.16", "manifestVersion", "1.30"),
    ("address", "manifest.json", "$schema", "https://example.org/x", "manifest.json $schema", "v1.30"),
    ("key", "manifest.json", "acentColor", "#112233", "manifest.json", "Correct"),
    ("scope", "manifest.json", f"{BOT}.scopes[2]", "groupchat", "manifest.json bots[0].scopes[2]", "bots[0].scopes[2]"),
    ("guid", "manifest.json", "id", "my-app", "manifest.json id", "`id`"),
    ("color", "manifest.json", "accentColor", "blue", "manifest.json accentColor", "`accentColor`"),
    ("language", "ko.json", "name.shrot", "x", "ko.json", "MicrosoftTeams.Localization.schema.json"),
    ("no bot", "manifest.json", "bots", [], "bots", "Add it"),
    # the app
    ("nobody", "manifest.json", "id", "0" * 8 + "-0000-0000-0000-" + "0" * 12, "id", "GUID"),
    ("version", "manifest.json", "version", "1.0", "version", "three numbers"),
    ("http", "manifest.json", "developer.privacyUrl", "http://contoso.com", "developer.privacyUrl", "https"),
    # files
    ("lacking", "manifest.json", "icons.color32x32", "small.png", "small.png", "Add it"),
    ("folder", "manifest.json", "icons.color32x32", "icons/small.png", "icons/small.png", "top level"),
    # words
    ("long", "manifest.json", "name.short", LONG, "manifest.json name.short", "Correct"),
    ("long in Korean", "ko.json", "name.short", LONG, "ko.json name.short", "Shorten it to 30"),
    ("long beyond the BMP", "ko.json", "name.short", "😀" * 16, "ko.json name.short", "Shorten it to 30"),
    ("long word", "ko.json", f"{MENU}[0].description", "x" * 129, f"ko.json {MENU}[0].description", "128"),
    ("empty", "manifest.json", "name.short", " ", "manifest.json name.short", "Write it"),
    ("empty in Korean", "ko.json", f"{MENU}[0].description", "", f"ko.json {MENU}[0].description", "Write it"),
    ("untold", "ko.json", f"{MENU}[3].description", None, f"ko.json {MENU}[3].description", "Add"),
    ("no description", "ko.json", "description.full", None, "ko.json", "Correct"),
    ("too much", "ko.json", f"{MENU}[7].title", "상태", f"ko.json {MENU}[7].title", "Take"),
    ("two truths", "en.json", "description.short", "Ask", "en.json description.short", "same"),
    # commands
    ("unknown", "manifest.json", f"{MENU}[1].title", "state", f"manifest.json {MENU}[1].title", "help"),
    ("unknown in Korean", "ko.json", f"{MENU}[1].title", "현황", f"ko.json {MENU}[1].title", "status, 상태"),
    ("mixed up in Korean", "ko.json", f"{MENU}[1].title", "종료", f"ko.json {MENU}[1].title", "status, 상태"),
    ("not offered", "manifest.json", f"{MENU}[3]", None, "commands in team", "Add new"),
    ("not offered there", "manifest.json", f"{BOT}.commandLists[0].scopes", ["team"], "commands in personal", "help"),
    ("no menu", "manifest.json", f"{BOT}.commandLists", None, "commands in team", "help, status, close, new"),
    # the bot
    ("scope lacking", "manifest.json", f"{BOT}.scopes", ["team", "personal"], "bots[0].scopes", "groupChat"),
    ("scope more", "manifest.json", f"{BOT}.scopes[2]", "copilot", "bots[0].scopes", "groupChat"),
    ("scope too much", "manifest.json", f"{BOT}.scopes[3]", "copilot", "bots[0].scopes", "groupChat"),
    ("deaf", "manifest.json", f"{BOT}.isNotificationOnly", True, "bots[0].isNotificationOnly", "false"),
    ("no files", "manifest.json", f"{BOT}.supportsFiles", None, "bots[0].supportsFiles", "true"),
    # rights
    ("right lacking", "manifest.json", f"{RIGHTS}[1]", None, "right ChatMessage.Read.Chat", "Add it"),
    (
        "right delegated",
        "manifest.json",
        f"{RIGHTS}[1].type",
        "Delegated",
        "right ChatMessage.Read.Chat",
        "Application",
    ),
    ("no rights", "manifest.json", "authorization", None, "rights", "BRIDGE_CHANNEL_MESSAGES"),
    ("no app", "manifest.json", "webApplicationInfo", None, "webApplicationInfo", "Add it"),
    # agreement
    ("bot", "manifest.json", f"{BOT}.botId", OTHER, "bot id", "MicrosoftAppId"),
    ("app", "manifest.json", "webApplicationInfo.id", OTHER, "webApplicationInfo.id", "MicrosoftAppId"),
    ("resource", "manifest.json", "webApplicationInfo.resource", "api://x", "webApplicationInfo.resource", "contoso"),
    ("no resource", "manifest.json", "webApplicationInfo.resource", None, "webApplicationInfo.resource", "contoso"),
    ("domain", "manifest.json", "validDomains", [], "valid domains", "BRIDGE_PUBLIC_URL"),
    ("wildcard", "manifest.json", "validDomains", ["*.contoso.com"], "valid domains", "Take it out"),
    ("more domains", "manifest.json", "validDomains", ["bridge.contoso.com", "x.org"], "valid domains", "Take it out"),
]


@pytest.mark.parametrize(
    ("file", "path", "value", "subject", "todo"), [row[1:] for row in BROKEN], ids=[r[0] for r in BROKEN]
)
def test_what_is_broken_is_named(files, problems, file, path, value, subject, todo):
    """On a line that says what to change."""
    found = problems(changed(files, file, path, value), code=0 if path == "authorization" else 1)
    told = [finding for finding in found if finding["subject"] == subject]
    assert told, found
    assert any(todo in finding["todo"] for finding in told), told
    assert all(finding["todo"] and "\n" not in finding["seen"] + finding["todo"] for finding in found)


def test_one_mistake_is_one_finding(files, problems):
    found = problems(changed(files, "ko.json", f"{MENU}[1].title", "현황"))
    assert [finding["subject"] for finding in found] == ["developer", f"ko.json {MENU}[1].title"]


def test_a_right_that_is_not_used_is_named(files, problems):
    more = [{"name": name, "type": "Application"} for name in ("ChatMessage.Read.Chat", "ChannelMessage.Read.Group")]
    more.append({"name": "TeamMember.Read.Group", "type": "Application"})
    found = problems(changed(files, "manifest.json", RIGHTS, more))
    assert [finding["subject"] for finding in found[1:]] == ["right TeamMember.Read.Group (Application)"]


def test_another_app_is_named_without_a_bridge_too(files, problems, monkeypatch):
    monkeypatch.delenv("MicrosoftAppId")
    monkeypatch.delenv("BRIDGE_PUBLIC_URL")
    found = problems(changed(files, "manifest.json", "webApplicationInfo.id", OTHER))
    assert [finding["subject"] for finding in found[1:]] == ["webApplicationInfo.id"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b"[" * 200_000, b'"text"', b"null"])
@pytest.mark.parametrize("name", ["manifest.json", "ko.json"])
def test_what_is_no_object_is_named(files, problems, name, content):
    assert name in [finding["subject"] for finding in problems(files | {name: content})]


def test_files_that_are_lacking_or_too_many_are_named(files, problems):
    found = problems({name: content for name, content in files.items() if name != "ko.json"} | {"README.md": b"x"})
    assert [finding["subject"] for finding in found[:2]] == ["ko.json", "README.md"]


def test_a_package_within_a_folder_is_named(files, problems):
    """As it comes out when one zips the folder instead of its files."""
    (found,) = problems({f"app/{name}": content for name, content in files.items()})
    assert "app/manifest.json" in found["seen"]
    assert "in no folder" in found["todo"]


def test_the_template_is_not_uploaded(manifest):
    assert "is the template" in manifest("check", ROOT / "manifest", code=1)


# --- what is no package


def zipped(*names: str, how: int = zipfile.ZIP_STORED, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as made:
        for name in names:
            made.writestr(name, content)
    return buffer.getvalue()


def locked() -> bytes:
    """Set the bit of encryption, in both headers."""
    made = bytearray(zipped("manifest.json"))
    made[6] |= 1
    made[made.index(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


HOSTILE = {
    "text": (b"not a zip", "no zip"),
    "empty": (b"", "no zip"),
    "cut": (zipped("manifest.json")[:-30], "no zip"),
    "flipped": (zipped("manifest.json", content=b"abc").replace(b"abc", b"abd"), "no zip"),
    "bomb": (zipped("manifest.json", how=zipfile.ZIP_DEFLATED, content=bytes(5_000_000)), "5,000,000 bytes"),
    "big": (bytes(2_000_000), "2,000,000 bytes"),
    "many": (zipped(*(f"{number}.txt" for number in range(60))), "more than 50 files"),
    "locked": (locked(), "locked"),
    "unusual": (zipped("manifest.json", how=zipfile.ZIP_LZMA), "unusual"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_package_is_named(manifest, tmp_path, name):
    """A finding, not a stack trace."""
    content, told = HOSTILE[name]
    path = tmp_path / "app.zip"
    path.write_bytes(content)
    assert told in manifest("check", path, code=1)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_named(manifest, tmp_path):
    """Of two manifests Teams might read the other one."""
    (tmp_path / "app.zip").write_bytes(zipped("manifest.json", "manifest.json"))
    assert "twice" in manifest("check", tmp_path / "app.zip", code=1)


def test_a_small_lie_about_sizes_is_no_bomb(manifest, tmp_path):
    """The directory of a zip may say less than is in it."""
    made = bytearray(zipped("manifest.json", how=zipfile.ZIP_DEFLATED, content=bytes(5_000_000)))
    at = made.index(b"PK\x01\x02") + 24
    made[at : at + 4] = (10).to_bytes(4, "little")
    (tmp_path / "app.zip").write_bytes(made)
    assert "problem" in manifest("check", tmp_path / "app.zip", code=1)


def test_a_folder_with_everything_in_it_is_not_read(manifest, tmp_path):
    for number in range(60):
        (tmp_path / f"{number}.txt").write_text("x")
    assert "more than 50 files" in manifest("check", tmp_path, code=1)


def test_names_in_a_package_steer_no_terminal(files, manifest, tmp_path):
    (tmp_path / "app.zip").write_bytes(package.pack(files | {"\x1b[2J\n.txt": b"x"}))
    assert "problem  app.zip: ?[2J?.txt: not named" in manifest("check", tmp_path / "app.zip", code=1)


def test_a_package_that_is_not_there_is_a_wrong_call(manifest, tmp_path):
    manifest("check", tmp_path / "none.zip", code=2)


# --- whatever is in it


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Walk all places of a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        deeper = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".lstrip(".")
        yield deeper
        yield from paths(inner, deeper)


@pytest.mark.parametrize("value", [None, 0, "x", "", [], {}, [{}], ["x"]], ids=repr)
def test_whatever_stands_there_the_check_ends(files, value):
    """Each place of the manifest in turn holds something else, or is not there."""
    texts = {name: content for name, content in files.items() if name.endswith(".json")}
    for path in paths(json.loads(files["manifest.json"])):
        for deployment in (None, DEPLOYMENT):
            report = Report("app")
            examine(report, changed(texts, "manifest.json", path, value), deployment, all_messages=True)
            assert report.findings, path


# --- what the check stands on


def test_schemas_are_as_microsoft_published_them():
    """With the hashes that their page names."""
    page = (schema.FOLDER.parent / "README.md").read_text(encoding="utf-8")
    hashes = dict(re.findall(r"`(v[\d.]+/[\w.]+)` \| `([0-9a-f]{64})`", page))
    for name in (schema.MANIFEST, schema.LANGUAGE):
        content = (schema.FOLDER / name).read_bytes()
        assert hashes[f"v{schema.VERSION}/{name}"] == hashlib.sha256(content).hexdigest()


def test_the_schema_leaves_lengths_of_names_to_us():
    """Beside `$ref` a draft-04 validator ignores everything: the reason for `words.LENGTHS`."""
    rule = json.loads((schema.FOLDER / schema.LANGUAGE).read_text(encoding="utf-8"))["properties"]["name.short"]
    assert rule["maxLength"] == words.LENGTHS["name.short"]
    assert "$ref" in rule
