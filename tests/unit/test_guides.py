"""The guides are true: what they name of Terraform, permissions, alerts and doctor exists, in both languages alike."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from adapters.teams import graph_files, profiles, sign_in
from bridge.settings import load
from bridge.telemetry import Telemetry
from bridge.tenants import load_tenants

ROOT = Path(__file__).resolve().parents[2]
AZURE = ROOT / "infra" / "terraform" / "azure"
SETUP = ROOT / "docs" / "setup.md"
SETUPS = (SETUP, ROOT / "docs" / "setup.ko.md")
RUNBOOK = ROOT / "docs" / "runbook.md"
PAGES = [
    *ROOT.glob("*.md"),
    *(page for folder in ("docs", "infra", "manifest") for page in (ROOT / folder).rglob("*.md")),
]

each_setup = pytest.mark.parametrize("page", SETUPS, ids=lambda page: page.name)


def text_of(page: Path) -> str:
    """Give a page as it is written."""
    return page.read_text(encoding="utf-8")


def fences(text: str) -> list[str]:
    """Give the blocks of code, without their comments, which are translated."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r" {2,}# .*", "", block) for block in blocks]


def prose(text: str) -> str:
    """Give a page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """Give what stands between backticks, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def headings(text: str) -> list[tuple[int, str]]:
    """Give level and title of each heading."""
    return [(len(marks), title) for marks, title in re.findall(r"^(#+) (.+)$", prose(text), flags=re.MULTILINE)]


def section(text: str, title: str) -> str:
    """Give what stands below the heading of the second level that begins so."""
    found = re.search(rf"^## {re.escape(title)}[^\n]*\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Give the cells of all rows of tables."""
    lines = [line.replace(r"\|", "¦") for line in text.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if not re.match(r"\|[-|: ]+$", line)
    ]


@cache
def terraform(pattern: str = "**/*.tf") -> str:
    """Give the configuration as one text."""
    return "\n".join(text_of(path) for path in sorted(AZURE.glob(pattern)))


# --- both languages


def test_both_languages_have_the_same_steps() -> None:
    """Headings come in the same order, with the same numbers."""
    shapes = [[(level, re.findall(r"^\d+", title)) for level, title in headings(text_of(page))] for page in SETUPS]
    assert shapes[0] == shapes[1]


def test_both_languages_have_the_same_commands() -> None:
    """Blocks of code are the same to the letter, but for comments; so is what stands in backticks."""
    english, korean = (text_of(page) for page in SETUPS)
    assert fences(english) == fences(korean)
    assert Counter(spans(english)) == Counter(spans(korean))


def test_both_languages_have_the_same_links() -> None:
    """They lead to the same pages and the same steps."""
    targets = [re.findall(r"\]\(([^)]+)\)", text_of(page)) for page in SETUPS]
    english, korean = ([re.sub(r"^#(\d*).*", r"#\1", target) for target in found[1:]] for found in targets)
    assert english == korean


def test_commands_are_bash() -> None:
    """Every block of the set-up that is to be typed has the form that Bash reads."""
    for block in fences(text_of(SETUP)):
        if not block.startswith("ok "):
            read = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, timeout=10, check=False)
            assert (read.returncode, read.stderr) == (0, ""), block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    """What stands behind `#` in a link is a heading of that page."""
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text_of(page)):
        there = page.parent / target if target else page
        slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in headings(text_of(there))}
        assert anchor in slugs, f"{target}#{anchor}"


# --- Terraform


def variables() -> dict[str, str]:
    """Give the root's variables, each with its block."""
    found = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', terraform("*.tf"), flags=re.MULTILINE | re.DOTALL)
    return dict(found)


@each_setup
def test_each_variable_that_must_be_set_is_in_the_table(page: Path) -> None:
    """Nobody is asked for a value that the guide does not name, and the guide names no other variables."""
    named = {name for row in rows(section(text_of(page), "4.")) for name in re.findall(r"`(\w+)`", row[0])}
    known = variables()
    assert {name for name, block in known.items() if not re.search(r"^  default +=", block, re.MULTILINE)} <= named
    assert named <= known.keys()


@each_setup
def test_variables_and_fields_that_are_named_exist(page: Path) -> None:
    """`name = …` and `name.field` are variables, and fields of theirs."""
    known = variables()
    for span in spans(text_of(page)) + spans(text_of(RUNBOOK)):
        if given := re.match(r"(\w+) = (.*)", span):
            assert given[1] in known, span
            assert all(re.search(rf"\b{field} +=", known[given[1]]) for field in re.findall(r"(\w+) = ", given[2])), (
                span
            )
        elif (field := re.fullmatch(r"(\w+)\.([a-z_]+)", span)) and field[1] in known:
            assert re.search(rf"\b{field[2]} += ", known[field[1]]), span


@pytest.mark.parametrize("page", [*SETUPS, RUNBOOK], ids=lambda page: page.name)
def test_outputs_and_targets_that_are_named_exist(page: Path) -> None:
    """Whoever runs the commands gets what they ask Terraform for."""
    text = text_of(page)
    outputs = set(re.findall(r'^output "(\w+)"', terraform("*.tf"), flags=re.MULTILINE))
    asked = set(re.findall(r"terraform(?: -chdir=\S+)? output(?: -raw| -json)? ([a-z_]+)", text))
    assert asked, "the pattern no longer fits"
    assert asked <= outputs
    for module, kind, name in re.findall(r"-target=module\.(\w+)(?:\.(\w+)\.(\w+))?", text):
        blocks = terraform(f"modules/{module}/*.tf")
        assert blocks, module
        assert not kind or f'resource "{kind}" "{name}"' in blocks


@each_setup
def test_secrets_are_those_that_terraform_names(page: Path) -> None:
    """Each secret of the settings is put into the vault, under its name."""
    said = set(re.findall(r"secret set --vault-name \S+ --name ([\w-]+)", text_of(page)))
    told = set(re.findall(r"`((?:bot|freshchat|freshdesk)-[a-z-]+)`", section(text_of(page), "5.")))
    wanted = set(re.findall(r"\b((?:bot|freshchat|freshdesk)-[a-z-]+) += \"", terraform("settings.tf")))
    assert wanted == said | told
    assert wanted - said == {"freshdesk-token"}, "it is for some only"


@each_setup
def test_each_resource_provider_is_registered(page: Path) -> None:
    """What Terraform would register is registered by the step for it, also where Terraform may not."""
    loop = re.search(r"for name in ([\w ]+); do", text_of(page))
    assert loop
    named = {f"microsoft.{name.lower()}" for name in loop[1].split()}
    wanted = re.search(r"resource_providers_to_register = \[(.*?)\]", terraform("versions.tf"), flags=re.DOTALL)
    assert wanted
    assert set(re.findall(r'"([\w.]+)"', wanted[1].lower())) <= named
    assert len(named) == 15, "the check of the step names the number"


# --- permissions


@each_setup
def test_each_permission_is_explained(page: Path) -> None:
    """Those that Terraform asks for, that the sign-in asks for, and those of the app package."""
    text = section(text_of(page), "14.")
    explained = set(re.findall(r"`([\w.]+)`", text))
    manifest = json.loads(text_of(ROOT / "manifest" / "manifest.json"))
    asked = manifest.get("authorization", {}).get("permissions", {}).get("resourceSpecific", [])
    registered = re.findall(r'"([\w.]+)" += \{ id = "[0-9a-f-]{36}"', terraform("modules/bot/registration.tf"))
    assert registered, "the pattern no longer fits"
    wanted = {*registered, *(right["name"] for right in asked), *sign_in.SCOPES, *sign_in.CHAT_SCOPES}
    assert {*wanted, profiles.PERMISSION, graph_files.PERMISSION} <= explained


@each_setup
def test_each_azure_role_is_explained(page: Path) -> None:
    """Every role that Terraform gives is in the table, and the table has no others."""
    text = section(text_of(page), "14.")
    given = set(re.findall(r'"((?:Key Vault|Azure Service Bus|Storage) [\w ]+|AcrPull)"', terraform("modules/**/*.tf")))
    explained = {name for row in rows(text) for name in re.findall(r"\*([A-Z][\w -]+)\*", row[0])}
    assert explained - {"Built-in Data Contributor", "Built-in Data Reader"} == given


# --- operation


def alerts() -> set[str]:
    """Give the names of all alerts that Terraform makes, without the environment."""
    text = terraform("modules/observability/*.tf")
    table = re.search(r"^  alerts = \{\n(.*?)^  \}", text, flags=re.MULTILINE | re.DOTALL)
    assert table
    named = re.findall(r"^    ([\w-]+) = \{$", table[1], flags=re.MULTILINE)
    blocks = r'^resource "azurerm_(?:monitor_\w*alert\w*|consumption_budget\w*)" .*?^\}'
    for block in re.findall(blocks, text, flags=re.MULTILINE | re.DOTALL):
        named += re.findall(r'^  name +=\s+"([\w-]+)-\$\{var\.name\}"', block, flags=re.MULTILINE)
    return set(named)


def test_each_alert_has_a_section_and_each_section_an_alert() -> None:
    """Whoever gets the mail finds its name."""
    found = {title for level, title in headings(section(text_of(RUNBOOK), "Alerts")) if level == 3}
    assert found == alerts()


def test_each_section_says_what_it_means_and_what_to_do() -> None:
    """No alert without an answer."""
    for part in re.split(r"^### ", section(text_of(RUNBOOK), "Alerts"), flags=re.MULTILINE)[1:]:
        assert "**Means**" in part, part
        assert "**Look**" in part or "**Look, do**" in part, part
        assert "**Do**" in part or "**Look, do**" in part, part


@pytest.mark.parametrize("page", [RUNBOOK, ROOT / "docs" / "operations.md"], ids=lambda page: page.name)
def test_counters_that_are_named_exist(page: Path) -> None:
    """A query for a counter that nobody counts would be empty for ever."""
    exposed = set(re.findall(rb"# TYPE (\w+) ", Telemetry().exposition()))
    counted = {name.decode() for name in exposed} | {f"{name.decode()}_total" for name in exposed}
    assert set(re.findall(r"\bbridge_[a-z_]+[a-z]\b", text_of(page))) <= counted


def test_records_that_are_named_are_written() -> None:
    """Each action word of the table stands in the code."""
    code = "\n".join(
        text_of(path) for folder in ("bridge", "adapters", "bots") for path in (ROOT / folder).rglob("*.py")
    )
    table = section(text_of(RUNBOOK), "Records that tell more")
    words = {word for row in rows(table)[1:] for word in re.findall(r"`(\w+)`", row[0])}
    assert words
    assert {word for word in words if f'"{word}"' not in code} == set()


@each_setup
def test_what_doctor_must_say_is_what_it_says(page: Path) -> None:
    """Each expected line is made of a check, a subject and words that doctor has."""
    code = "\n".join(text_of(path) for path in sorted((ROOT / "bridgectl" / "doctor").glob("*.py")))
    lines = [line for block in fences(text_of(page)) for line in block.splitlines() if line.startswith("ok  ")]
    assert len(lines) >= 10
    names = {
        **{field.title or "": "" for field in type(load()).model_fields.values()},
        "Files.Read.All": "",
        "User.Read.All": "",
    }
    for line in lines:
        check, subject, seen = line.removeprefix("ok").strip().split(": ", 2)
        assert f'"{check}"' in code, line
        assert f'"{subject}"' in code or subject in names, line
        fixed = [
            part for part in re.split(r"\d+|SingleTenant|azure\.key_vault|to-freshchat|[():,]", seen) if part.strip()
        ]
        assert all(part.strip() in code for part in fixed), line


@each_setup
def test_costs_add_up(page: Path) -> None:
    """The sums are those of their columns."""
    *items, total = rows(section(text_of(page), "15."))[1:]
    for column in (2, 3):
        assert sum(int(row[column]) for row in items) == int(total[column].strip("*")), column


# --- files of tenants


def test_files_of_tenants_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies an example gets a file that the bridge takes."""
    monkeypatch.chdir(tmp_path)
    routing, tenants = fences(text_of(ROOT / "docs" / "tenants.md"))
    Path("routing.toml").write_text(routing, encoding="utf-8")
    Path("tenants.toml").write_text(tenants, encoding="utf-8")
    (several,) = load_tenants(load(BRIDGE_TENANTS_FILE="tenants.toml"))
    keys = dict.fromkeys(("FRESHCHAT_API_KEY", "FRESHCHAT_CHANNEL_ID", "FRESHCHAT_WEBHOOK_KEYS"), "k")
    account = {"FRESHCHAT_API_URL": "contoso.freshchat.com", **keys}
    (one,) = load_tenants(load(BRIDGE_ROUTING_FILE="routing.toml", MicrosoftAppTenantId=several.id, **account))
    assert (len(several.route), len(one.route)) == (1, 3)
