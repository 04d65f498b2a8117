"""A tokenizer made of the parts of the words in question cuts them as the whole one does."""

from __future__ import annotations

import json
import random
import string
from typing import TYPE_CHECKING, Any

import pytest

from tokenspace.checkpoint.folders.contents import open_folder
from tokenspace.checkpoint.tokenizers import cutting, tokenizer_json
from tokenspace.checkpoint.tokenizers.files import open_tokenizer
from tokenspace.checkpoint.tokenizers.new_token import NewToken
from tokenspace.errors import DuplicateTokenError, TokenError

tokenizers = pytest.importorskip("tokenizers")

if TYPE_CHECKING:
    from pathlib import Path

from tokenizers import models, normalizers, pre_tokenizers, trainers  # noqa: E402 - after the check above

RANDOM = random.Random(5)  # noqa: S311 - no secret
SYLLABLES = ["in", "ter", "na", "tion", "al", "ly", "est", "re", "con", "form", "ing", "ü", "日", "é"]
TEXT = [" ".join("".join(RANDOM.choices(SYLLABLES, k=RANDOM.randint(1, 4))) for _ in range(8)) for _ in range(400)]
QUIET: dict[str, Any] = {"show_progress": False}


def byte_level() -> Any:
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **QUIET))
    return made


def byte_level_words_first() -> Any:
    document = json.loads(byte_level().to_str())
    document["model"]["ignore_merges"] = True
    return tokenizers.Tokenizer.from_str(json.dumps(document))


def like_llama() -> Any:
    made = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))  # noqa: S106 - a token of text
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=700, special_tokens=special, max_token_length=12, **QUIET))
    return made


def like_clip() -> Any:
    made = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))  # noqa: S106 - a token of text
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>"], end_of_word_suffix="</w>", **QUIET)
    made.train_from_iterator(TEXT, trainer)
    return made


def like_bert() -> Any:
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - a token of text
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]"], **QUIET))
    return made


def unigram() -> Any:
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer, made.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["<unk>"], unk_token="<unk>", **QUIET)  # noqa: S106 - as above
    made.train_from_iterator(TEXT, trainer)
    return made


def words() -> Any:
    made = tokenizers.Tokenizer(models.WordLevel(unk_token="<unk>"))  # noqa: S106 - a token of text
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(TEXT, trainers.WordLevelTrainer(vocab_size=500, special_tokens=["<unk>"], **QUIET))
    return made


def some_text() -> str:
    words = RANDOM.choice(TEXT).split()
    kinds = [
        lambda: "".join(RANDOM.sample(words, 3)),
        lambda: " ".join(RANDOM.sample(words, 4)),
        lambda: "".join(RANDOM.choices(string.printable + "üß日😀▁Ġ", k=RANDOM.randint(1, 12))),
        lambda: RANDOM.choice(words) + RANDOM.choice(["New York", "<new>", "abc", '"', "\\"]) + RANDOM.choice(words).upper(),
        lambda: RANDOM.choice(words) * 12,
    ]
    return RANDOM.choice(kinds)()


@pytest.mark.parametrize("make", [byte_level, byte_level_words_first, like_llama, like_clip, like_bert, unigram, words])
def test_the_parts_of_a_word_are_all_that_matters(make: Any, tmp_path: Path) -> None:
    whole = make()
    whole.add_tokens(["New York", tokenizers.AddedToken("abc", single_word=True)])
    whole.add_special_tokens(["<new>"])
    model = json.loads(whole.to_str())["model"]
    unknown = model.get("unk_id") if model["type"] == "Unigram" else whole.token_to_id(model.get("unk_token") or "")
    for style in ({}, {"indent": 2, "ensure_ascii": False}):
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(json.loads(whole.to_str()), **style), encoding="utf-8")
        file = tokenizer_json.read(path, set())
        texts = [some_text() for _ in range(150)]
        expected = [[number for number in whole.encode(text, add_special_tokens=False).ids if number != unknown] for text in texts]
        assert cutting.pieces(file, texts) == expected
        assert [cutting.pieces(file, [text])[0] for text in texts[:20]] == expected[:20]


@pytest.mark.parametrize("make", [byte_level, byte_level_words_first, like_llama, like_clip, like_bert, unigram, words])
def test_a_token_that_would_take_anothers_place_is_refused(make: Any, tmp_path: Path) -> None:
    whole = make()
    whole.add_tokens(["New York"])
    path = tmp_path / "tokenizer.json"
    whole.save(str(path))
    (tmp_path / "config.json").write_text("{}")
    known = [word for word in dict.fromkeys(" ".join(TEXT).split()) if len(whole.encode(word, add_special_tokens=False).ids) == 1]
    assert known
    refused = 0
    tried = ["New York", "NEW york", "日ü", *known[:10], *map(str.upper, known[:10]), *(some_text().strip() for _ in range(60))]
    for text in dict.fromkeys(tried):
        tokenizer = open_tokenizer(open_folder(tmp_path), [text])
        if not text or tokenizer.fast.known:
            continue
        before = {word: whole.encode(word, add_special_tokens=False).ids for word in [*known, "New York"] if word != text}
        added = tokenizers.Tokenizer.from_str(whole.to_str())
        added.add_tokens([text])
        changed = [word for word, ids in before.items() if len(ids) == 1 and len(added.encode(word, add_special_tokens=False).ids) == 1]
        changed = [word for word in changed if added.encode(word, add_special_tokens=False).ids != before[word]]
        try:
            tokenizer.check_told_apart([NewToken(text)])
        except (DuplicateTokenError, TokenError):
            refused += 1
        else:
            assert not changed, text
    assert bool(refused) == (make is not words)  # which takes every text as it is spelt


def test_two_spellings_of_one_token_are_refused_where_the_tokenizer_sees_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    (tmp_path / "config.json").write_text("{}")
    pair = [NewToken("Kubectl"), NewToken("kubectl")]
    like_bert().save(str(path))
    tokenizer = open_tokenizer(open_folder(tmp_path))
    with pytest.raises(DuplicateTokenError, match="'Kubectl' and 'kubectl' are the same") as raised:
        tokenizer.check_told_apart(pair)
    assert raised.value.rows == (0, 1)
    tokenizer.check_told_apart([NewToken("Kubectl", normalized=False), NewToken("kubectl")])
    with pytest.raises(TokenError, match="nothing is left"):
        tokenizer.check_told_apart([NewToken("\u0001")])
    words().save(str(path))
    open_tokenizer(open_folder(tmp_path)).check_told_apart(pair)


def test_all_tokens_that_have_a_row_are_named_at_once(tmp_path: Path) -> None:
    whole = like_bert()
    whole.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text("{}")
    alone = [token for token in sorted(whole.get_vocab()) if token.isalpha() and token.isascii()][:30]
    given = ["zzyzx", *alone]
    tokenizer = open_tokenizer(open_folder(tmp_path), given)
    with pytest.raises(DuplicateTokenError, match=f"'{alone[0]}' is in the tokenizer already") as raised:
        tokenizer.check_absent([NewToken(token) for token in given])
    assert raised.value.rows == (whole.token_to_id(alone[0]), 1)
    assert raised.value.hint == f"leave it out: it has a row; so have {', '.join(map(repr, alone[1:21]))} and 9 more"
    with pytest.raises(DuplicateTokenError, match=f"'{alone[0].upper()}' is one token already") as raised:
        tokenizer.check_told_apart([NewToken(token.upper()) for token in given[:3]])
    assert raised.value.hint == f"leave it out: it has a row; so have {alone[1].upper()!r}"


def test_texts_of_too_many_parts_go_to_the_whole_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tokenizer.json"
    like_bert().save(str(path))
    file = tokenizer_json.read(path, set())
    text = " ".join(TEXT[:3])
    few = cutting.pieces(file, [text])
    monkeypatch.setattr(cutting, "MOST", 0)
    assert cutting.pieces(file, [text]) == few
