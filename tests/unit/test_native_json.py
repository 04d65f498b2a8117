"""JSON text read by the kernels and by their twins: the same, item for item and bracket for bracket."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenspace import native
from tokenspace.native import json_text, reference_json

FORMS = (native.NUMBERED, native.SCORED, native.MERGED)


def raw(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(errors="surrogatepass"), dtype=np.uint8)


def read(text: str, form: int) -> tuple[list[str], list[float], int]:
    some, at = native.json_items(raw(text), 1, len(raw(text)), form)
    return some.strings(), some.values.tolist(), at


@pytest.mark.parametrize("indent", [None, 2])
def test_tokens_with_their_ids(native_level, indent):
    vocabulary = {"a": 0, 'with "quotes" \\ and\n': 1, "é▁Ġ": 999_999_999_999, "": 3, "\ud800": 4}
    for ascii_only in (True, False):
        text = json.dumps(vocabulary, indent=indent, ensure_ascii=ascii_only)
        if not ascii_only:
            text = text.replace("\ud800", "\\ud800")
        strings, values, at = read(text, native.NUMBERED)
        assert dict(zip(strings, values, strict=True)) == vocabulary
        assert text.encode()[at:].strip() == b"}"


def test_tokens_with_their_scores(native_level):
    rows = [["a", -3.25], ["b", 0], ["c", -1e-7], ["d", 0.1234567890123456789012], ["e", -2.5e300], ["f,] g", 1.0]]
    strings, values, _ = read(json.dumps(rows), native.SCORED)
    assert list(zip(strings, values, strict=True)) == [tuple(row) for row in rows]


def test_merges_in_both_spellings(native_level):
    strings, _, at = read('["a b", ["c d", "e"] ,"Ġ \\u0120x"]', native.MERGED)
    assert strings == ["a", "b", "c d", "e", "Ġ", "Ġx"]
    assert at == len(raw('["a b", ["c d", "e"] ,"Ġ \\u0120x"')), "in front of the closing bracket"


@pytest.mark.parametrize(
    ("text", "form", "count"),
    [
        ('{"a": 1, "b": -2}', native.NUMBERED, 1),
        ('{"a": 1 "b": 2}', native.NUMBERED, 0),
        ('{"a": 1234567890123}', native.NUMBERED, 0),
        ('{"a": 1, "b', native.NUMBERED, 1),
        ('{"a": 1, "b\\', native.NUMBERED, 1),
        ('[["a", 1], ["b", x]]', native.SCORED, 1),
        ('[["a", 1.2.3]]', native.SCORED, 0),
        ('[["a", 1, 2]]', native.SCORED, 0),
        ('["a b", "noblank"]', native.MERGED, 1),
        ('[["a", "b", "c"]]', native.MERGED, 0),
    ],
)
def test_reading_stops_in_front_of_what_is_no_item(native_level, text, form, count):
    assert len(read(text, form)[1]) == count


def test_a_string_longer_than_the_room_is_read(native_level):
    long = "x" * (json_text.SPACE + 1)
    text = json.dumps({long: 2, "b": 3})
    strings, _, at = read(text, native.NUMBERED)
    assert strings[0] == long
    assert text[at:].strip() == ('"b": 3}' if len(strings) == 1 else "}")


PIECES = st.lists(st.sampled_from([*' "\\[]{},:-.e19\n', "ab", "é", '"a"', '["a", "b"],', '"a": 1,', '["a", 1.5],']), max_size=12).map(
    "".join
)


@given(PIECES, st.sampled_from(FORMS), st.integers(1, 3), st.data())
def test_kernel_and_twin_read_the_same(text, form, depth, data):
    if native.kernel("json_items") is None:
        pytest.skip("nothing is compiled here")
    text = raw(text)
    if not len(text):
        return
    ours, at = native.json_items(text, 0, len(text), form)
    twins, end = reference_json.json_items(text, 0, len(text), form, json_text.ROOM, native.JsonItems)
    assert at == end
    assert all(np.array_equal(one, other) for one, other in zip(ours, twins, strict=True))
    stop = data.draw(st.integers(0, len(text)))
    assert native.json_skip(text, 0, stop, depth) == reference_json.json_skip(text, 0, stop, depth)
