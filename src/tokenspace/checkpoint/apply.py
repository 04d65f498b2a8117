"""New rows from a file, or from a PEFT adapter, joined to the model or table that they were made for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import extension, formats
from tokenspace.checkpoint import starting
from tokenspace.checkpoint.extend import Extended, as_extended, check_file, save_alike
from tokenspace.checkpoint.folders.contents import is_model_folder
from tokenspace.checkpoint.model import Model, open_model
from tokenspace.checkpoint.shipping import adapter
from tokenspace.checkpoint.shipping.rows_file import TABLE, NewRows, check_base, open_rows
from tokenspace.checkpoint.streams.comparing import sha256
from tokenspace.checkpoint.tensors.safetensors_file import CODES
from tokenspace.checkpoint.writing import Change, write
from tokenspace.errors import BaseMismatchError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray


def apply(
    model: str | os.PathLike[str],
    rows: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    any_base: bool = False,
    embedding: str | Sequence[str] = (),
    untouched: str = "copy",
    force: bool = False,
) -> Extended:
    """Join new rows to the model or table that they were made for.

    Parameters
    ----------
    model : str or path
        A model folder, or a table that `tokenspace.open` opens.
    rows : str or path
        A file that ``tokenspace diff A B --rows FILE`` wrote, or the folder of a PEFT adapter that trains tokens.
    out : str or path
        The new folder or file; it must not be there unless `force`.
    any_base : bool, default False
        Join them even where the old rows are not those that the file was made for; shapes and ids must fit all the same.
    embedding, untouched, force
        As `extend` takes them.

    Returns
    -------
    Extended

    Raises
    ------
    BaseMismatchError
        If the rows were made for another model.
    DuplicateTokenError
        If a token is there already.
    ModelFolderError, FileContentError, OutputError
        As `extend`.

    Notes
    -----
    With a file made of A and B, ``apply(A, file)`` gives B's rows bit for bit. The old rows are read once for their SHA-256, about 1 s
    a GB. An adapter names no base, so nothing is held against it but shapes and ids; old rows that it has trained are replaced.

    Examples
    --------
    >>> import pathlib, tempfile, tokenspace as ts, tokenspace.checkpoint as checkpoint
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> table = ts.EmbeddingTable(["new", "york"], [[2, 0], [0, 2]])
    >>> ts.save(table, folder / "small.txt")
    >>> ts.save(table.extend(["new york"]), folder / "bigger.txt")
    >>> _ = checkpoint.diff(folder / "small.txt", folder / "bigger.txt", rows=folder / "rows.safetensors")
    >>> print(checkpoint.apply(folder / "small.txt", folder / "rows.safetensors", out=folder / "again.txt"))
    1 token -> row 2 (0 reserved rows filled)
    """
    rows, out = Path(rows), Path(out)
    if not is_model_folder(model):
        return _to_table(model, open_rows(rows), out, any_base=any_base, force=force)
    if adapter.is_adapter(rows):
        return _adapted(open_model(model, embedding=embedding), rows, out, untouched=untouched, force=force)
    new = open_rows(rows)
    opened = open_model(model, embedding=embedding, wanted=[token.content for token in new.tokens])
    _check_kind(new, "model")
    opened.tokenizer.check_absent(new.tokens)
    tensors = opened.weights.tensors
    sizes = {name: (tensors[name].rows, tensors[name].row_size, tensors[name].dtype) for name in opened.roles.names}
    check_base(new, str(model), opened.taken, sizes, lambda name: sha256(tensors[name].whole()), strict=not any_base)
    runs = {name: [(new.first, new.rows(name))] for name in opened.roles.names}
    written = write(opened, Change(new.tokens, new.after, runs), out, untouched=untouched, force=force)
    return as_extended(opened, new.tokens, new.after, written)


def _adapted(opened: Model, path: Path, out: Path, *, untouched: str, force: bool) -> Extended:
    """Join the rows of an adapter; a head of its own that the adapter did not train starts at its mean."""
    found = adapter.open_adapter(path, opened)
    count = len(found.tokens)
    runs: dict[str, list[tuple[int, NDArray[Any]]]] = dict(found.runs)
    for name in opened.roles.names:
        have = {number for first, block in runs.get(name, ()) for number in range(first, first + len(block))}
        if count and opened.taken not in have:
            runs[name] = [*runs.get(name, ()), (opened.taken, starting.filling(opened, name, count))]
    total = max(opened.rows, opened.taken + count)
    written = write(opened, Change(found.tokens, total, runs), out, untouched=untouched, force=force)
    return as_extended(opened, found.tokens, total, written, replaced=len(found.replaced))


def _to_table(source: str | os.PathLike[str], new: NewRows, out: Path, *, any_base: bool, force: bool) -> Extended:
    _check_kind(new, "table")
    table = formats.open(source)
    check_file(out, (table.source, new.path), force=force)
    sizes = {TABLE: (table.n, table.d * table.dtype.itemsize, CODES[table.dtype.name])}
    check_base(new, str(source), table.n, sizes, lambda _name: extension.digest(table.matrix), strict=not any_base)
    bigger = table.extend([token.content for token in new.tokens], init=np.asarray(new.rows(TABLE)))
    save_alike(bigger, source, out)
    names = tuple(token.content for token in new.tokens)
    return Extended(out, names, table.n, table.n, bigger.n, 0, "table", (out.name,), 1)


def _check_kind(new: NewRows, kind: str) -> None:
    if new.kind != kind:
        raise BaseMismatchError(new.path, f"holds rows of a {new.kind}, expected those of a {kind}")
