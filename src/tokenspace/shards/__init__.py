"""A matrix in several files: each piece by itself, for whoever works through them, and all of them as one matrix."""

from __future__ import annotations

from tokenspace.shards.shard import Shard, sha256_of
from tokenspace.shards.span import shards_of, spanned

__all__ = ["Shard", "sha256_of", "shards_of", "spanned"]
