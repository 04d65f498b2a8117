"""Text to a vocabulary and ids."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import subprocess
import sys
import zipfile
from collections import Counter
from itertools import pairwise

import pytest

from tokenspace.errors import (
    ArgumentError,
    CompressionError,
    EncodingError,
    TableNotFoundError,
    TokenError,
    TruncatedFileError,
    UnknownFormatError,
)
from tokenspace.formats import packed as unpacking
from tokenspace.texts import reading
from tokenspace.train.corpus import read_corpus
from tokenspace.vocabulary import Vocabulary


def plainly(sentences, min_count=1):
    """Make what a corpus has to be, in plain Python."""
    counts = Counter(word for sentence in sentences for word in sentence)
    words = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word.encode()))
    number = {word: row for row, word in enumerate(words)}
    kept = [[number[word] for word in sentence if word in number] for sentence in sentences]
    return words, [counts[word] for word in words], [x for sentence in kept if sentence for x in [*sentence, -1]]


def seen(corpus):
    return list(corpus.vocabulary), corpus.counts.tolist(), corpus.ids.tolist()


@pytest.fixture(scope="module")
def sentences():
    chance = random.Random(5)  # noqa: S311 - words, no secrets
    words = ["wort" + "x" * chance.randrange(9) + str(number) for number in range(30_000)]
    return [[words[min(int(chance.expovariate(0.001)), 29_999)] for _ in range(chance.randrange(1, 30))] for _ in range(9_000)]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_file_becomes_what_plain_python_makes_of_it_whatever_the_threads(native_level, sentences, threads, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "PIECE", 20_000)
    file = tmp_path / "text"
    file.write_text("\n".join("\t ".join(sentence) for sentence in sentences) + "\n\n\n")
    assert seen(read_corpus(file, min_count=3, threads=threads)) == plainly(sentences, 3)


def test_token_lists_from_a_generator_give_the_same_as_a_file_and_may_hold_blanks(native_level, sentences):
    with_blanks = [[word.replace("x", " ") for word in sentence] for sentence in sentences[:500]]
    assert seen(read_corpus((sentence for sentence in with_blanks), min_count=2)) == plainly(with_blanks, 2)


def test_gz_zst_and_standard_input_are_the_text_they_hold_whatever_their_names(sentences, tmp_path, monkeypatch):
    text = "\n".join(" ".join(sentence) for sentence in sentences).encode()
    (tmp_path / "a.txt").write_bytes(gzip.compress(text[:100_000]) + gzip.compress(text[100_000:]))
    wanted = plainly(sentences)
    assert seen(read_corpus(tmp_path / "a.txt", min_count=1)) == wanted
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert seen(read_corpus("-", min_count=1)) == wanted
    if sys.version_info < (3, 14):
        zstd = pytest.importorskip("backports.zstd")
        frames = zstd.compress(text[:77_777]) + zstd.compress(text[77_777:])
        (tmp_path / "b.gz").write_bytes(frames)
        assert seen(read_corpus(str(tmp_path / "b.gz"), min_count=1)) == wanted
        (tmp_path / "cut").write_bytes(frames[:-9])
        with pytest.raises((TruncatedFileError, CompressionError)):
            read_corpus(tmp_path / "cut")


def test_bz2_xz_and_zip_are_read_too_and_a_text_may_pack_well(tmp_path, monkeypatch):
    sentences = [["the", "cat", "sat"]] * 20_000
    text = "\n".join(" ".join(sentence) for sentence in sentences).encode()
    for name, packed in (("bz2", bz2.compress(text)), ("xz", lzma.compress(text))):
        (tmp_path / name).write_bytes(packed)
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/text", text)
    monkeypatch.setattr(unpacking, "SLACK", 1 << 10)  # a table would be refused at so many times its packed bytes
    for name in ("bz2", "xz", "zip"):
        assert seen(read_corpus(tmp_path / name, min_count=1)) == plainly(sentences)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "zip").read_bytes())))
    with pytest.raises(UnknownFormatError, match="zip archive"):
        read_corpus("-")
    with zipfile.ZipFile(tmp_path / "zip", "a") as archive:
        archive.writestr("another", text)
    with pytest.raises(CompressionError, match="another"):
        read_corpus(tmp_path / "zip")


@pytest.mark.parametrize(("damage", "error"), [(slice(None, -20), TruncatedFileError), (slice(None), CompressionError)])
def test_a_damaged_gz_file_is_named_and_never_taken_for_a_short_text(damage, error, sentences, tmp_path):
    packed = bytearray(gzip.compress(" ".join(sentences[0] * 900).encode()))
    packed[-6] ^= 1
    (tmp_path / "t").write_bytes(packed[damage])
    with pytest.raises(error, match="gzip data"):
        read_corpus(tmp_path / "t", min_count=1)


def test_several_files_are_one_text_and_a_file_ends_its_sentence(tmp_path):
    (tmp_path / "a").write_text("one two")
    (tmp_path / "b").write_text("three\none")
    corpus = read_corpus([tmp_path / "a", tmp_path / "b"], min_count=1)
    assert seen(corpus) == plainly([["one", "two"], ["three"], ["one"]])


def test_old_tokens_keep_their_ids_and_new_ones_come_behind_them():
    base = Vocabulary(["z", "absent", "b"])
    corpus = read_corpus([["a", "b", "c", "a", "z"]], min_count=1, base=base)
    assert list(corpus.vocabulary) == ["z", "absent", "b", "a", "c"]
    assert corpus.ids.tolist() == [3, 2, 4, 3, 0, -1]
    assert corpus.counts.tolist() == [1, 0, 1, 2, 1]
    only = read_corpus([["a", "b", "c", "a", "z"]], min_count=1, base=base, max_vocabulary=3)
    assert (list(only.vocabulary), only.ids.tolist()) == (["z", "absent", "b"], [2, 0, -1])


def test_parts_cover_the_text_and_end_with_sentences(sentences):
    corpus = read_corpus(sentences, min_count=1)
    parts = corpus.parts(1_000)
    assert parts[0][0] == 0
    assert parts[-1][1] == len(corpus.ids)
    assert all(end == start for (_, end), (start, _) in pairwise(parts))
    assert all(corpus.ids[end - 1] == -1 for _, end in parts)
    assert max(end - start for start, end in parts) < 2_000
    endless = read_corpus([["a", "b"] * 5_000], min_count=1)
    assert {end - start for start, end in endless.parts(1_000)} == {1_000, 1_001}


def test_a_line_of_many_megabytes_is_one_sentence(tmp_path):
    (tmp_path / "t").write_bytes(b"ab cd " * 1_000_000)
    corpus = read_corpus(tmp_path / "t", threads=2)
    assert (corpus.tokens, len(corpus.ids), corpus.ids[-1]) == (2_000_000, 2_000_001, -1)


def test_a_word_of_many_megabytes_is_dropped_and_said(native_level, tmp_path):
    (tmp_path / "t").write_bytes(b"ab " * 9 + b"x" * 5_000_000 + b" ab\n" + b"y" * 65_537 + b" " + b"z" * 65_536)
    with pytest.warns(RuntimeWarning, match="2 words of more than 65,536 bytes"):
        corpus = read_corpus(tmp_path / "t", min_count=1, threads=1)
    assert corpus.counts.tolist() == [10, 1]


def test_bytes_that_are_no_text_are_refused_or_kept_as_asked(tmp_path):
    junk = random.Random(1).randbytes(300_000)  # noqa: S311 - junk
    (tmp_path / "junk").write_bytes(junk)
    with pytest.raises(EncodingError, match="expected UTF-8"):
        read_corpus(tmp_path / "junk", min_count=2)
    corpus = read_corpus(tmp_path / "junk", min_count=1, errors="surrogateescape")
    assert corpus.tokens == len(junk.split())


def test_marks_at_the_beginning_of_a_file_are_no_part_of_its_first_word(tmp_path):
    (tmp_path / "t").write_text("one two one", encoding="utf-8-sig")
    assert list(read_corpus(tmp_path / "t", min_count=1).vocabulary) == ["one", "two"]
    (tmp_path / "t").write_text("one two one", encoding="utf-16")
    with pytest.raises(EncodingError, match="mark of another encoding"):
        read_corpus(tmp_path / "t", min_count=1)
    with pytest.raises(ArgumentError, match="is a folder"):
        read_corpus(tmp_path)


@pytest.mark.parametrize("text", ["", " \n\t\n", []])
def test_an_empty_text_is_refused(text, tmp_path):
    (tmp_path / "t").write_text(text or "")
    with pytest.raises(ArgumentError, match="holds no word"):
        read_corpus(tmp_path / "t" if isinstance(text, str) else text)


def test_words_that_are_all_rare_are_refused_with_what_to_do():
    with pytest.raises(ArgumentError, match=r"of 3 different words in a text of 4 .*\n.*min_count"):
        read_corpus([["a", "b", "c", "a"]], min_count=5)


@pytest.mark.parametrize(("text", "error"), [(["a b"], TableNotFoundError), (iter(["a b"]), ArgumentError), ([["a", 1]], TokenError)])
def test_what_is_no_text_is_refused(text, error):
    with pytest.raises(error):
        read_corpus(text)


def test_a_full_disk_is_said(sentences, tmp_path):
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from tokenspace.train.corpus import read_corpus\n"
        "from tokenspace.errors import OutputError\n"
        "try: read_corpus([['a', 'b']] * 9999)\n"
        "except OutputError as error: sys.exit('TMPDIR' in str(error) and 7)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 7


def test_a_tokenizer_makes_the_tokens(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "new": 1, "york": 2}, unk_token="[UNK]"))  # noqa: S106
    made.pre_tokenizer = tokenizers.pre_tokenizers.Punctuation("removed")
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "t").write_text("new-york\nyork-x-york\n\n")
    corpus = read_corpus(tmp_path / "t", tokenizer=tmp_path / "tokenizer.json", min_count=1)
    assert seen(corpus) == (["york", "[UNK]", "new"], [3, 1, 1], [2, 0, -1, 0, 1, 0, -1])
    with pytest.raises(TableNotFoundError, match="tokenizer"):
        read_corpus(tmp_path / "t", tokenizer=tmp_path / "t")


def test_memory_follows_the_vocabulary_and_not_the_text(tmp_path):
    (tmp_path / "t").write_bytes(b"this line is read once more\n" * 1_000_000)
    program = (
        "import resource, sys; from tokenspace.train.corpus import read_corpus\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "read_corpus(sys.argv[1], threads=2); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    told = subprocess.run([sys.executable, "-c", program, tmp_path / "t"], check=True, capture_output=True).stdout
    assert int(told) < 40_000
