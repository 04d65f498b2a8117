"""Engines, and a table in eight files for them to work on."""

from __future__ import annotations

import numpy as np
import pytest

import tokenspace as ts


@pytest.fixture(scope="session")
def sharded(tmp_path_factory):
    """Return a table of 4,000 rows in 8 shards, and its folder."""
    random = np.random.default_rng(7)
    rows = random.standard_normal((4000, 24)).astype(np.float32)
    rows[100:110] = rows[3000]  # ties across shards
    rows[[5, 3999]] = 0
    folder = tmp_path_factory.mktemp("shards") / "table"
    return ts.formats.shard(ts.EmbeddingTable([f"t{i}" for i in range(4000)], rows), folder, rows=500), folder
