"""What can be seen of an archive and of webhooks becomes evidence; everything else needs a person's word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bridge.settings import load
from bridgectl.exit import cli
from bridgectl.exit.evidence import Record
from bridgectl.exit.looks import QUIET_SECONDS, Case, Found, _since_last
from tests.archive_builder import archive, seal


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def final(folder: Path) -> Path:
    """A complete archive of the kind `final`."""
    root = archive(folder)
    report_says(root, kind="final", complete=True)
    return root


def report_says(root: Path, **fields: Any) -> None:
    file = root / "verification_report.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | fields), encoding="utf-8")
    seal(root)


def check(*options: str, code: int = 1) -> dict[str, dict[str, Any]]:
    result = CliRunner().invoke(cli, ["check", "--json", *options])
    assert result.exit_code == code, result.output
    return {row["step"]: row for row in json.loads(result.stdout)["steps"]} if code < 2 else {}


def results(*options: str) -> dict[str, str]:
    return {step: row["result"] for step, row in check(*options).items() if row["result"] != "missing"}


def sample(root: Path, **fields: Any) -> None:
    """Write a sample beside the archive, as the command does."""
    import hashlib

    fingerprint = hashlib.sha256((root / "checksums.sha256").read_bytes()).hexdigest()
    found = {"fingerprint": fingerprint, "signedBy": "Ada", "summary": {"same": 5}} | fields
    (root.parent / "samples_2026-11-02.json").write_text(json.dumps(found), encoding="utf-8")


def test_a_final_archive_is_verified_and_its_sample_read(final: Path) -> None:
    sample(final)
    found = check("--archive", str(final), "--by", "grace")
    assert {step: found[step]["result"] for step in ("export", "verify", "sample")} == dict.fromkeys(
        ("export", "verify", "sample"), "passed"
    )
    assert found["verify"]["by"] == "grace"
    records = json.loads(Path("exit_evidence.json").read_bytes())
    assert {record["facts"].get("fingerprint") for record in records if record["step"] != "sample"} == {
        records[0]["facts"]["fingerprint"]
    }


def test_a_flipped_byte_is_a_finding(final: Path) -> None:
    file = final / "freshchat/users.json"
    file.write_bytes(file.read_bytes().replace(b"Ada", b"Eda"))
    assert results("--archive", str(final)) == {"export": "passed", "verify": "failed", "sample": "failed"}


@pytest.mark.parametrize("fields", [{"kind": "monthly"}, {"complete": False, "warning": "3 files failed"}])
def test_an_archive_that_is_not_final_or_not_complete_does_not_pass(final: Path, fields: dict[str, Any]) -> None:
    """A person may take responsibility, for this very archive."""
    report_says(final, **fields)
    assert results("--archive", str(final), "--step", "export") == {"export": "failed"}
    assert results("--confirm", "export", "--evidence", "agreed with Kim", "--archive", str(final)) == {
        "export": "confirmed"
    }
    assert json.loads(Path("exit_evidence.json").read_bytes())[-1]["facts"]["fingerprint"]


@pytest.mark.parametrize(
    "fields",
    [{"signedBy": None}, {"summary": {"same": 4, "different": 1}}, {"fingerprint": "another"}, {"summary": {}}],
)
def test_a_sample_counts_only_signed_without_differences_and_of_this_archive(
    final: Path, fields: dict[str, Any]
) -> None:
    sample(final, **fields)
    assert results("--archive", str(final), "--step", "sample") == {"sample": "failed"}


def test_what_is_done_is_not_looked_at_again_unless_it_is_named(final: Path) -> None:
    sample(final)
    check("--archive", str(final))
    before = Path("exit_evidence.json").read_bytes()
    (final / "more").write_text("x")
    check("--archive", str(final))
    assert Path("exit_evidence.json").read_bytes() == before
    assert results("--archive", str(final), "--step", "verify")["verify"] == "failed"


def test_every_step_can_be_confirmed_and_then_all_is_done() -> None:
    steps = list(check())
    for step in steps[:-1]:
        check("--confirm", step, "--evidence", "seen")
    check("--confirm", steps[-1], "--evidence", "seen", code=0)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--confirm", "notice"),
        ("--evidence", "seen"),
        ("--confirm", "notice", "--evidence", " "),
        ("--confirm", "nothing", "--evidence", "seen"),
        ("--step", "nothing"),
        ("--archive", "/nowhere"),
    ],
)
def test_what_cannot_be_done_is_named(wrong: tuple[str, ...]) -> None:
    check(*wrong, code=2)
    assert not Path("exit_evidence.json").exists()


# --- webhooks that no longer arrive


def seen(facts: dict[str, str]) -> dict[str, Record]:
    return {
        "webhook": Record(number=1, at="", step="webhook", by="ada", result="open", detail="", facts=facts),
    }


@pytest.mark.parametrize(
    ("before", "count", "later", "result"),
    [
        (None, 3, 0, "open"),
        (3, 3, QUIET_SECONDS - 1, "open"),
        (3, 3, QUIET_SECONDS + 1, "passed"),
        (3, 4, QUIET_SECONDS + 1, "failed"),
        (3, 1, QUIET_SECONDS + 1, "open"),
    ],
)
def test_webhooks_have_ended_when_none_came_for_an_hour(
    before: int | None, count: int, later: float, result: str
) -> None:
    """A count that is smaller comes from a process that was started anew."""
    known = {} if before is None else seen({"refused": str(before), "since": "1000.0"})
    found: Found = _since_last(count, Case(load(), None, None, known, lambda: 1000.0 + later))
    assert found.result == result
    assert found.facts["since"] == ("1000.0" if (before, count) == (3, 3) else repr(1000.0 + later))
