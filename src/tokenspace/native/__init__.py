"""Kernels in C, each with a twin in NumPy that gives the same bits: the compiled one serves where it can, the twin elsewhere.

`door` picks and loads, `signatures` says what each takes, `reference` holds the twins; a module named after a subject checks the
arguments and calls one of the two.
"""

from __future__ import annotations

from tokenspace.native import door
from tokenspace.native.bags import bag_means
from tokenspace.native.door import kernel, levels
from tokenspace.native.json_text import JsonItems, json_items, json_skip
from tokenspace.native.ranked import NO_COSINE, rank_counts
from tokenspace.native.reference_json import MERGED, NUMBERED, SCORED
from tokenspace.native.screens import (
    CodedQueries,
    CodedRows,
    Kept,
    RowTerms,
    bytes_screen,
    code_rows,
    pack_rows,
    screen_bytes,
    screen_floats,
    screen_tile,
)
from tokenspace.native.settling import Nearest, Settling, settle
from tokenspace.native.sums import pair_sums, row_sums
from tokenspace.native.text import copy_word2vec, count_lines, gather, parse_text, scan_word2vec, spell_rows
from tokenspace.native.tiles import all_pairs, fuses, new_panels
from tokenspace.native.tokens import find_tokens, hash_tokens, undecodable_token
from tokenspace.native.unprepared import every_code, every_row
from tokenspace.native.words import WordCounts, renumber, word_pieces

__all__ = [
    "LEVEL",
    "MERGED",
    "NO_COSINE",
    "NUMBERED",
    "SCORED",
    "CodedQueries",
    "CodedRows",
    "JsonItems",
    "Kept",
    "Nearest",
    "RowTerms",
    "Settling",
    "WordCounts",
    "all_pairs",
    "bag_means",
    "bytes_screen",
    "code_rows",
    "copy_word2vec",
    "count_lines",
    "every_code",
    "every_row",
    "find_tokens",
    "fuses",
    "gather",
    "hash_tokens",
    "json_items",
    "json_skip",
    "kernel",
    "levels",
    "new_panels",
    "pack_rows",
    "pair_sums",
    "parse_text",
    "rank_counts",
    "renumber",
    "row_sums",
    "scan_word2vec",
    "screen_bytes",
    "screen_floats",
    "screen_tile",
    "settle",
    "spell_rows",
    "undecodable_token",
    "word_pieces",
]

LEVEL: str
"""The level of the kernels in use, such as ``"x86-64-v3"``; ``"numpy"`` where their twins serve."""


def __getattr__(name: str) -> str:
    """Settle `LEVEL` when it is first asked for, so that importing this module loads no library."""
    if name == "LEVEL":
        return door.level()
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
