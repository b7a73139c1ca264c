"""What was received is written as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.exact_json import dumps, loads

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize(
    "text",
    [
        "1.10",
        "1E3",
        "-0",
        "-0.0",
        "1e400",
        "0.1",
        "123456789012345678901234567890",
        "3.141592653589793238462643",
        "9" * 5000,
    ],
)
def test_numbers_stay_as_they_were(text: str) -> None:
    document = f'{{"a":[{text},"{text}"]}}'
    assert dumps(loads(document)) == document


def test_text_is_written_as_itself() -> None:
    assert dumps(loads(b'{"b": "\\ud55c\\uae00", "a": "\xf0\x9f\x98\x80"}')) == '{"b":"한글","a":"😀"}'


def test_half_a_surrogate_pair_stays_an_escape() -> None:
    assert dumps(loads('["\\ud83d x"]')).encode() == b'["\\ud83d x"]'


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "<html>", "", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)


@given(JSON)
def test_any_value_comes_back(value: object) -> None:
    text = json.dumps(value, ensure_ascii=True)
    written = dumps(loads(text))
    assert json.loads(written) == json.loads(text)
    assert "\n" not in written
    assert dumps(loads(written)) == written
