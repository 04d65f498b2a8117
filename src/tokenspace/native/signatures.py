"""What each kernel returns and takes, and the check of every array on its way to C."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any

from tokenspace.errors import ArgumentError, DtypeError

if TYPE_CHECKING:
    import numpy as np


@cache
def name_of(dtype: np.dtype[Any]) -> str:
    """Return ``dtype.name``, which NumPy puts together anew, in 2 µs, each time it is asked."""
    return dtype.name


class Array:
    """The type of an argument that is a NumPy array: checks it at the call and hands its address to C.

    Parameters
    ----------
    *dtypes : str
        The element types the kernel takes, by NumPy's names.
    writeable : bool
        Whether the kernel writes to it.
    optional : bool
        Whether None may stand for it; C sees NULL.
    strided : bool
        Whether only the elements within a row must be adjacent: the kernel is told the row stride.
    """

    def __init__(self, *dtypes: str, writeable: bool = False, optional: bool = False, strided: bool = False) -> None:
        self.dtypes, self.writeable, self.optional, self.strided = dtypes, writeable, optional, strided

    def from_param(self, array: np.ndarray[Any, Any] | None) -> ctypes.c_void_p:
        """Return the address of `array`, which ctypes then passes on."""
        if array is None and self.optional:
            return ctypes.c_void_p(None)
        dtype = getattr(array, "dtype", None)
        if array is None or dtype is None or name_of(dtype) not in self.dtypes or not dtype.isnative:
            message = f"a kernel expected an array of {' or '.join(self.dtypes)}, and got {dtype or type(array).__name__}"
            raise DtypeError(message)
        rows = self.strided and array.ndim > 1 and (array.shape[-1] <= 1 or array.strides[-1] == dtype.itemsize)
        if not (array.flags.c_contiguous or rows) or not array.flags.aligned:
            message = f"a kernel expected adjacent, aligned elements, and got shape {array.shape} with strides {array.strides}"
            raise ArgumentError(message, hint="pass numpy.ascontiguousarray(array)")
        if self.writeable and not array.flags.writeable:
            message = "a kernel expected an array it can write to, and got a read-only one"
            raise ArgumentError(message)
        return ctypes.c_void_p(array.ctypes.data)


FLAG, SIZE, MASK, FLOAT = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_double
BYTES, IDS, SLOTS = Array("uint8"), Array("int64"), Array("uint32")
FLOATS, SOME_IDS, SOME_FLOATS = Array("float64"), Array("int64", optional=True), Array("float64", optional=True)
ROWS = Array("float32", "float64", "float16", "bfloat16", strided=True)
NEW_FLOATS, NEW_IDS, NEW_SLOTS, NEW_BYTES = (Array(name, writeable=True) for name in ("float64", "int64", "uint32", "uint8"))
NEW_NUMBERS = Array("float32", "float64", writeable=True)
REAL, REALS, SOME_REALS, INTS = ctypes.c_float, Array("float32"), Array("float32", optional=True), Array("int32")
NEW_REALS, NEW_INTS = Array("float32", writeable=True), Array("int32", writeable=True)
SINGLES, NEW_SINGLES = Array("float32", strided=True), Array("float32", writeable=True, strided=True)
ROW_TERMS = (SOME_REALS, SOME_REALS, REALS, SIZE, SIZE)  # factor, addend, reach, n, groups or d
CODED = (*(5 * [BYTES]), *ROW_TERMS, FLAG, REAL)  # high, low, scales, residuals, coarse, the rows' terms, base, unit
ASKED = (INTS, INTS, REALS, SIZE)  # a batch of queries: codes, offset, terms, q
TABLE = (FLAG, FLAG, ROWS, SIZE, SIZE, SOME_FLOATS, FLOAT)  # measure, type, rows, stride, d, lengths, most
FOUND = (NEW_FLOATS, NEW_IDS, NEW_IDS, NEW_FLOATS)  # keys, ids, rows finished, the best key of a row that was not
SETTLING = (FLOATS, FLOATS, FLOAT, *(3 * [FLOATS]), *FOUND, NEW_REALS)  # see settle.h
KEPT = (SIZE, SIZE, NEW_REALS, NEW_REALS, NEW_INTS, NEW_INTS)  # k, room, lower, upper, row, count
GATHERED = (NEW_IDS, Array("uint64", writeable=True), Array("uint64", writeable=True))  # sums, bits, tops
NEW_ENTRIES = (NEW_INTS, NEW_IDS, NEW_IDS)  # columns, sums, sizes of the rows
GATHER = (MASK, MASK, FLAG, FLOAT, FLOAT)  # seed, held, wanted, x_max, alpha
SOME_NEW_RECORDS = tuple(Array(name, writeable=True, optional=True) for name in ("int32", "float32"))
WORD_INDEX = (Array("uint64", writeable=True), MASK, NEW_BYTES, SIZE, NEW_IDS, SIZE, NEW_IDS)  # slots, bytes, offsets, counts
SOME_INTS, NEW_STATE = Array("int32", optional=True), Array("uint64", writeable=True)
TRAINING = (
    *(INTS, SIZE, SIZE, REALS, NEW_STATE),  # ids, begin, end, keep, random
    *(SIZE, REAL, FLAG),  # window, rate, learn
    *(NEW_REALS, NEW_REALS, SIZE, IDS),  # inputs, outputs, d, free
    *(SIZE, SIZE, SOME_REALS, SOME_INTS),  # negative, n, share, other
    *(SOME_IDS, SOME_INTS, SOME_REALS),  # ways, node, turn
    *(NEW_REALS, NEW_FLOATS),  # space, tally
)

SOME_ROWS = Array("float32", "float64", "float16", "bfloat16", optional=True)
BAGS = (INTS, SIZE, IDS, SIZE, INTS, SIZE, SIZE)  # words with -1 behind each bag; where each one's rows begin; the rows; most of a bag

SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cpu_level": (FLAG,),
    "sources": (ctypes.c_char_p,),
    "tidy_heap": (None,),
    "pair_sums": (None, FLAG, FLAG, FLOATS, ROWS, SIZE, SIZE, SOME_IDS, SOME_IDS, SIZE, NEW_FLOATS),
    "row_sums": (None, FLAG, ROWS, SIZE, SIZE, SIZE, NEW_FLOATS),
    "rank_counts": (None, FLAG, ROWS, *(4 * [SIZE]), FLOATS, FLOATS, FLOAT, FLOATS, IDS, SIZE, NEW_IDS),
    "screen_tile": (FLAG,),
    "code_rows": (None, FLAG, ROWS, SIZE, SIZE, SIZE, FLOATS, FLAG, REAL, NEW_FLOATS, *(5 * [NEW_BYTES])),
    "pack_rows": (None, FLAG, ROWS, SIZE, SIZE, SIZE, FLOATS, NEW_FLOATS, NEW_REALS),
    "screen_bytes": (SIZE, *CODED, SIZE, SIZE, SIZE, *ASKED, *KEPT, NEW_BYTES),
    "settle": (None, *TABLE, *SETTLING, IDS, SIZE, SIZE, *KEPT),
    "nearest": (None, *CODED, SIZE, SIZE, *TABLE, FLOATS, FLOAT, FLOATS, NEW_FLOATS, NEW_REALS, NEW_BYTES, *KEPT, *FOUND),
    "every_row": (FLAG, FLAG, FLAG, ROWS, SIZE, SIZE, FLOATS, SIZE, SIZE, SIZE, FLOATS, NEW_REALS, NEW_REALS, NEW_FLOATS, SIZE, *FOUND),
    "every_code": (FLAG, FLAG, FLAG, ROWS, SIZE, SIZE, FLOATS, SIZE, SIZE, SIZE, FLOATS, FLOATS, NEW_BYTES, SIZE, *FOUND),
    "every_code_room": (SIZE, SIZE, SIZE, SIZE, SIZE, FLAG),
    "screen_floats": (SIZE, REALS, *ROW_TERMS, REAL, SIZE, SIZE, REALS, REALS, SIZE, *KEPT),
    "all_pairs": (SIZE, FLAG, SINGLES, SIZE, SIZE, REALS, SIZE, SIZE, FLOATS, FLOATS, FLOAT, FLOAT, NEW_SINGLES, SIZE),
    "hash_tokens": (SIZE, BYTES, IDS, SIZE, NEW_SLOTS, MASK, NEW_IDS),
    "find_tokens": (None, BYTES, SIZE, IDS, SIZE, SLOTS, MASK, BYTES, IDS, SIZE, NEW_IDS),
    "utf8_tokens": (SIZE, BYTES, SIZE, IDS, SIZE, SIZE),
    "text_rows": (SIZE, BYTES, SIZE, SIZE, SIZE, SIZE, SIZE, FLAG, FLAG, NEW_NUMBERS, NEW_IDS, NEW_IDS, NEW_IDS, SIZE, NEW_IDS),
    "text_write": (SIZE, Array("float32", strided=True), SIZE, SIZE, BYTES, IDS, SIZE, SIZE, NEW_BYTES, SIZE, NEW_IDS),
    "word2vec_rows": (SIZE, BYTES, SIZE, SIZE, SIZE, SIZE, NEW_IDS, NEW_IDS, NEW_IDS),
    "word2vec_copy": (SIZE, BYTES, IDS, IDS, SIZE, SIZE, SIZE, Array("float32", writeable=True)),
    "json_skip": (SIZE, BYTES, SIZE, SIZE, SIZE, NEW_IDS),
    "json_items": (SIZE, BYTES, SIZE, SIZE, FLAG, SIZE, SIZE, NEW_BYTES, NEW_IDS, NEW_BYTES, NEW_FLOATS, NEW_IDS, NEW_IDS),
    "gather": (None, BYTES, IDS, IDS, SIZE, NEW_BYTES),
    "count_lines": (SIZE, BYTES, SIZE, SIZE),
    "word_counts": (SIZE, INTS, SIZE, SIZE, NEW_IDS),
    "word_places": (None, INTS, SIZE, SIZE, SIZE, NEW_IDS, NEW_INTS),
    "cooccurrence_rows": (SIZE, INTS, SIZE, SIZE, INTS, IDS, SIZE, SIZE, FLAG, SIZE, IDS, SIZE, *GATHERED, SIZE, *NEW_ENTRIES),
    "merge_rows": (SIZE, INTS, *(3 * [IDS]), SIZE, SIZE, *GATHERED, SIZE, *NEW_ENTRIES),
    "glove_gather": (None, *(3 * [IDS]), SIZE, IDS, INTS, BYTES, INTS, SIZE, *GATHER, NEW_IDS, *SOME_NEW_RECORDS),
    "glove_mix": (None, IDS, SIZE, MASK, NEW_IDS, NEW_IDS),
    "glove_steps": (None, INTS, REALS, IDS, SIZE, SIZE, NEW_REALS, SIZE, FLAG, SIZE, REAL, REAL, NEW_FLOATS),
    "glove_cost": (FLOAT, INTS, REALS, SIZE, REALS, SIZE, FLAG),
    "skipgram": (None, *TRAINING),
    "bags": (None, *TRAINING, FLAG, SOME_IDS, SOME_INTS, NEW_INTS),
    "bag_means": (SIZE, FLAG, ROWS, SIZE, SIZE, SIZE, SOME_ROWS, SIZE, SOME_FLOATS, *BAGS, NEW_FLOATS, NEW_REALS, NEW_IDS),
    "context_sums": (None, INTS, SIZE, SIZE, SIZE, REALS, SIZE, SIZE, SIZE, NEW_FLOATS, NEW_IDS),
    "word_ids": (SIZE, BYTES, SIZE, SIZE, BYTES, FLAG, SIZE, *WORD_INDEX, NEW_INTS, NEW_IDS),
    "word_join": (SIZE, BYTES, IDS, IDS, SIZE, SIZE, *WORD_INDEX, NEW_INTS, NEW_IDS),
    "word_pieces": (SIZE, BYTES, IDS, SIZE, SIZE, SIZE, SIZE, SIZE, NEW_IDS, NEW_INTS, SIZE),
    "word_slots": (None, BYTES, IDS, SIZE, Array("uint64", writeable=True), MASK),
    "word_renumber": (SIZE, NEW_INTS, SIZE, INTS, NEW_IDS),
}
"""Every exported function, in C with the prefix ts_: what it returns, then what it takes."""
