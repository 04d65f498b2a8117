"""Tables read into memory: a matrix of shape (n, d), and something that finds a token's row. Each returns both."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def tokenspace(path: Path, _n: int, _d: int) -> tuple[Any, Any]:
    """Ours, without the cache."""
    import tokenspace as ts  # noqa: PLC0415 - a method imports its own library

    table = ts.open(path, cache=False, threads=int(os.environ.get("OMP_NUM_THREADS", "1")))
    return table.matrix, table.vocabulary.id


def gensim_text(path: Path, _n: int, _d: int) -> tuple[Any, Any]:
    """Gensim's reader of text."""
    from gensim.models import KeyedVectors  # noqa: PLC0415

    vectors = KeyedVectors.load_word2vec_format(str(path), no_header=True)
    return vectors.vectors, vectors.key_to_index.__getitem__


def gensim_binary(path: Path, _n: int, _d: int) -> tuple[Any, Any]:
    """Gensim's reader of word2vec binary."""
    from gensim.models import KeyedVectors  # noqa: PLC0415

    vectors = KeyedVectors.load_word2vec_format(str(path), binary=True)
    return vectors.vectors, vectors.key_to_index.__getitem__


def polars(path: Path, _n: int, d: int) -> tuple[Any, Any]:
    """Polars' reader of CSV, its columns joined; no index of the words."""
    import polars as pl  # noqa: PLC0415

    schema = {"word": pl.String, **{f"c{k}": pl.Float32 for k in range(d)}}
    frame = pl.read_csv(path, separator=" ", has_header=False, quote_char=None, schema=schema)
    return frame.drop("word").to_numpy(), None


def pyarrow(path: Path, _n: int, d: int) -> tuple[Any, Any]:
    """PyArrow's reader of CSV, its columns joined; no index of the words."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    names = ["word", *(f"c{k}" for k in range(d))]
    types = {"word": pa.string(), **dict.fromkeys(names[1:], pa.float32())}
    pa.set_cpu_count(int(os.environ.get("OMP_NUM_THREADS", "1")))
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=names),
        parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
        convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=False, null_values=[]),
    )
    return np.column_stack([table[name].combine_chunks().to_numpy() for name in names[1:]]), None


def numpy_loadtxt(path: Path, _n: int, d: int) -> tuple[Any, Any]:
    """NumPy's reader of text, the words left out."""
    return np.loadtxt(path, dtype=np.float32, usecols=range(1, d + 1), comments=None, encoding="utf-8", delimiter=" "), None


def read_bytes(path: Path, _n: int, _d: int) -> tuple[Any, Any]:
    """No reader: the file's bytes into fresh memory, a floor for all of them."""
    room = np.empty(path.stat().st_size, dtype=np.uint8)
    with path.open("rb", buffering=0) as file:
        at = 0
        while got := file.readinto(room.data[at:]):
            at += got
    return room, None


def read_file(path: Path, _n: int, _d: int) -> tuple[Any, Any]:
    """No reader: the file's bytes as `Path.read_bytes` gives them, which fetches memory in pages of 4 KiB and not, as NumPy, of 2 MiB."""
    return path.read_bytes(), None


def touch_map(path: Path, _n: int, _d: int) -> tuple[Any, Any]:
    """No reader either: the file mapped and one byte of each page looked at, which copies nothing and gives nobody a matrix."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    data[::4096].sum()
    return data, None
