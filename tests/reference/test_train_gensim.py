"""Parts of word2vec and fastText against gensim's."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import native
from tokenspace.train.model import Model, table_of
from tokenspace.train.sampling import huffman_ways, keep_chances

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def models():
    return pytest.importorskip("gensim.models")


def test_words_are_kept_and_coded_as_gensim_does(models):
    chance = np.random.default_rng(1)
    text = [[f"w{min(int(x), 99)}" for x in chance.exponential(20, 12)] for _ in range(500)]
    theirs = models.Word2Vec(vector_size=4, min_count=1, sample=1e-2, hs=1, negative=0)
    theirs.build_vocab(text)
    counts = np.array([theirs.wv.get_vecattr(word, "count") for word in theirs.wv.index_to_key])
    kept = [theirs.wv.get_vecattr(word, "sample_int") / (2**32 - 1) for word in theirs.wv.index_to_key]
    np.testing.assert_allclose(np.minimum(keep_chances(counts, 1e-2), 1), kept, rtol=1e-6)
    begins, _, _ = huffman_ways(counts)
    lengths = [len(theirs.wv.get_vecattr(word, "code")) for word in theirs.wv.index_to_key]
    assert math.isclose(float((np.diff(begins) * counts).sum()), float((np.array(lengths) * counts).sum()))


def test_pieces_of_words_are_numbered_as_in_fasttext(models):
    fasttext = pytest.importorskip("gensim.models.fasttext")
    for word in ("king", "naïve", "日本語", "a"):
        data = np.frombuffer(word.encode(), dtype=np.uint8)
        _, ours = native.word_pieces(data, np.array([0, len(data)]), minn=3, maxn=6, buckets=2_000)
        assert sorted(ours.tolist()) == sorted(int(x) for x in fasttext.ft_ngram_hashes(word, 3, 6, 2_000))


def test_words_made_of_pieces_have_fasttexts_vectors(tmp_path):
    """A model of ours with fastText's rows gives fastText's bits, for words that it has seen and others; saved and opened too."""
    fasttext = pytest.importorskip("fasttext")
    text, random = tmp_path / "text", np.random.default_rng(7)
    known = [f"w{number}" for number in range(57)] + ["naïve", "москва", "東京"]
    text.write_text("\n".join(" ".join(random.choice(known, 12)) for _ in range(200)), encoding="utf-8")
    # Rows as they start: how they are put together is compared, and on texts so short fastText meets NaN.
    theirs = fasttext.train_unsupervised(str(text), dim=9, minCount=1, bucket=500, lr=0, epoch=1, thread=1, verbose=0)
    words = theirs.get_words()
    line = words.index("</s>")  # which we do not count as a word
    words.pop(line)
    rows = np.delete(theirs.get_input_matrix(), line, axis=0)
    settings = {"minn": 3, "maxn": 6, "bucket": 500}
    counts = np.ones(len(words), dtype=np.int64)
    model = Model("skipgram", ts.Vocabulary(words), counts, rows, rows[: len(words)], settings)
    table = table_of(model, None)
    ts.save(table, tmp_path / "t.tokenspace")
    for ours in (table, ts.open(tmp_path / "t.tokenspace")):
        for word in [*words, "kings", "a b", "москвич", "語", "x" * 2_000]:
            np.testing.assert_array_equal(ours[word], theirs.get_word_vector(word))
