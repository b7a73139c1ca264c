"""The log of versions in Key Vault, as tables: what is live after what was written."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from adapters.azure.key_vault_log import NOTHING, Version, replay

NOW = 1_000.0


def version(name: str, created: float = 100, **more: Any) -> Version:
    return Version(id=name, created=created, **more)


@pytest.mark.parametrize(
    ("log", "live"),
    [
        ([], []),
        ([version("a", 1), version("b", 2)], ["b", "a"]),
        ([version("a", 1), version("b", 2, order=1, keep=1)], ["b"]),
        ([version("a", 1, order=1, keep=3), version("b", 2, order=2, keep=3), version("c", 3, order=3, keep=2)], "cb"),
        ([version("a", order=1, keep=3), version("z", order=3, keep=3), version("b", order=2, keep=3)], "zba"),
        ([version("p", order=1, keep=1), version("a")], ["a", "p"]),
        ([version("a", 1, enabled=False), version("b", 2, order=1, keep=2), version("c", 3, enabled=False)], "b"),
        ([version("a", 1, expires=NOW), version("b", 2, not_before=NOW), version("c", 3, not_before=NOW + 1)], "b"),
        ([version("a", 1), version("b", 2, enabled=False), version("c", 3, order=1, keep=2)], "ca"),
        ([version("a", 1), version("c", 2, order=1, after="a")], "c"),
        ([version("c", 2, order=1, after=NOTHING)], "c"),
        ([version("a", 1), version("b", 2), version("c", 3, order=1, after="a")], "ba"),
        ([version("a", 1), version("c", 2, order=1, after="a"), version("d", 3, order=1, after="a")], "c"),
        ([version("c", order=1, after=NOTHING), version("d", order=1, after=NOTHING)], "c"),
        ([version("a", 1, order=1, keep=2, write="w"), version("b", 2, order=1, keep=2, write="w")], "a"),
        ([version("a", 1, order=1, after=NOTHING, write="w"), version("b", 2, order=1, after=NOTHING, write="w")], "a"),
    ],
    ids=[
        "nothing",
        "those of others join",
        "a put that keeps one",
        "a put that keeps two",
        "the order of one second is told by its writers",
        "who writes by hand in the same second is not hidden",
        "what is disabled is not live",
        "dates count",
        "what is disabled takes no place",
        "a change replaces all",
        "the first change",
        "a change of what is not the newest does not count",
        "of two changes of one version the first counts",
        "in one second the lower id is first",
        "a put that was repeated counts once",
        "a change that was repeated counts once",
    ],
)
def test_what_is_live(log: list[Version], live: str | list[str]) -> None:
    """In whatever order the vault lists it."""
    for listed in itertools.permutations(log):
        assert [one.id for one in replay(listed, NOW).live] == list(live)


def test_what_lost_has_lost_for_good() -> None:
    """Whatever is written later, and whatever is disabled: who was told that a change came through can rely on it."""
    log = [
        version("a", 1),
        version("c", 2, order=1, after="a", write="c"),
        version("d", 2, order=1, after="a", write="d"),
    ]
    later = [
        version("p", 3, order=2, keep=1),
        version("x", 4),
        version("e", 5, order=2, after="c"),
        version("f", 6, order=3, after="d"),
    ]
    for count in range(len(later) + 1):
        for more in itertools.combinations(later, count):
            counting = replay([*log, *more], NOW).counting
            assert "c" in counting
            assert "d" not in counting
