"""Files of tables: text and word2vec binary read into memory, native files opened, a large text file converted."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Peak, timed
from peers import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

DATA = Path(os.environ.get("TOKENSPACE_BENCH") or Path(tempfile.gettempdir(), "tokenspace-bench-formats"))
SIZES = {"400000x50": (400_000, 50), "50000x300": (50_000, 300), "1000000x300": (1_000_000, 300)}
SIZES |= {"2000000x300": (2_000_000, 300), "20000000x4": (20_000_000, 4)}
BLOCK = 5000


@dataclass(frozen=True)
class Task:
    """Something to do, and who does it; `peer` is whom the ratio is taken to."""

    peer: str
    sizes: tuple[str, ...]
    methods: dict[str, Callable[..., Any]]
    run: Callable[[Callable[..., Any], str], dict[str, Any]]

    def measure(self, size: str, method: str) -> dict[str, Any]:
        """Measure one method."""
        DATA.mkdir(exist_ok=True)
        return self.run(self.methods[method], size)


def rows(n: int, d: int) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Yield words and rows, a block at a time: GloVe where it has the size, else random numbers of five decimals."""
    import tokenspace as ts  # noqa: PLC0415

    if (n, d) == SIZES["400000x50"]:
        table = ts.open("glove-6b-50d")
        words = list(table)
        for start in range(0, n, BLOCK):
            yield words[start : start + BLOCK], np.asarray(table.matrix[start : start + BLOCK])
        return
    random = np.random.default_rng(5)
    block = (random.standard_normal((BLOCK, d)) * 0.3).round(5).astype(np.float32)
    for start in range(0, n, BLOCK):
        yield [f"word{i}" for i in range(start, start + BLOCK)], np.roll(block, start // BLOCK, axis=0)


def made(size: str, kind: str) -> Path:
    """Return a file of a size and kind, made where it is not there; of text also, once, what Python's float reads in it."""
    import tokenspace as ts  # noqa: PLC0415
    from tokenspace.formats import native_file  # noqa: PLC0415
    from tokenspace.native import spell_rows  # noqa: PLC0415

    path, (n, d) = DATA / f"{size}.{kind}", SIZES[size]
    if path.exists():
        return path
    beside = path.with_suffix(f".{kind}-new")
    with beside.open("w+b") as file:
        if kind == "tokenspace":
            writer, words = native_file.Writer(file), []
            writer.begin(d, np.dtype(np.float32), n)
            for block, numbers in rows(n, d):
                words += block
                writer.add(numbers)
            writer.finish(ts.Vocabulary(words))
        if kind == "bin":
            file.write(f"{n} {d}\n".encode())
        for words, numbers in rows(n, d) if kind != "tokenspace" else ():
            if kind == "bin":
                file.writelines(word.encode() + b" " + row.tobytes() + b"\n" for word, row in zip(words, numbers, strict=True))
            else:
                vocabulary = ts.Vocabulary(words)
                file.write(spell_rows(numbers, vocabulary.data, vocabulary.offsets, (0, len(words))))
    if kind == "txt" and n * d < 1 << 25:
        with beside.open() as lines:
            expected = np.array([[float(field) for field in line.split(" ")[1:]] for line in lines], dtype=np.float64)
        np.save(path.with_suffix(".npy"), expected.astype(np.float32))
    beside.replace(path)
    return path


def read(kind: str) -> Callable[[Callable[..., Any], str], dict[str, Any]]:
    """Return what measures reading a file of that kind; the bytes were read once just before, so that page cache and free memory are warm.

    Memory that nobody has used for seconds is slower by far on a virtual machine, whose host takes it back: without this, whoever came
    later in a process paid for it.
    """

    def run(method: Callable[..., Any], size: str) -> dict[str, Any]:
        path, (n, d) = made(size, kind), SIZES[size]
        with tempfile.TemporaryDirectory() as scratch:
            method(few(Path(scratch, f"few.{kind}"), d), 10, d)  # imports and first calls are not reading
        reading.read_bytes(path, n, d)
        with Peak() as peak:
            cpu, wall, (result,) = timed(lambda: method(path, n, d), 1)
        matrix, find = result
        if method in {reading.read_bytes, reading.read_file, reading.touch_map}:
            return {"cpu_ms": cpu, "wall_ms": wall, "peak_mb": peak.megabytes, "error": "not read as a table"}
        wrong = mismatches(matrix, path, n, d)
        found = "" if find is None else f", finds {sum(find(word) == row for row, word in last(n, d))} of 3 words"
        return {"cpu_ms": cpu, "wall_ms": wall, "peak_mb": peak.megabytes, "error": f"{wrong} of {n * d:,} wrong{found}"}

    return run


def few(path: Path, d: int) -> Path:
    """Write ten rows."""
    if path.suffix == ".txt":
        path.write_text("".join(f"w{i}{' 0.5' * d}\n" for i in range(10)))
    else:
        path.write_bytes(f"10 {d}\n".encode() + b"".join(b"w%d " % i + bytes(4 * d) + b"\n" for i in range(10)))
    return path


def last(n: int, d: int) -> list[tuple[int, str]]:
    """Return rows of the last block with their words."""
    for words, _ in rows(n, d):
        block = words
    return [(n - BLOCK + at, block[at]) for at in (0, BLOCK // 2, BLOCK - 1)]


def mismatches(matrix: Any, path: Path, n: int, d: int) -> int:
    """Count the numbers that are not those that Python reads in the text, or that were written to the binary file."""
    text = path.with_suffix(".npy")
    if matrix.shape != (n, d):
        return n * d
    if path.suffix == ".txt":
        return int((np.asarray(matrix) != np.load(text, mmap_mode="r")).sum())
    return sum(int((matrix[at * BLOCK : (at + 1) * BLOCK] != numbers).sum()) for at, (_, numbers) in enumerate(rows(n, d)))


def opened(method: Callable[..., Any], size: str) -> dict[str, Any]:
    """Open a native file and look one token up, five times; then 100,000 tokens in one call."""
    path, (n, _) = made(size, "tokenspace"), SIZES[size]
    random = np.random.default_rng(1)
    tokens = sampled(path, random.integers(0, n, 100_000))
    first, each = method(path, tokens)
    method(few_native(), ["w1"])  # imports
    with Peak() as peak:
        cpu, wall, _ = timed(lambda: first(tokens[0]), 1)
    more_cpu, more_wall, _ = timed(lambda: first(tokens[0]), 5)
    beyond = peak.megabytes
    token_cpu, token_wall, found = timed(lambda: each(tokens), 5, warm=1)
    right = int((np.asarray(found[-1]) >= 0).sum())
    return {
        "cpu_ms": cpu + more_cpu,
        "wall_ms": wall + more_wall,
        "peak_mb": beyond,
        "ns_a_token": [ms * 1e6 / len(tokens) for ms in token_cpu],
        "wall_ns_a_token": [ms * 1e6 / len(tokens) for ms in token_wall],
        "error": f"{right:,} of {len(tokens):,} tokens found, {np.median(token_cpu) * 1e6 / len(tokens):,.0f} CPU ns a token",
    }


def sampled(path: Path, ids: NDArray[np.int64]) -> list[str]:
    """Return the tokens of some rows."""
    import tokenspace as ts  # noqa: PLC0415

    return ts.open(path).vocabulary.tokens_of(ids)


def few_native() -> Path:
    """Return a native file of one row."""
    import tokenspace as ts  # noqa: PLC0415

    path = DATA / "one.tokenspace"
    if not path.exists():
        ts.save(ts.EmbeddingTable(["w1"], [[1.0]]), path)
    return path


def ours_opened(path: Path, _tokens: list[str]) -> tuple[Callable[[str], Any], Callable[[list[str]], Any]]:
    """Ours."""
    import tokenspace as ts  # noqa: PLC0415

    kept = ts.open(path)
    return lambda token: ts.open(path)[token].sum(), kept.vocabulary.find


def dict_opened(path: Path, _tokens: list[str]) -> tuple[Callable[[str], Any], Callable[[list[str]], Any]]:
    """Open the same file with the safetensors package, and make a dict of the words."""
    from safetensors import safe_open  # noqa: PLC0415

    def made() -> tuple[dict[bytes, int], Any]:
        with safe_open(path, "numpy") as file:
            whole, bounds = file.get_tensor("vocab.bytes").tobytes(), file.get_tensor("vocab.offsets").tolist()
            rows = file.get_slice("embedding")
            return {whole[bounds[i] : bounds[i + 1]]: i for i in range(len(bounds) - 1)}, rows

    kept, _ = made()

    def first(token: str) -> Any:
        index, rows = made()
        return rows[index[token.encode()]].sum()

    return first, lambda tokens: [kept.get(token.encode(), -1) for token in tokens]


def converted(method: Callable[..., Any], size: str) -> dict[str, Any]:
    """Make a native file of a text file."""
    path, (n, d) = made(size, "txt"), SIZES[size]
    with tempfile.TemporaryDirectory(dir=DATA) as scratch:
        method(few(Path(scratch, "few.txt"), d), Path(scratch, "few.tokenspace"))
        with Peak() as peak:
            cpu, wall, _ = timed(lambda: method(path, Path(scratch, "x.tokenspace")), 1)
        wrong = mismatches_random(Path(scratch, "x.tokenspace"), n, d)
    return {"cpu_ms": cpu, "wall_ms": wall, "peak_mb": peak.megabytes, "error": f"{wrong} of {n * d:,} wrong"}


def mismatches_random(path: Path, n: int, d: int) -> int:
    """Count the numbers of a native file that are not those that were written to the text."""
    import tokenspace as ts  # noqa: PLC0415

    matrix = ts.open(path).matrix
    return sum(int((matrix[at * BLOCK : (at + 1) * BLOCK] != numbers).sum()) for at, (_, numbers) in enumerate(rows(n, d)))


def ours_converted(path: Path, out: Path) -> None:
    """Ours, from file to file."""
    import tokenspace as ts  # noqa: PLC0415

    ts.convert(path, out)


def read_and_saved(path: Path, out: Path) -> None:
    """Ours, by way of memory."""
    import tokenspace as ts  # noqa: PLC0415

    ts.save(ts.open(path, cache=False), out)


TEXT = {
    "gensim": reading.gensim_text,
    "tokenspace": reading.tokenspace,
    "polars": reading.polars,
    "pyarrow": reading.pyarrow,
    "numpy-loadtxt": reading.numpy_loadtxt,
}
BINARY = {
    "gensim": reading.gensim_binary,
    "tokenspace": reading.tokenspace,
    "read-bytes": reading.read_bytes,
    "read-file": reading.read_file,
    "touch-map": reading.touch_map,
}

TASKS = {
    "text": Task("gensim", ("400000x50", "50000x300"), TEXT, read("txt")),
    "binary": Task("gensim", ("400000x50", "1000000x300"), BINARY, read("bin")),
    "open": Task("dict", ("400000x50", "2000000x300", "20000000x4"), {"dict": dict_opened, "tokenspace": ours_opened}, opened),
    "convert": Task("by-way-of-memory", ("1000000x300",), {"by-way-of-memory": read_and_saved, "tokenspace": ours_converted}, converted),
}
