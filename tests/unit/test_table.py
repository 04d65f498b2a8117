"""The table: names over a matrix."""

from __future__ import annotations

import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest

from tokenspace import MEASURES, EmbeddingTable, Vocabulary, one_hot
from tokenspace.errors import (
    ArgumentError,
    DtypeError,
    DuplicateTokenError,
    ImmutableError,
    NotFiniteError,
    RowIdError,
    ShapeError,
    TokenError,
    UnknownTokenError,
    ZeroVectorError,
)
from tokenspace.search import Exact

TOKENS = ["man", "woman", "king", "queen", "new york", "x-ray", "a - b", "zero"]
ROWS = np.float32([[1, 0], [1, 2], [3, 0], [3, 2], [5, -5], [0, 4], [-2, -2], [0, 0]])


@pytest.fixture
def table():
    return EmbeddingTable(TOKENS, ROWS)


def test_lookup_by_token_id_and_batches_of_both(table):
    np.testing.assert_array_equal(table["king"], ROWS[2])
    np.testing.assert_array_equal(table[2], ROWS[2])
    np.testing.assert_array_equal(table[np.int32(2)], ROWS[2])
    np.testing.assert_array_equal(table[["king", "new york"]], ROWS[[2, 4]])
    np.testing.assert_array_equal(table[("king", 0)], ROWS[[2, 0]])
    np.testing.assert_array_equal(table[[2, 0]], ROWS[[2, 0]])
    np.testing.assert_array_equal(table[np.array([["king"], ["man"]])], ROWS[[[2], [0]]])
    np.testing.assert_array_equal(table[np.array([[0, 1], [2, 3]])], ROWS[[[0, 1], [2, 3]]])
    np.testing.assert_array_equal(table[1:3], ROWS[1:3])
    assert table[[]].shape == (0, 2)


def test_it_knows_its_size(table):
    assert (len(table), table.n, table.d, table.shape, table.dtype) == (8, 8, 2, (8, 2), np.float32)
    assert "new york" in table
    assert "york" not in table
    assert list(table) == TOKENS
    assert "n=8, d=2" in repr(table)


@pytest.mark.parametrize("key", [-1, 8, [0, 99], np.array([-3])])
def test_ids_outside_are_refused(table, key):
    with pytest.raises(RowIdError, match=r"0\.\.7"):
        table[key]


@pytest.mark.parametrize("key", [1.5, None, [0.5], True])
def test_what_is_neither_token_nor_id_is_refused(table, key):
    with pytest.raises(RowIdError):
        table[key]


def test_unknown_tokens_name_the_nearest_spellings(table):
    for call in (lambda: table["kin"], lambda: table[["king", "kin"]], lambda: table.nearest("kin"), lambda: table.nearest("king - kin")):
        with pytest.raises(UnknownTokenError, match="'king'"):
            call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_every_element_type_is_kept(dtype):
    table = EmbeddingTable(TOKENS, ROWS.astype(dtype))
    assert table.dtype == dtype
    assert table["king"].dtype == dtype
    np.testing.assert_array_equal(table.linear(one_hot([2], n=8))[0], table["king"])
    np.testing.assert_array_equal(table.linear(one_hot([2], n=8).toarray())[0].astype(np.float64), ROWS[2])
    assert table.nearest("king", k=1, measure="euclidean").tokens == ["man"]
    assert table.extend(["kings"]).dtype == dtype


def test_plain_numbers_become_float32():
    assert EmbeddingTable(["a"], [[1, 2]]).dtype == np.float32
    assert EmbeddingTable(["a"], [[2**24 + 1, 2]]).dtype == np.float64  # float32 cannot hold the first


def test_the_table_stays_what_it_was(table):
    mine = ROWS.copy()
    mine_too = mine[:, :]
    for given in (mine, mine_too):
        kept = EmbeddingTable(TOKENS, given)
        before = kept.matrix.copy()
        mine[0] += 1
        np.testing.assert_array_equal(kept.matrix, before)
    with pytest.raises(ValueError, match="read-only"):
        table.matrix[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        table["king"][0] = 1
    for name in ("matrix", "vocabulary", "d", "new_name"):
        with pytest.raises(ImmutableError):
            setattr(table, name, 1)


def test_a_read_only_matrix_is_not_copied():
    mine = ROWS.copy()
    mine.flags.writeable = False
    assert np.shares_memory(EmbeddingTable(TOKENS, mine).matrix, mine)


def test_tables_that_cannot_be_are_refused():
    with pytest.raises(ShapeError, match="matrix.T"):
        EmbeddingTable(["a", "b"], np.ones((3, 2)))
    with pytest.raises(ShapeError):
        EmbeddingTable(["a"], np.ones(3))
    with pytest.raises(ShapeError):
        EmbeddingTable(["a"], np.ones((1, 0)))
    with pytest.raises(DtypeError):
        EmbeddingTable(["a"], [["x"]])
    with pytest.raises(NotFiniteError, match="row 1, column 0"):
        EmbeddingTable(["a", "b"], [[1, 2], [np.nan, 2]])
    with pytest.raises(DuplicateTokenError, match="0 and 1"):
        EmbeddingTable(["a", "a"], np.ones((2, 2)))


def test_expressions_are_the_linear_map_of_their_signs(table):
    x = np.zeros(8)
    x[[2, 0, 1]] = 1, -1, 1
    np.testing.assert_array_equal(table.vector("king - man + woman"), table.linear(x))
    np.testing.assert_array_equal(table.vector("- man + new york"), ROWS[4] - ROWS[0])
    np.testing.assert_array_equal(table.vector("king + king"), 2 * ROWS[2])
    np.testing.assert_array_equal(table.vector("x-ray"), ROWS[5])
    np.testing.assert_array_equal(table.vector("a - b"), ROWS[6])  # a token as a whole
    assert table.nearest("king - man + woman", k=1).tokens == ["queen"]


@pytest.mark.parametrize("expression", ["king - ", "king -  + man", "+ "])
def test_half_an_expression_is_refused(table, expression):
    with pytest.raises((TokenError, UnknownTokenError)):
        table.vector(expression)


@pytest.mark.parametrize("measure", MEASURES)
def test_neighbours_leave_the_query_out_unless_asked(table, measure):
    without, including = (table.nearest("king", k=99, measure=measure, include_query=flag) for flag in (False, True))
    assert "king" not in without.tokens
    assert len(without) == 7
    assert sorted(including.tokens) == sorted(TOKENS)
    assert [row for row in including.ids if row != 2] == without.ids[without.ids >= 0].tolist()
    assert without.measure == measure
    assert dict(without)["queen"] == dict(including)["queen"]


def test_a_batch_gives_the_answers_of_its_members(table):
    for batch in (["king", "new york", "queen - woman"], ["king", 4, 1]):
        together = table.nearest(batch, k=3)
        assert together.ids.shape == (3, 3)
        for one, query in zip(together, batch, strict=True):
            alone = table.nearest(query, k=3)
            assert one.tokens == alone.tokens
            np.testing.assert_array_equal(one.scores, alone.scores)
    by_id = table.nearest(np.array([2, 4]), k=3)
    assert by_id.tokens == table.nearest(["king", "new york"], k=3).tokens
    vectors = table.nearest(ROWS[:3], k=2, measure="euclidean")
    assert [tokens[0] for tokens in vectors.tokens] == TOKENS[:3]  # plain vectors leave nothing out
    assert table.nearest(ROWS[0], k=2, measure="euclidean").tokens[0] == "man"


def test_fewer_rows_than_asked_for_in_a_batch_of_unequal_queries(table):
    batch = table.nearest(["king", "king - man + woman"], k=8)
    assert [len(tokens) for tokens in batch.tokens] == [7, 5]
    assert batch.ids[1].tolist()[5:] == [-1, -1, -1]


def test_a_zero_query_is_refused_alone_and_nan_in_a_batch(table):
    with pytest.raises(ZeroVectorError):
        table.nearest("zero")
    with pytest.raises(ZeroVectorError):
        table.nearest("king - king")
    assert np.isnan(table.nearest(["zero", "king"], k=2).scores[0]).all()
    assert table.nearest("zero", k=1, measure="euclidean").tokens == ["man"]
    assert np.isnan(table.nearest("king", k=7).scores[-1])


def test_searches_stay_with_the_table_and_its_threads_share_them(monkeypatch):
    made = []
    monkeypatch.setattr(
        "tokenspace.search.kept.Exact", lambda matrix, measure, **how: made.append(measure) or Exact(matrix, measure, **how)
    )
    rows = np.random.default_rng(0).standard_normal((5000, 24)).astype(np.float32)
    table = EmbeddingTable(map(str, range(5000)), rows)
    wanted = {measure: Exact(rows, measure).search(rows[:40], 6) for measure in MEASURES}

    def ask(at):
        measure = MEASURES[at % 3]
        one = table.nearest(rows[at % 40], k=6, measure=measure, threads=1 + at % 2 * (at > 200))
        np.testing.assert_array_equal(one.ids, wanted[measure].ids[at % 40])
        np.testing.assert_array_equal(one.scores, wanted[measure].scores[at % 40])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(200)))
        assert {measure: made.count(measure) <= 8 for measure in MEASURES} == dict.fromkeys(MEASURES, True)
        list(pool.map(ask, range(200, 260)))
    made.clear()
    for at in range(30):
        ask(at)
    assert len(made) <= 6  # for one thread again, and once more where another measure has made the codes meanwhile
    assert len(pickle.dumps(table)) < 1.3 * rows.nbytes


def test_measures_share_the_codes_and_nothing_outlives_the_table():
    table = EmbeddingTable(map(str, range(300)), np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32))
    kept = table._kept
    first, other = (kept.search(measure, 1) for measure in ("cosine", "euclidean"))
    if "bytes" in first._known.usable:
        codes = first.code()
        assert kept.search("euclidean", 1).codes is codes
        assert kept.search("cosine", 1) is first
        assert kept.search("inner_product", 1).codes is codes
        assert other.codes is None
    matrix = weakref.ref(table.matrix)
    del table, kept, first, other
    gc.collect()
    assert matrix() is None


def test_bad_queries_say_what_is_wrong(table):
    with pytest.raises(ShapeError):
        table.nearest(np.ones(3))
    with pytest.raises(ArgumentError):
        table.nearest("king", k=0)
    with pytest.raises(ArgumentError):
        table.nearest("king", measure="euclid")
    with pytest.raises(NotFiniteError):
        table.nearest([np.nan, 1.0])


def test_extension_keeps_the_old_bytes_and_proves_it(table):
    bigger = table.extend(["york king", "covid"], init="mean")
    assert bigger.proof(table)
    assert list(bigger)[-2:] == ["york king", "covid"]
    assert len(table) == 8
    np.testing.assert_allclose(bigger["covid"], ROWS.mean(axis=0))
    with pytest.raises(DuplicateTokenError):
        table.extend(["king"])
    with pytest.raises(ArgumentError, match="tokens"):
        bigger.proof(EmbeddingTable(["other", *TOKENS[1:]], ROWS))
    changed = EmbeddingTable(TOKENS, ROWS + 1)
    assert changed.proof(table).first_difference == 0


def test_subtokens_are_words_then_longest_pieces(table):
    bigger = table.extend(["king queen", "kingman", "qqq"])
    np.testing.assert_array_equal(bigger["king queen"], ROWS[[2, 3]].mean(axis=0))
    np.testing.assert_array_equal(bigger["kingman"], ROWS[[2, 0]].mean(axis=0))
    np.testing.assert_allclose(bigger["qqq"], ROWS.mean(axis=0), rtol=1e-6)  # no piece is known: the mean of all


def test_it_pickles_and_stays_immutable(table):
    again = pickle.loads(pickle.dumps(table))  # noqa: S301 - our own bytes
    assert again.proof(table)
    with pytest.raises(ValueError, match="read-only"):
        again.matrix[0] = 1


def test_verify_finds_what_a_map_does_not(table):
    table.verify()
    rows = ROWS.copy()
    rows[3, 1] = np.inf
    with pytest.raises(NotFiniteError, match="row 3"):
        EmbeddingTable.mapped(Vocabulary(TOKENS), rows).verify()
    with pytest.raises(ShapeError):
        EmbeddingTable.mapped(Vocabulary(TOKENS[1:]), rows)
