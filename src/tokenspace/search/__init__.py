"""Nearest rows of a matrix; over plain matrices and row ids, without tokens."""

from __future__ import annotations

from tokenspace.search.approximate import Approximate
from tokenspace.search.exact import Exact
from tokenspace.search.found import Certificate, Found
from tokenspace.search.graph import neighbour_graph
from tokenspace.search.plan import Plan
from tokenspace.search.ranges import Within
from tokenspace.search.recall import Recall, recall

__all__ = ["Approximate", "Certificate", "Exact", "Found", "Plan", "Recall", "Within", "neighbour_graph", "recall"]
