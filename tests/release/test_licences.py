"""Everything that the image installs may be shipped, and what may not be is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from release.licences import UNKNOWN, Package, Policy, locked, packages, page, refused

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
POLICY = Policy.read()
COPYLEFT = ("GPL-3.0-only", "AGPL-3.0-or-later", "LGPL-2.1-or-later", "MPL-2.0", "EPL-2.0")


def test_every_package_may_be_shipped() -> None:
    """Permissive, or an exception with a reason; none is unknown."""
    found = packages(LOCK, POLICY)
    assert len(found) > 50
    assert refused(found, POLICY) == []
    assert UNKNOWN not in {one.licence for one in found}


def test_nothing_is_allowed_that_is_not_needed() -> None:
    """Exceptions, statements and spellings of packages that are gone are taken out."""
    names = {one.name for one in packages(LOCK, POLICY)}
    assert set(POLICY.exceptions) <= names
    assert set(POLICY.stated) <= names
    assert not set(COPYLEFT) & POLICY.allowed


@pytest.mark.parametrize("licence", [*COPYLEFT, UNKNOWN, "MIT AND GPL-2.0-only", "(MIT OR GPL-2.0-only) AND MIT"])
def test_what_may_not_be_shipped_is_named(licence: str) -> None:
    (said,) = refused([Package("fine", "1", "MIT"), Package("other", "2.0", licence)], POLICY)
    assert said.startswith(f"other 2.0 is under {licence}:")
    assert "release/licences.toml" in said


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0 AND MIT", "GPL-2.0-only OR BSD-3-Clause"])
def test_what_may_be_shipped(licence: str) -> None:
    """Of a choice, one is enough."""
    assert refused([Package("fine", "1", licence)], POLICY) == []


def test_an_exception_is_for_one_licence_of_one_package() -> None:
    assert refused([Package("certifi", "1", "MPL-2.0")], POLICY) == []
    assert refused([Package("certifi", "1", "GPL-3.0-only")], POLICY)


def test_an_exception_needs_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "licences.toml"
    file.write_text(
        'allowed = []\n[spellings]\n[stated]\n[exceptions.x]\nlicence = "GPL-3.0-only"\nreason = " "\n',
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match="no reason"):
        Policy.read(file)


def test_a_package_that_is_not_installed_as_locked_is_named() -> None:
    """Else its licence would be that of another version."""
    lock = "aiohttp==0.0.1 \\\n    --hash=sha256:0\nno-such-package==1.0\n"
    with pytest.raises(ValueError, match=r"aiohttp 0\.0\.1 \(here: \d.*no-such-package 1\.0 \(here: none\)"):
        packages(lock, POLICY)


def test_packages_of_other_systems_are_not_shipped() -> None:
    names = dict(locked(LOCK))
    assert "colorama" in LOCK
    assert "colorama" not in names
    assert "cffi" in names, "its condition is true"


def test_the_page_has_a_row_each() -> None:
    assert "| b | 2 | MIT |\n" in page([Package("a", "1", "ISC"), Package("b", "2", "MIT")])
