"""tokenizer.json walked in place: the same as parsing it, and rewritten in one place only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenspace.checkpoint.streams.comparing import blocks
from tokenspace.checkpoint.tokenizers import tokenizer_json
from tokenspace.checkpoint.tokenizers.new_token import NewToken
from tokenspace.errors import HeaderError

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = ["plain", 'quo"te', "back\\slash", "tab\t", "ü", "日本", "😀", "}", "[", ",", ":", "a b", "\\u0041", "\x7f", "'"]
STYLES: list[dict[str, Any]] = [
    {},
    {"indent": 2},
    {"separators": (",", ":")},
    {"ensure_ascii": False},
    {"indent": 2, "ensure_ascii": False},
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def content(tokens: list[str], kind: str = "BPE", **more: Any) -> dict[str, Any]:
    vocabulary: Any = [[token, -1.5 - i] for i, token in enumerate(tokens)] if kind == "Unigram" else {t: i for i, t in enumerate(tokens)}
    merges = [["a", "b"], "c d", ["[", "]"], ["\\", '"']]
    return {"version": "1.0", "added_tokens": [], **more, "model": {"type": kind, "vocab": vocabulary, "merges": merges}}


def written(folder: Path, value: object, **style: Any) -> Path:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(value, **style), encoding="utf-8")
    return path


def joined(pieces: Any) -> bytes:
    return b"".join(bytes(block) for piece in pieces for block in blocks(piece))


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("kind", ["BPE", "Unigram"])
def test_the_vocabulary_is_read_in_every_style(tmp_path: Path, style: dict[str, Any], kind: str) -> None:
    path = written(tmp_path, content(TOKENS, kind), **style)
    file = tokenizer_json.read(path, {*TOKENS[3:], "absent"})
    assert file.known == {token: i for i, token in enumerate(TOKENS) if i >= 3}
    assert (file.model_size, file.next_id) == (len(TOKENS), len(TOKENS))
    assert tokenizer_json.tokens(path) == TOKENS


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("place", ["first", "last", "absent"])
def test_only_the_list_of_added_tokens_is_rewritten(tmp_path: Path, style: dict[str, Any], before: int, place: str) -> None:
    value = content(TOKENS, normalizer={"type": "NFC"})
    value["added_tokens"] = [NewToken(f"<{i}>").entry(len(TOKENS) + i) for i in range(before)]
    if place == "last":
        value["added_tokens"] = value.pop("added_tokens")
    if place == "absent":
        del value["added_tokens"]
        before = 0
    file = tokenizer_json.read(written(tmp_path, value, **style), set())
    assert file.next_id == len(TOKENS) + before
    more = [NewToken(name, special=True).entry(file.next_id + i) for i, name in enumerate(("x", 'q"ü', "\\n"))]
    text = joined(file.with_added(more))
    assert json.loads(text) == {**value, "added_tokens": [*value.get("added_tokens", []), *more]}
    assert text.startswith(file.text[: file.tail])
    assert text.endswith(file.text[file.end :])
    (tmp_path / "tokenizer.json").write_bytes(text)
    again = tokenizer_json.read(tmp_path / "tokenizer.json", {"x"})
    assert (again.next_id, again.known) == (file.next_id + 3, {"x": file.next_id})


def test_pretty_files_stay_pretty(tmp_path: Path) -> None:
    first, second = (NewToken(name).entry(len(TOKENS) + i) for i, name in enumerate("xy"))
    value = content(TOKENS) | {"added_tokens": [first]}
    file = tokenizer_json.read(written(tmp_path, value, indent=2, ensure_ascii=False), set())
    value["added_tokens"].append(second)
    assert joined(file.with_added([second])).decode() == json.dumps(value, indent=2, ensure_ascii=False)


@given(VALUES)
def test_any_value_is_skipped_to_its_end(value: object) -> None:
    for style in ({}, {"indent": 1}, {"ensure_ascii": False}):
        text = json.dumps(value, **style).encode(errors="surrogatepass")  # type: ignore[arg-type]
        assert tokenizer_json.skip(text + b', "x"', 0) == len(text)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_members_are_found_where_they_are(value: dict[str, object]) -> None:
    text = json.dumps(value, indent=1).encode()
    found = tokenizer_json.members(text, 0)
    assert {name: json.loads(text[begin:end]) for name, (begin, end) in found.items()} == value


@pytest.mark.parametrize("spoiled", [b'{"a": [1, 2', b'{"a": "b', b'{"a" 1}', b'{"a": 1 "b": 2}', b'{"a": }', b"{", b'{"a": [}'])
def test_what_is_no_json_is_an_error_and_no_endless_loop(tmp_path: Path, spoiled: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(spoiled)
    with pytest.raises(HeaderError):
        tokenizer_json.read(path, set())
