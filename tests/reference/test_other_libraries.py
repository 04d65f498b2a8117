"""The same numbers as the libraries people use today, where they are right."""

from __future__ import annotations

import numpy as np
import pytest

from tokenspace import MEASURES, EmbeddingTable, cosine, one_hot, pairwise
from tokenspace.onehot import linear
from tokenspace.search import Approximate, Exact, recall

pytestmark = pytest.mark.reference

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 12)).astype(np.float32), RNG.standard_normal((60, 12)).astype(np.float32)


def test_lookup_and_linear_map_are_torchs():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Embedding.from_pretrained(torch.from_numpy(Y))
    ids = RNG.integers(0, 60, (3, 4))
    table = EmbeddingTable([str(i) for i in range(60)], Y)
    np.testing.assert_array_equal(table[ids], layer(torch.from_numpy(ids)).numpy())
    x = RNG.standard_normal((5, 60)).astype(np.float32)
    expected = torch.nn.functional.linear(torch.from_numpy(x), torch.from_numpy(np.ascontiguousarray(Y.T))).numpy()
    np.testing.assert_allclose(table.linear(x), expected, rtol=1e-4, atol=1e-5)


def test_the_scatter_add_is_torchs_gradient():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Embedding(60, 12)
    ids = torch.from_numpy(RNG.integers(0, 60, 30))
    upstream = RNG.standard_normal((30, 12)).astype(np.float32)
    layer(ids).backward(torch.from_numpy(upstream))
    np.testing.assert_allclose((upstream.T @ one_hot(ids.numpy(), n=60)).T, layer.weight.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_a_sparse_product_is_scipys():
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.random_array((9, 60), density=0.2, rng=1, dtype=np.float64)
    np.testing.assert_allclose(linear(Y, x), x @ Y, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("measure", MEASURES)
def test_all_pairs_are_scikit_learns(measure):
    metrics = pytest.importorskip("sklearn.metrics.pairwise")
    theirs = {
        "euclidean": metrics.euclidean_distances,
        "inner_product": metrics.linear_kernel,
        "cosine": metrics.cosine_similarity,
    }[measure](X, Y)
    np.testing.assert_allclose(pairwise(X, Y, measure=measure), theirs, rtol=1e-4, atol=1e-5)


def test_all_distances_are_scipys():
    distance = pytest.importorskip("scipy.spatial.distance")
    theirs = distance.cdist(X.astype(np.float64), Y.astype(np.float64))
    np.testing.assert_allclose(pairwise(X, Y), theirs, rtol=16 * 2.0**-24)
    np.testing.assert_allclose(pairwise(X, Y, dtype=np.float64), theirs, rtol=1e-12)


def test_neighbours_are_scikit_learns():
    neighbors = pytest.importorskip("sklearn.neighbors")
    for ours, theirs in (("euclidean", "euclidean"), ("cosine", "cosine")):
        tree = neighbors.NearestNeighbors(metric=theirs, algorithm="brute").fit(Y.astype(np.float64))
        np.testing.assert_array_equal(Exact(Y, ours).search(X, 7).ids, tree.kneighbors(X.astype(np.float64), 7)[1])


def test_similarities_and_neighbours_are_gensims():
    models = pytest.importorskip("gensim.models")
    tokens = [f"token{i}" for i in range(60)]
    theirs = models.KeyedVectors(12)
    theirs.add_vectors(tokens, Y)
    table = EmbeddingTable(tokens, Y)
    assert cosine(table["token1"], table["token2"]) == pytest.approx(float(theirs.similarity("token1", "token2")), rel=1e-5)
    for token in tokens[:10]:
        assert table.nearest(token, k=10).tokens == [name for name, _ in theirs.most_similar(token, topn=10)]


@pytest.mark.parametrize("measure", ["euclidean", "inner_product"])
def test_neighbours_are_faisss(measure):
    faiss = pytest.importorskip("faiss")
    index = (faiss.IndexFlatL2 if measure == "euclidean" else faiss.IndexFlatIP)(12)
    index.add(Y)
    np.testing.assert_array_equal(Exact(Y, measure).search(X, 5).ids, index.search(X, 5)[1])


@pytest.mark.parametrize("measure", ["euclidean", "inner_product", "cosine"])
def test_approximate_neighbours_are_those_that_faiss_and_usearch_find_themselves(measure):
    faiss, usearch = pytest.importorskip("faiss"), pytest.importorskip("usearch.index")
    rows, queries = RNG.standard_normal((2000, 12)).astype(np.float32), RNG.standard_normal((50, 12)).astype(np.float32)
    ours = Exact(rows, measure).search(queries, 10).ids
    walked = (rows / np.linalg.norm(rows, axis=1, keepdims=True), queries) if measure == "cosine" else (rows, queries)
    graph = faiss.IndexHNSWFlat(12, 16, faiss.METRIC_L2 if measure == "euclidean" else faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = 128, 128
    graph.add(walked[0])
    index = usearch.Index(ndim=12, metric={"euclidean": "l2sq", "inner_product": "ip", "cosine": "cos"}[measure], expansion_search=128)
    index.add(np.arange(2000), rows)
    for engine, theirs in (("faiss", graph.search(walked[1], 10)[1]), ("usearch", np.asarray(index.search(queries, 10).keys))):
        found = recall(Approximate(rows, measure, engine=engine), queries, 10).value
        share = np.mean([np.isin(a, b).mean() for a, b in zip(ours, theirs, strict=True)])
        assert found >= share - 0.01
        assert found > 0.97
