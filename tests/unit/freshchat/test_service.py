"""Reading whether it is business time."""

from __future__ import annotations

import pytest

from adapters.freshchat.service import read_hours


@pytest.mark.parametrize(
    ("answer", "within"),
    [
        ({"within_business_hours": False}, False),
        ({"withinBH": True, "group_id": "9"}, True),
        (True, True),
        ({"a": True, "b": False}, None),
        ({"within": "yes"}, None),
        ({}, None),
        (None, None),
        ([False], None),
    ],
)
def test_one_truth_value_is_understood_and_nothing_is_guessed(answer, within):
    """Its name is documented nowhere; two of them would be a guess."""
    assert read_hours(answer) is within
