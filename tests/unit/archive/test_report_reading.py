"""The report is read whole but for its longest list, which is walked."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from archive.lines import Malformed
from archive.report_reading import read_report, unlinked_ids


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("ids", [[], ["a"], ["a", 'q"]\\', "키", "]"]])
def test_the_list_is_walked(ids: list[str], indent: int | None, tmp_path: Path) -> None:
    """Whatever is in it; everything else is in the object."""
    file = tmp_path / "report.json"
    told = {"kind": "event", "unlinkedConversationIds": ids, "gaps": {"count": 0}, "list": ["]"]}
    file.write_text(json.dumps(told, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert read_report(file) == told | {"unlinkedConversationIds": []}
    assert list(unlinked_ids(file)) == ids


def test_a_report_without_the_list(tmp_path: Path) -> None:
    """Has no ids."""
    file = tmp_path / "report.json"
    file.write_text('{"kind": "event"}')
    assert read_report(file) == {"kind": "event"}
    assert list(unlinked_ids(file)) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"unlinkedConversationIds": [', '{"unlinkedConversationIds": ["a"',
     '{"unlinkedConversationIds": ["a" "b"]}',
     '{"unlinkedConversationIds": ["a",]}', '{"unlinkedConversationIds": [1]}', '{"unlinkedConversationIds": ["a"]',
     '{"unlinkedConversationIds": ["\\x"]}', '{"unlinkedConversationIds": [] x}'],
)  # fmt: skip
def test_what_is_no_report_is_malformed(text: str, tmp_path: Path) -> None:
    """Within the list and around it."""
    file = tmp_path / "report.json"
    file.write_text(text)
    with pytest.raises(Malformed):
        read_report(file)


def test_a_long_list_takes_no_memory(tmp_path: Path) -> None:
    """20,000 ids are 0.8 MB on disk, and would be 1.9 in memory."""
    file = tmp_path / "report.json"
    file.write_text(json.dumps({"unlinkedConversationIds": [f"{number:036}" for number in range(20_000)]}))
    tracemalloc.start()
    read_report(file)
    count = sum(1 for _ in unlinked_ids(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 300_000
