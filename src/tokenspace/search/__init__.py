"""Nearest rows of a matrix; over plain matrices and row ids, without tokens."""

from __future__ import annotations

from tokenspace.search.exact import Exact, Found

__all__ = ["Exact", "Found"]
