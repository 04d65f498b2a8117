"""Lance read in a process of its own, as some broken files end the process that pylance reads them in.

A length that is a lie is asked of the allocator, which gives up and takes the process with it; a message that quotes a NUL does the same
on its way out of Rust. Here that ends a process of ours, and the caller gets an error.

The other process says what there is as an Arrow stream without rows, is told the columns as a line of JSON, and sends them as a second.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tokenspace.formats import arrow_columns as columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

ROWS = 8192
"""Rows in a batch: pylance's own number for its streams."""

COUNT = b"rows"
"""Under which name the schema holds how many rows there are."""

REFUSED = 1
"""Exit code of the other process where pylance raised an error; its text is the last line of stderr."""

GRACE = 10
"""Seconds that a process whose stream broke off may take to end."""

START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from tokenspace.formats.lance_apart import send; send(sys.argv[2])"


class Apart:
    """A Lance folder that another process reads; a context manager, which ends that process.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    schema : pyarrow.Schema
    n : int
        Rows.

    Raises
    ------
    OSError
        If the other process ended before all was read: what pylance said, or the signal that ended it.
    """

    schema: Any
    n: int

    def __init__(self, path: Path) -> None:
        self._pa = columns.arrow(path.name)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process; no pipe, which would fill up unread
        call = [sys.executable, "-c", START, json.dumps(sys.path), str(path)]
        self._process: Any = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said)  # noqa: S603 - ourselves

    def __enter__(self) -> Self:
        try:
            stream = self._stream()
            self.schema = stream.schema
            stream.read_all()  # to its end, where the next begins
            self.n = int(self.schema.metadata[COUNT])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdout, self._process.stdin, self._said):
            with contextlib.suppress(BrokenPipeError):  # what was written and not read
                file.close()

    def batches(self, names: list[str]) -> Iterator[Any]:
        """Yield these columns of all rows, in order, as record batches."""
        self._process.stdin.write(json.dumps(names).encode() + b"\n")
        self._process.stdin.flush()
        stream = self._stream()
        while True:
            try:
                yield stream.read_next_batch()
            except StopIteration:
                return
            except (self._pa.ArrowException, OSError) as error:
                raise OSError(self._why()) from error

    def _stream(self) -> Any:
        """Open the next stream: its schema has come, its rows have not."""
        try:
            return self._pa.ipc.open_stream(self._process.stdout)
        except (self._pa.ArrowException, OSError) as error:
            raise OSError(self._why()) from error

    def _why(self) -> str:
        """Say why nothing more comes."""
        try:
            code = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return "what pylance sent is no Arrow stream"
        self._said.seek(0)
        if code == REFUSED:
            return str(self._said.read().decode(errors="replace").rstrip().rpartition("\n")[2])
        return f"it ended pylance's process with {f'signal {signal.Signals(-code).name}' if code < 0 else f'exit code {code}'}"


def send(path: str) -> None:
    """Be the other process."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library may print is not part of the stream
    try:
        _send(path, out)
    except BaseException as error:  # noqa: BLE001 - a panic of Rust's is no Exception
        sys.stderr.write(" ".join(f"{error}".split()) + "\n")
        sys.stderr.flush()
        os._exit(REFUSED)


def _send(path: str, out: Any) -> None:
    pa, dataset = import_module("pyarrow"), import_module("lance").dataset(path)
    n = dataset.count_rows()
    with pa.ipc.new_stream(out, dataset.schema.with_metadata({COUNT: str(n)})):
        pass
    out.flush()
    names = json.loads(sys.stdin.readline())
    with pa.ipc.new_stream(out, pa.schema([dataset.schema.field(name) for name in names])) as writer:
        for start in range(0, n, ROWS):  # each block by itself: a stream's errors are C strings, and one that quotes a NUL ends the process
            for batch in dataset.take(list(range(start, min(start + ROWS, n))), columns=names).to_batches():
                writer.write_batch(batch)
    out.close()
