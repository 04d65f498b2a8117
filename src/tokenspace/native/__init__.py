"""Kernels in C, each with a twin in NumPy that gives the same bits: the compiled one serves where it can, the twin elsewhere.

`door` picks and loads, `signatures` says what each takes, `reference` holds the twins; a module named after a subject checks the
arguments and calls one of the two.
"""

from __future__ import annotations

from tokenspace.native import door
from tokenspace.native.door import kernel, levels
from tokenspace.native.sums import pair_sums
from tokenspace.native.text import copy_word2vec, count_lines, gather, parse_text, scan_word2vec, spell_rows
from tokenspace.native.tokens import find_tokens, hash_tokens

__all__ = [
    "LEVEL",
    "copy_word2vec",
    "count_lines",
    "find_tokens",
    "gather",
    "hash_tokens",
    "kernel",
    "levels",
    "pair_sums",
    "parse_text",
    "scan_word2vec",
    "spell_rows",
]

LEVEL: str


def __getattr__(name: str) -> str:
    """Settle `LEVEL` when it is first asked for, so that importing this module loads no library."""
    if name == "LEVEL":
        return door.level()
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
