"""The policy scan of the Terraform configuration: what it finds is mended, or has a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.infra.offline import AZURE, broken, checkov, run, swap

SKIP = re.compile(r"#checkov:skip=\w+:?(.*)")


def _scan(folder: Path) -> tuple[int, str]:
    program = checkov()
    if program is None:
        pytest.skip("checkov is not installed: make installs it")
    scanned = run(program, "--skip-download", "--compact", "--quiet", "--framework", "terraform", "-d", folder)
    return scanned.code, scanned.text


def test_policies_hold() -> None:
    """The policy scan finds nothing but what an exception with a reason allows."""
    code, said = _scan(AZURE)
    assert code == 0, said
    assert re.search(r"Passed checks: [1-9]\d+, Failed checks: 0", said)


def test_a_public_store_breaks_a_policy(tmp_path: Path) -> None:
    """The policy scan does look: blobs for everybody fail it."""
    change = swap('container_access_type = "private"', 'container_access_type = "blob"')
    code, said = _scan(broken(tmp_path, "modules/storage/main.tf", change) / "modules" / "storage")
    assert code == 1
    assert "CKV_AZURE_34" in said


def test_each_exception_has_a_reason() -> None:
    """An exception from a policy says why."""
    found = [row for path in AZURE.rglob("*.tf") for row in SKIP.findall(path.read_text(encoding="utf-8"))]
    assert found
    assert all(len(reason.strip()) >= len("as above") for reason in found), found
