"""A file with new rows and their tokens and nothing else: 150 kB to ship instead of a model.

It is a plain safetensors file. Tensors: under the names that they have in the model, the rows from the first new one on, padding
included. Metadata: ``format`` "tokenspace.rows"; ``version`` "1"; ``kind`` "model" or "table"; ``first``, ``before`` and ``after``, the
first new row and the rows of the table before and after; ``tokens``, a JSON list of the new tokens as tokenizer.json lists them;
``sha256``, a JSON object with the SHA-256 of each tensor's old rows, by which the model that they belong to is known again.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.streams.comparing import sha256
from tokenspace.checkpoint.tensors import safetensors_file
from tokenspace.checkpoint.tensors.safetensors_file import CODES, Planned, as_bytes
from tokenspace.checkpoint.tokenizers.new_token import NewToken, as_new_tokens
from tokenspace.errors import BaseMismatchError, HeaderError, OutputError
from tokenspace.extension import digest
from tokenspace.rows import check_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tokenspace.checkpoint.model import Model
    from tokenspace.checkpoint.tensors.safetensors_file import Stored
    from tokenspace.table import EmbeddingTable

FORMAT, VERSION = "tokenspace.rows", "1"
TABLE = "embedding"
"""What a table of vectors calls its one tensor."""


@dataclass(frozen=True)
class NewRows:
    """New rows, their tokens, and whose they are.

    Attributes
    ----------
    path : Path
        Where they were read.
    kind : str
        "model" or "table".
    tokens : list of NewToken
    first, before, after : int
        The first new row; the rows of the table before and after.
    tensors : dict of str to Stored
    sha256 : dict of str to str
        Of each tensor's old rows.
    """

    path: Path
    kind: str
    tokens: list[NewToken]
    first: int
    before: int
    after: int
    tensors: dict[str, Stored]
    sha256: dict[str, str]

    def rows(self, name: str) -> NDArray[Any]:
        """Return a tensor's rows, of shape (m, d); mapped."""
        return self.tensors[name].matrix()


def save_model_rows(old: Model, new: Model, path: Path) -> None:
    """Write the rows that one model has and another has not; the caller has proved that the rest is the same.

    Raises
    ------
    OutputError
        If the file is there or cannot be written.
    """
    end = new.rows if new.rows > old.rows else new.taken
    tensors, digests = [], {}
    for name in old.roles.names:
        if name in new.weights.tensors:
            before, after = old.weights.tensors[name], new.weights.tensors[name]
            tensors.append(_planned(after, old.taken, end))
            digests[name] = sha256(before.whole())
    added = [entry for entry in new.tokenizer.fast.added if entry["id"] >= old.taken]
    _save(path, tensors, kind="model", tokens=added, sizes=(old.taken, old.rows, max(end, old.rows)), digests=digests)


def save_table_rows(old: EmbeddingTable, new: EmbeddingTable, path: Path) -> None:
    """Write the rows that one table has and another has not, as `save_model_rows`."""
    rows = new.matrix[old.n :]
    plan = Planned(TABLE, CODES[rows.dtype.name], rows.shape, (as_bytes(rows),))
    names = list(new)[old.n :]
    tokens = [NewToken(name).entry(old.n + place) for place, name in enumerate(names)]
    _save(path, [plan], kind="table", tokens=tokens, sizes=(old.n, old.n, new.n), digests={TABLE: digest(old.matrix)})


def _planned(tensor: Stored, first: int, end: int) -> Planned:
    shape = (1, end - first) if len(tensor.shape) > 1 and tensor.is_bias else (end - first, *tensor.shape[1:])
    return Planned(tensor.name, tensor.dtype, shape, (tensor.piece(first, end),))


def _save(
    path: Path,
    tensors: list[Planned],
    *,
    kind: str,
    tokens: Sequence[Mapping[str, Any]],
    sizes: tuple[int, int, int],
    digests: dict[str, str],
) -> None:
    if path.exists():
        message = f"{path} is there already"
        raise OutputError(message, hint="name another file, or remove it")
    first, before, after = sizes
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "first": str(first),
        "before": str(before),
        "after": str(after),
        "tokens": json.dumps(tokens, ensure_ascii=False),
        "sha256": json.dumps(digests),
    }
    beside = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.new")
    try:
        safetensors_file.write(beside, tensors, metadata=metadata)
        beside.rename(path)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise OutputError(message) from error
    finally:
        beside.unlink(missing_ok=True)


def open_rows(path: str | Path) -> NewRows:
    """Read a file of new rows.

    Raises
    ------
    HeaderError
        If it is another kind of file, or its parts do not fit together.
    NotFiniteError
        If a row holds NaN or infinity.
    """
    path = Path(path)
    file = safetensors_file.read(path)
    told = file.metadata
    if told.get("format") != FORMAT or told.get("version") != VERSION:
        seen = f"{told.get('format')!r:.40} version {told.get('version')!r:.40}"
        raise HeaderError(path, f"expected format {FORMAT!r} version {VERSION!r}, seen {seen}", offset=8, hint="make it: diff A B --rows")
    try:
        first, before, after = (int(told[name]) for name in ("first", "before", "after"))
        entries, digests = json.loads(told["tokens"]), json.loads(told["sha256"])
        tokens = as_new_tokens(NewToken.of(entry) for entry in entries)
        in_order = [entry["id"] for entry in entries] == list(range(first, first + len(tokens)))
        signed = set(digests) == set(file.tensors)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise HeaderError(path, f"expected first, before, after, tokens and sha256 in the metadata: {error!r:.80}", offset=8) from None
    count = after - first if after > before else len(tokens)
    if not (in_order and signed and 0 <= first <= before <= after and first + len(tokens) <= after):
        problem = f"the metadata contradict themselves: {len(tokens):,} tokens from {first:,} on, {before:,} to {after:,} rows"
        raise HeaderError(path, problem, offset=8)
    for name, tensor in file.tensors.items():
        if tensor.dtype not in CODES.values() or not tensor.shape or tensor.rows != count:
            problem = f"{name!r:.60} is {tensor.dtype} {list(tensor.shape)}, expected {count:,} rows of floats"
            raise HeaderError(path, problem, offset=8)
        check_finite(tensor.matrix(), f"{path}: {name}")
    return NewRows(path, told.get("kind", ""), tokens, first, before, after, file.tensors, digests)


def check_base(
    rows: NewRows, path: str, taken: int, sizes: Mapping[str, tuple[int, int, str]], digest_of: Callable[[str], str], *, strict: bool
) -> None:
    """Hold rows against the model or table that they are to join.

    Parameters
    ----------
    rows : NewRows
    path : str
        That model's, for the message.
    taken : int
        Its rows with a token.
    sizes : mapping of str to (rows, row bytes, element type)
        Of every tensor that has one row a token.
    digest_of : callable
        Gives the SHA-256 of a tensor's old rows.
    strict : bool
        Whether those must be the ones that the rows were made for.

    Raises
    ------
    BaseMismatchError
        Naming the first thing that differs.
    """
    hint = "the rows belong to another model; any_base=True (--any-base) joins them nevertheless, if the shapes allow"
    for name, (count, width, kind) in sizes.items():
        if name not in rows.tensors:
            problem = f"has no rows for {name!r:.80} of {path}; it has some for {', '.join(rows.tensors)}"
            raise BaseMismatchError(rows.path, problem, hint="the rows belong to another kind of model")
        mine = rows.tensors[name]
        if (rows.before, mine.row_size, mine.dtype) != (count, width, kind):
            told = f"{rows.before:,} rows of {mine.row_size:,} bytes, {mine.dtype}"
            problem = f"belongs to a {name!r:.80} of {told}; seen {count:,} rows of {width:,} bytes, {kind}, in {path}"
            raise BaseMismatchError(rows.path, problem, hint="another model")
    if taken != rows.first:
        raise BaseMismatchError(rows.path, f"begins at row {rows.first:,}; in {path} the next free row is {taken:,}", hint="another model")
    for name in sizes if strict else ():
        seen = digest_of(name)
        if seen != rows.sha256[name]:
            problem = f"was made for a {name!r:.80} with the SHA-256 {rows.sha256[name][:16]}..., {path} has {seen[:16]}..."
            raise BaseMismatchError(rows.path, problem, hint=hint)
