"""The lecture's statements, as laws that hold for every table, token and vector that hypothesis can think of."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tokenspace import EmbeddingTable, Vocabulary, compare, cosine, euclidean, inner_product, one_hot, pairwise
from tokenspace.extension import proof

SIZES = st.integers(1, 40)
NUMBERS = st.floats(-1e6, 1e6, width=32)
DTYPES = st.sampled_from([np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
TOKENS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def vectors(draw, count=2):
    d = draw(SIZES)
    return [draw(hnp.arrays(np.float32, d, elements=NUMBERS)) for _ in range(count)]


@st.composite
def tables(draw):
    tokens = draw(st.lists(TOKENS, min_size=1, max_size=20, unique=True))
    d = draw(st.integers(1, 9))
    matrix = draw(hnp.arrays(np.float32, (len(tokens), d), elements=st.floats(-1000, 1000, width=16)))
    return EmbeddingTable(tokens, matrix.astype(draw(DTYPES)))


@given(st.integers(2, 200), st.data())
def test_all_pairs_of_one_hot_vectors_are_sqrt_2_apart(n, data):
    """Remark 3.1."""
    i, j = data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True))
    e = one_hot([i, j], n=n).toarray()
    assert euclidean(e[0], e[1]) == math.sqrt(2)
    assert inner_product(e[0], e[1]) == 0


@given(tables(), st.data())
def test_the_active_edges_are_the_lookup(table, data):
    """Equation (7): W e_i = w_i, whether e_i is a token, an id, a sparse or a dense vector."""
    i = data.draw(st.integers(0, table.n - 1))
    e = one_hot(i, n=table.n)
    row = table[i].astype(np.float64)
    for same in (table[table.vocabulary.token(i)], table.linear(e), table.linear(e.toarray()), table.linear(e.tosparse())[0]):
        np.testing.assert_array_equal(same.astype(np.float64), row)


@given(tables(), st.data())
def test_the_layer_is_linear(table, data):
    """Equation (6)."""
    x, y = (data.draw(hnp.arrays(np.float64, table.n, elements=st.floats(-10, 10))) for _ in range(2))
    together = table.linear(2 * x + y)
    apart = 2 * table.linear(x) + table.linear(y)
    scale = (np.abs(x) + np.abs(y)).sum() * np.abs(table.matrix.astype(np.float64)).max(initial=1)
    np.testing.assert_allclose(together, apart, atol=1e-5 * scale + 1e-12)


@given(vectors())
def test_the_identity(pair):
    """Equation (12), both forms."""
    c = compare(*pair)
    scale = c.norm_u**2 + c.norm_v**2
    assert math.isclose(c.identity[0], c.identity[1], rel_tol=1e-12, abs_tol=1e-12 * scale)
    assert math.isclose(c.euclidean**2, c.identity[0], rel_tol=1e-12, abs_tol=1e-300)
    if c.norm_u and c.norm_v:
        other = c.norm_u**2 + c.norm_v**2 - 2 * c.norm_u * c.norm_v * c.cosine
        assert math.isclose(c.identity[0], other, rel_tol=1e-9, abs_tol=1e-12 * scale)


@given(vectors(count=3))
def test_the_distance_is_a_metric(three):
    u, v, w = three
    assert euclidean(u, v) == euclidean(v, u) >= 0
    assert (euclidean(u, v) == 0) == np.array_equal(u, v)
    assert euclidean(u, w) <= (euclidean(u, v) + euclidean(v, w)) * (1 + 1e-12)


@given(vectors())
def test_cauchy_and_schwarz(pair):
    u, v = pair
    bound = math.sqrt(inner_product(u, u)) * math.sqrt(inner_product(v, v))
    assert abs(inner_product(u, v)) <= bound * (1 + 1e-12)
    if bound:
        assert -1 <= cosine(u, v) <= 1


@given(vectors(), st.integers(-20, 20))
def test_the_cosine_forgets_length(pair, exponent):
    u, v = pair
    if u.any() and v.any():
        assert cosine(u.astype(np.float64) * 2.0**exponent, v) == cosine(u, v)
        assert math.isclose(cosine(u.astype(np.float64) * 3, v), cosine(u, v), rel_tol=1e-12, abs_tol=1e-12)


@given(vectors())
def test_one_pair_paired_rows_and_all_pairs_agree(pair):
    u, v = pair
    rows = np.stack([u, v])
    for name, function in (("euclidean", euclidean), ("inner_product", inner_product)):
        table = pairwise(rows, measure=name, dtype=np.float64)
        bound = 1e-12 * (1 if name == "euclidean" else float(np.abs(table).max()))
        assert math.isclose(table[0, 1], function(u, v), rel_tol=1e-9, abs_tol=bound)
        np.testing.assert_array_equal(function(rows, rows[::-1]), [function(u, v), function(v, u)])


@given(tables(), st.lists(TOKENS, max_size=5, unique=True), st.sampled_from(["mean", "sample", "zeros", "subtoken-mean"]))
def test_an_extension_keeps_every_old_byte(table, tokens, init):
    """4.5: the old columns stay; each new token has one of its own."""
    fresh = [token for token in tokens if token not in table]
    before = table.matrix.tobytes()
    bigger = table.extend(fresh, init)
    assert bigger.matrix[: table.n].tobytes() == before == table.matrix.tobytes()
    assert bigger.proof(table).require().added == len(fresh)
    assert [bigger.vocabulary.id(token) for token in fresh] == list(range(table.n, bigger.n))


@given(tables(), st.data())
def test_a_changed_bit_fails_the_proof(table, data):
    rows = np.concatenate([table.matrix, table.matrix])
    i, j = data.draw(st.integers(0, table.n - 1)), data.draw(st.integers(0, table.d * rows.itemsize - 1))
    rows.view(np.uint8)[i, j] ^= 1
    result = proof(table.matrix, rows)
    assert not result
    assert result.first_difference == i


@given(st.lists(st.text(), unique=True, max_size=50))
def test_tokens_and_ids_are_each_others_inverse(tokens):
    encodable = [token for token in tokens if not any("\ud800" <= c <= "\udfff" for c in token)]
    vocabulary = Vocabulary(encodable)
    assert list(vocabulary) == encodable
    assert vocabulary.ids(encodable).tolist() == list(range(len(encodable)))
    assert vocabulary.tokens_of(np.arange(len(encodable))[::-1]) == encodable[::-1]
    assert (vocabulary.find([token + "!" for token in encodable if token + "!" not in encodable]) == -1).all()
