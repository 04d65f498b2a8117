"""Cutting texts into rows: at blanks, in words, and by tokenizers, word by word as in one go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenspace as ts
from tokenspace.errors import ArgumentError, EncodingError, TableNotFoundError
from tokenspace.native import WordCounts, bag_means
from tokenspace.texts import bags as bags_module
from tokenspace.texts.bags import TEXT_END, Bags
from tokenspace.texts.cutting import HuggingFace, Whitespace, Words, open_tokenizer

tokenizers = pytest.importorskip("tokenizers")
models, normalizers, steps = tokenizers.models, tokenizers.normalizers, tokenizers.pre_tokenizers

UNKNOWN = "[UNK]"
PIECES = [UNKNOWN, *"abcdeé,.()'", *(f"##{letter}" for letter in "abcde"), "ab", "##cd", "你", "世"]
WORDPIECE = {piece: number for number, piece in enumerate(PIECES)}
UNITS = {"[UNK]": 0, **{letter: number for number, letter in enumerate("abcdeé,.()'Ġ你▁", 1)}}


def tokenizer(model, normalizer, pre):
    made = tokenizers.Tokenizer(model)
    if normalizer is not None:
        made.normalizer = normalizer
    if pre is not None:
        made.pre_tokenizer = pre
    return made


CASES = {
    "bert": (lambda: models.WordPiece(WORDPIECE, unk_token=UNKNOWN), normalizers.BertNormalizer(), steps.BertPreTokenizer(), True),
    "whitespace": (lambda: models.WordPiece(WORDPIECE, unk_token=UNKNOWN), normalizers.Lowercase(), steps.Whitespace(), True),
    "split": (lambda: models.WordLevel(WORDPIECE, unk_token=UNKNOWN), None, steps.WhitespaceSplit(), True),
    "sequence": (
        lambda: models.BPE(UNITS, [], unk_token=UNKNOWN),
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
        steps.Sequence([steps.WhitespaceSplit(), steps.Punctuation()]),
        True,
    ),
    "metaspace": (lambda: models.BPE(UNITS, [], unk_token=UNKNOWN), None, steps.Metaspace(), False),
    "bytes": (lambda: models.BPE(UNITS, [], unk_token=UNKNOWN), None, steps.ByteLevel(add_prefix_space=False), False),
    "replace": (
        lambda: models.WordLevel(WORDPIECE, unk_token=UNKNOWN), normalizers.Replace(" ", "a"), steps.Whitespace(), False
    ),
    "nothing": (lambda: models.WordLevel(WORDPIECE, unk_token=UNKNOWN), None, None, False),
}  # fmt: skip
LETTERS = st.text(st.sampled_from("abcdeéABE,.()'你世 \t\n\r\v\f\x00\x1c\u00a0\u0301\u3000\u2028"), max_size=30)


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=60)
@given(texts=st.lists(LETTERS, min_size=1, max_size=6))
def test_texts_divided_at_blanks_are_cut_as_in_one_go(case: str, texts: list[str]) -> None:
    model, normalizer, pre, divided = CASES[case]
    made = tokenizer(model(), normalizer, pre)
    cutter = HuggingFace(made, np.arange(made.get_vocab_size()))
    assert bool(cutter.blanks) == divided
    unknown = made.token_to_id("[UNK]")
    expected = [[number for number in one.ids if number != unknown] for one in made.encode_batch(texts, add_special_tokens=False)]
    words, begins, pieces, _ = Bags(cutter).of(TEXT_END.join([*map(str.encode, texts), b""]), TEXT_END)
    found, row = [[]], 0
    for word in words.tolist():
        if word < 0:
            found.append([])
        else:
            found[-1] += pieces[begins[word] : begins[word + 1]].tolist()
    assert found[:-1] == expected, row


def test_a_tokenizer_whose_tokens_hold_blanks_is_asked_line_by_line() -> None:
    made = tokenizer(models.WordLevel(WORDPIECE, unk_token=UNKNOWN), None, steps.Whitespace())
    made.add_tokens(["new york"])
    assert HuggingFace(made, np.arange(made.get_vocab_size())).blanks == b""


def test_a_table_with_its_tokens_in_another_order_has_their_rows() -> None:
    made = tokenizer(models.WordLevel(WORDPIECE, unk_token=UNKNOWN), None, steps.Whitespace())
    table = ts.EmbeddingTable(["b", "a", "[UNK]"], np.eye(3, dtype=np.float32))
    assert HuggingFace.of(made, table.vocabulary).cut(["a b z c"]) == [[1, 0]]
    with pytest.raises(ArgumentError, match="none of the"):
        HuggingFace.of(made, ts.Vocabulary(["elsewhere"]))


def test_what_is_no_tokenizer_is_named(tmp_path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(TableNotFoundError, match="no tokenizer could be read"):
        open_tokenizer(tmp_path)


def test_whitespace_cuts_where_python_does_and_words_cut_marks_off() -> None:
    table = ts.EmbeddingTable(["a", "cat", ",", "St."], np.eye(4, dtype=np.float32))
    text = "a\u00a0Cat,cat St. (a) zebra"
    assert Whitespace(table).cut([text, ""]) == [[table.vocabulary.id(word) for word in text.split() if word in table], []]
    assert Words(table).cut([text]) == [[0, 1, 2, 1, 3, 0]]


def test_bags_are_the_same_after_all_was_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    table = ts.EmbeddingTable(["a", "b", "c"], np.eye(3, dtype=np.float32))
    monkeypatch.setattr(bags_module, "MOST_WORDS", 1)
    bags = Bags(Whitespace(table))
    for text, rows in ((b"a b\n\n", [0, 1]), (b"c a x\n", [2, 0]), (b"b\n", [1])):
        words, begins, pieces, _ = bags.of(text)
        assert [row for word in words if word >= 0 for row in pieces[begins[word] : begins[word + 1]]] == rows
        assert (words == -1).sum() == text.count(b"\n")


def test_a_line_that_is_not_utf8_is_named_and_costs_nothing_else() -> None:
    bags = Bags(Whitespace(ts.EmbeddingTable(["a"], np.eye(1, dtype=np.float32))))
    with pytest.raises(EncodingError, match="line 12"):
        bags.of(b"a\nb\n\xff\xfe a\n", first=10)
    assert bags.of(b"a\n")[2].tolist() == [0]


def test_every_line_counts_where_every_break_does(native_level: str) -> None:
    kinds = np.zeros(256, dtype=np.uint8)
    kinds[ord(" ")], kinds[ord("\n")] = 1, 2
    assert WordCounts(kinds, every=True).ids(b"\n\na b\n\na\n").tolist() == [-1, -1, 0, 1, -1, -1, 0, -1]
    assert WordCounts(kinds).ids(b"\n\na b\n\na\n").tolist() == [-1, 0, 1, -1, 0, -1]
    assert native_level
    long = WordCounts(kinds, every=True, longest=1 << 22)
    assert long.ids(b"x" * (1 << 20) + b"\n" + b"y" * 300_000 + b" z\n").tolist() == [0, -1, 1, 2, -1]
    assert long.dropped == 0


# ------------------------------------------------------------------------------------------------------------------- the kernel


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("d", [1, 3, 8, 21])
def test_bag_means_are_the_definition_with_the_same_bits_on_every_level(native_level: str, dtype: str, d: int) -> None:
    import ml_dtypes

    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    rng = np.random.default_rng(d)
    rows, more = (rng.standard_normal((n, d)).astype(kind) for n in (7, 3))
    begins, pieces = np.array([0, 1, 1, 5, 6]), np.int32([3, 9, 0, 0, 7, 6])
    words = np.int32([0, 1, 2, 3, -1, -1, 1, -1, 2, 2, -1])
    bags = [[3, 9, 0, 0, 7, 6], [], [], [9, 0, 0, 7] * 2]
    factors = rng.random(10)
    every = np.concatenate([rows, more]).astype(np.float64)
    for weights, most in ((None, None), (factors, None), (factors, 5)):
        found, counts = bag_means(rows, words, begins, pieces, factors=weights, more=more, most=most)
        assert counts.tolist() == [len(bag[:most]) for bag in bags]
        for row, bag in zip(found, bags, strict=True):
            total = np.zeros(d)
            for number in bag[:most]:
                total = total + every[number] * (1 if weights is None else weights[number])
            np.testing.assert_array_equal(row, (total / max(1, len(bag[:most]))).astype(np.float32))
    strided = np.zeros((7, d + 5), kind)[:, :d]
    strided[:] = rows
    np.testing.assert_array_equal(
        bag_means(strided, words, begins, pieces, more=more)[0], bag_means(rows, words, begins, pieces, more=more)[0]
    )


@pytest.mark.parametrize(
    ("words", "begins", "pieces"),
    [([4, -1], [0, 1], [0]), ([-2, -1], [0, 1], [0]), ([0, -1], [0, 2], [0]), ([0, -1], [0, 1], [2]), ([0, -1], [-1, 1], [0])],
)
def test_a_word_that_leads_outside_is_refused_on_every_level(native_level: str, words, begins, pieces) -> None:
    assert native_level
    with pytest.raises(ArgumentError, match="not in 0"):
        bag_means(np.zeros((2, 3), np.float32), np.int32(words), np.array(begins), np.int32(pieces))


def test_arguments_of_bag_means_are_checked() -> None:
    rows, none = np.zeros((2, 3), np.float32), (np.int32([-1]), np.array([0]), np.int32([]))
    with pytest.raises(ts.errors.ShapeError, match="one d"):
        bag_means(rows, *none, more=np.zeros((2, 2), np.float32))
    with pytest.raises(ts.errors.DtypeError, match="of the same"):
        bag_means(rows, *none, more=np.zeros((2, 3)))
    with pytest.raises(ts.errors.ShapeError, match="factors"):
        bag_means(rows, *none, factors=np.ones(3))
    with pytest.raises(ArgumentError, match="end with -1"):
        bag_means(rows, np.int32([0]), np.array([0, 0]), np.int32([]))
