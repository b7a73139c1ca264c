"""A checkout for each test; what is changed in it is nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.release.checkout import make


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give it: the files of this tree, committed."""
    return make(tmp_path / "checkout")
