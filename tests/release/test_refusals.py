"""What stands against a release is said, with what to do, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridgectl.version import version
from release.refusals import Refused, entry, refusals
from tests.release.checkout import commit, git

VERSION = version()


def test_this_tree_could_be_released(checkout: Path) -> None:
    """Once everything is committed: the changelog knows the version."""
    assert refusals(checkout, VERSION) == []


@pytest.mark.parametrize("name", ["README.md", "new file.txt"])
def test_a_change_that_is_not_committed(checkout: Path, name: str) -> None:
    """Of a known file, or a new one."""
    with (checkout / name).open("a", encoding="utf-8") as file:
        file.write("more\n")
    (said,) = refusals(checkout, VERSION)
    assert name in said
    assert "commit" in said


def test_a_version_that_the_changelog_does_not_know(checkout: Path) -> None:
    (said,) = refusals(checkout, "9.9.9")
    assert "CHANGELOG.md says nothing of 9.9.9" in said
    assert "## [9.9.9]" in said


def test_a_heading_alone_says_nothing(checkout: Path) -> None:
    """There must be words below it."""
    path = checkout / "CHANGELOG.md"
    written = path.read_text(encoding="utf-8").replace("\n## [", "\n## [9.9.9] - 2026-12-01\n\n## [", 1)
    path.write_text(written, encoding="utf-8")
    commit(checkout)
    assert "says nothing of 9.9.9" in refusals(checkout, "9.9.9")[0]


def test_a_version_without_a_day(checkout: Path) -> None:
    """Nobody can tell later when it was."""
    path = checkout / "CHANGELOG.md"
    path.write_text(path.read_text(encoding="utf-8").replace("2026-12-01", "unreleased"), encoding="utf-8")
    commit(checkout)
    (said,) = refusals(checkout, VERSION)
    assert f"## [{VERSION}] - YYYY-MM-DD" in said


@pytest.mark.parametrize("text", ["", "1.0", "1.0.0.dev1", "v1.0.0"])
def test_what_is_no_version(checkout: Path, text: str) -> None:
    assert "is no version to release" in refusals(checkout, text)[0]


def test_a_version_that_was_released_from_another_commit(checkout: Path) -> None:
    """The tag tells; from the same commit it may be built again."""
    git(checkout, "tag", f"v{VERSION}")
    assert refusals(checkout, VERSION) == []
    commit(checkout)
    (said,) = refusals(checkout, VERSION)
    assert "raise the version" in said


def test_everything_is_said_at_once(checkout: Path) -> None:
    (checkout / "README.md").unlink()
    assert len(refusals(checkout, "9.9.9")) == 2


def test_a_folder_that_git_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="git does not answer"):
        refusals(tmp_path, VERSION)


def test_an_entry_ends_where_the_next_begins() -> None:
    text = "# Changelog\n\n## [2.0.0] - 2026-12-01\n\n- new\n\n## [1.0.0] - 2026-11-01\n\n- old\n"
    assert (entry(text, "2.0.0"), entry(text, "1.0.0"), entry(text, "200")) == ("- new", "- old", "")
