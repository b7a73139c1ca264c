"""A short run of every target, what was found before, and the runner itself: it must see what it is there to see."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.fuzz import file_readers, runner, translators
from tests.fuzz.door_checks import targets
from tests.fuzz.doors import Doors, serving
from tests.fuzz.runner import Hang, Outcome, bounded, found, fuzz
from tests.fuzz.samples import Sample
from tests.fuzz.target import Target

TARGETS = (*translators.TARGETS, *file_readers.TARGETS)
INPUTS, SEED = 2500, 1
DOORS = ("teams door", "teams door, tokens", "freshchat door", "freshchat door, signatures", "requests", "elsewhere")
FOUND = list(found())


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Both doors; at the end everything accepted must be stored exactly once."""
    with serving(tmp_path_factory.mktemp("doors")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path) -> Iterator[None]:
    """Settings are read from the `.env` of the working directory."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield
    os.chdir(before)


def test_no_door_is_left_out(doors: Doors) -> None:
    """The names below are those of the targets."""
    assert tuple(target.name for target in targets(doors)) == DOORS


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_translators_and_files(target: Target) -> None:
    """Nothing but the documented refusals, in time, in bounds, and without a word of the input."""
    _holds(target)


@pytest.mark.parametrize("name", DOORS)
def test_doors(doors: Doors, name: str) -> None:
    """Stored exactly once or refused with a 4xx, in time, in bounds, and without a word of the input in the log."""
    _holds(next(target for target in targets(doors) if target.name == name))


def _holds(target: Target) -> None:
    outcome = fuzz(target, INPUTS * target.share // 1000, SEED)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.inputs > 0


@pytest.mark.parametrize(("name", "sample"), [one[1:] for one in FOUND], ids=[one[0] for one in FOUND])
def test_what_was_found_stays_mended(doors: Doors, name: str, sample: Sample) -> None:
    """Every input that broke something once."""
    target = next(target for target in (*TARGETS, *targets(doors)) if target.name == name)
    bounded(target.check, sample, Outcome(name))


# --- the runner -------------------------------------------------------------------------------------------------------


def _target(check: object) -> Target:
    return Target("made up", 1, st.binary(max_size=40).map(Sample), check)  # type: ignore[arg-type]


def test_what_breaks_is_made_small_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The smallest input that breaks a target is in the file, and comes back from it."""

    def check(sample: Sample) -> None:
        assert len(sample.body) < 3

    monkeypatch.setattr(runner, "FOUND", tmp_path)
    outcome = fuzz(_target(check), 500, 1)
    assert isinstance(outcome.error, AssertionError)
    [(_, name, sample)] = found()
    assert (name, sample.body) == ("made up", b"\0\0\0")


def test_a_hang_is_seen() -> None:
    """A pattern that backtracks for ever is stopped."""

    def check(_sample: Sample) -> None:
        re.match(r"(a+)+b", "a" * 60)

    with pytest.raises(Hang):
        bounded(check, Sample(b""), Outcome(""))


def test_a_hog_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """An input of one byte may not take a hundred megabytes."""
    monkeypatch.setattr(runner, "MEASURED", 1)
    with pytest.raises(AssertionError, match="MB for 1 bytes"):
        bounded(lambda _: bytearray(10**8), Sample(b"x"), Outcome(""))
