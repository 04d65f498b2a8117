"""Nearest rows of a matrix; over plain matrices and row ids, without tokens."""

from __future__ import annotations

from tokenspace.search.exact import Certificate, Exact, Found
from tokenspace.search.plan import Plan

__all__ = ["Certificate", "Exact", "Found", "Plan"]
