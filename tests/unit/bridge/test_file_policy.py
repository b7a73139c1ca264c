"""What a tenant keeps out: by its own words, else by the settings'."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.errors import Misconfigured
from bridge.file_policy import FilePolicy, policy_of
from bridge.file_types import FileType
from bridge.settings import load
from bridge.tenants import Tenant

ACCOUNT = {"url": "https://a.freshchat.com", "api_key": "k", "inbox": "i", "webhook_keys": "w"}
MB = 1024 * 1024


def tenant(**more: Any) -> Tenant:
    return Tenant(id="t", freshchat=ACCOUNT, **more)


@pytest.mark.parametrize(
    ("kind", "objection"),
    [
        ("image", None),
        ("document", None),
        ("text", None),
        ("archive", None),
        ("media", None),
        ("unknown", None),
        ("program", "program"),
        ("script", "script"),
        ("macro", "macro"),
        ("locked", "locked"),
        ("bomb", "bomb"),
    ],
)
def test_what_is_kept_out_by_default(kind: Any, objection: str | None) -> None:
    assert policy_of(load(), tenant()).objection(FileType(kind, "a/b"), 1) == objection


def test_size_counts_first() -> None:
    """Of exactly the limit passes; 25 MB, which Freshchat takes."""
    policy, file = policy_of(load(), tenant()), FileType("document", "a/b")
    sizes = (0, 25 * MB, 25 * MB + 1)
    assert [policy.objection(file, size) for size in sizes] == ["empty", None, "too_large"]
    assert policy.objection(FileType("program", "a/b"), 25 * MB + 1) == "too_large"


def test_a_tenant_has_its_own_words() -> None:
    """Also the word that nothing is refused, which a bomb still is."""
    own = policy_of(load(), tenant(max_file_bytes=2048, refused_files=["archive"]))
    assert own == FilePolicy(2048, frozenset({"archive"}))
    assert own.objection(FileType("archive", "a/b"), 1) == "type"
    assert own.objection(FileType("program", "a/b"), 1) is None
    for policy in (policy_of(load(), tenant(refused_files=[])), policy_of(load(BRIDGE_REFUSED_FILES="none"), tenant())):
        assert policy.objection(FileType("program", "a/b"), 1) is None
        assert policy.objection(FileType("bomb", "a/b"), 1) == "bomb"


def test_a_kind_that_is_none_is_refused() -> None:
    """A slip must not let programs through."""
    with pytest.raises(Misconfigured, match="programs"):
        policy_of(load(BRIDGE_REFUSED_FILES="programs;macro"), tenant())
    with pytest.raises(ValidationError):
        tenant(refused_files=["programs"])
