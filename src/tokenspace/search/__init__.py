"""Nearest rows of a matrix; over plain matrices and row ids, without tokens."""

from __future__ import annotations

from tokenspace.search.approximate import Approximate
from tokenspace.search.communities import community
from tokenspace.search.exact import Exact
from tokenspace.search.found import Certificate, Found
from tokenspace.search.graph import neighbour_graph
from tokenspace.search.paraphrases import Pairs, paraphrase_mining
from tokenspace.search.plan import Plan
from tokenspace.search.ranges import Within
from tokenspace.search.recall import Recall, recall
from tokenspace.search.semantic import semantic_search

__all__ = [
    "Approximate",
    "Certificate",
    "Exact",
    "Found",
    "Pairs",
    "Plan",
    "Recall",
    "Within",
    "community",
    "neighbour_graph",
    "paraphrase_mining",
    "recall",
    "semantic_search",
]
