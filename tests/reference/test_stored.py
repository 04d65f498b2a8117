"""LanceDB as a store that is searched: with filters, scores that are exact, and a recall that is measured."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lancedb")

import tokenspace as ts
from tokenspace import errors, sinks
from tokenspace.search import Exact, recall

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
MEASURES = ("euclidean", "inner_product", "cosine")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return a table of 6,000 rows in 60 clouds, in shards, so that it is mapped."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((60, 32))[random.integers(0, 60, 6000)] + 0.4 * random.standard_normal((6000, 32))
    tokens = [f"{'ab'[row % 2]}{row}" for row in range(6000)]
    return ts.formats.shard(ts.EmbeddingTable(tokens, rows.astype(np.float32)), tmp_path_factory.mktemp("t") / "table", rows=1000)


@pytest.fixture(scope="module", params=MEASURES)
def stored(request, table, tmp_path_factory):
    address = f"lancedb://{tmp_path_factory.mktemp('store')}"
    sinks.fill(table, address, into="words", measure=request.param)
    return sinks.Stored(address, "words", table, request.param)


def test_recall_and_scores(stored, table):
    judged = recall(stored, 100, 10)
    assert judged.value > 0.9, judged
    assert "lancedb" in str(judged)
    queries = table.matrix[:20]
    found, truth = stored.search(queries, 10), Exact(table.matrix, stored.measure).search(queries, 6000)
    for line, scores, ids, known in zip(found.ids, found.scores, truth.ids, truth.scores, strict=True):
        place = dict(zip(ids.tolist(), known.tolist(), strict=True))
        assert [place[row] for row in line.tolist()] == scores.tolist()


def test_filters_are_kept(stored, table):
    queries = table.matrix[:10] + np.float32(0.01)
    found = stored.search(queries, 5, where="token LIKE 'a%' AND id < 3000", exclude=[[0]] * 10)
    assert found.ids.shape == (10, 5)
    for line in found.ids:
        assert (line % 2 == 0).all()
        assert ((line > 0) & (line < 3000)).all()
    allowed = [row for row in range(3000) if row % 2 == 0 and row]
    truth = Exact(table.matrix, stored.measure).search(queries, 5, among=allowed)
    shared = np.mean([len(set(mine) & set(other)) / 5 for mine, other in zip(found.ids.tolist(), truth.ids.tolist(), strict=True)])
    assert shared > 0.9
    assert stored.search(table.matrix[3], 4, where="id = 17").ids.tolist() == [17, -1, -1, -1]


def test_mistakes_are_named(stored, table, tmp_path):
    address = f"lancedb://{stored.place.rest}"
    with pytest.raises(errors.StoreError, match="LanceDB says"):
        stored.search(table.matrix[0], where="no such thing")
    with pytest.raises(errors.ShapeError, match="must have 32 numbers"):
        stored.search([1.0, 2.0])
    with pytest.raises(errors.TableNotFoundError, match="has no table 'other'"):
        sinks.Stored(address, "other", table)
    with pytest.raises(errors.ChecksumError, match="expected the 5,000 rows"):
        sinks.Stored(address, "words", ts.open(table.source, limit=5000))
    with pytest.raises(errors.ArgumentError, match="lancedb"):
        sinks.Stored("qdrant://localhost", "words", table)
    if stored.measure == "cosine":
        with pytest.raises(errors.ZeroVectorError, match="zero vector"):
            stored.search(np.zeros(32))
