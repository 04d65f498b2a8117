"""New tokens for a model folder or a table: new rows, the old bytes as they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace import formats
from tokenspace.checkpoint import starting
from tokenspace.checkpoint.folders.contents import is_model_folder
from tokenspace.checkpoint.folders.staging import check_place, check_room
from tokenspace.checkpoint.model import open_model
from tokenspace.checkpoint.tokenizers.new_token import NewToken, as_new_tokens
from tokenspace.checkpoint.writing import Change, Written, write
from tokenspace.errors import ArgumentError, DuplicateTokenError, OutputError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.checkpoint.model import Model
    from tokenspace.table import EmbeddingTable


@dataclass(frozen=True)
class Extended:
    """What an extension did; as text, in one line.

    Attributes
    ----------
    out : Path
    tokens : tuple of str
    first : int
        The first new token's row; the others follow.
    rows_before, rows_after : int
        Rows of the table.
    reserved_filled : int
        New tokens that took rows which were there already, without a token.
    head : str
        "tied", "untied", each perhaps "with bias", or "none"; "table" where there is no network.
    rewritten : tuple of str
        Files whose bytes changed.
    files : int
        Files in all.
    left_out : tuple of str
        Files of the source with the same weights in another form, which would have kept the old vocabulary.
    replaced : int
        Old rows that an adapter brought other numbers for.
    """

    out: Path
    tokens: tuple[str, ...] = field(repr=False)
    first: int
    rows_before: int
    rows_after: int
    reserved_filled: int
    head: str
    rewritten: tuple[str, ...]
    files: int
    left_out: tuple[str, ...] = ()
    replaced: int = 0

    @property
    def ids(self) -> range:
        """The new tokens' rows."""
        return range(self.first, self.first + len(self.tokens))

    def __str__(self) -> str:
        """Say it in one line."""
        count = f"{len(self.tokens)} token{'s' if len(self.tokens) != 1 else ''}"
        rows = f"rows {self.first}..{self.ids[-1]}" if len(self.tokens) > 1 else f"row {self.first}"
        parts = [f"{count} -> {rows} ({self.reserved_filled} reserved rows filled)"] if self.tokens else []
        if self.replaced:
            parts.append(f"{self.replaced} old rows replaced")
        if self.head != "table":
            parts += [f"head: {self.head}", f"files rewritten: {len(self.rewritten)} of {self.files}"]
        if self.left_out:
            parts.append(f"left out: {', '.join(self.left_out)}")
        return "; ".join(parts)

    def document(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self) | {"out": str(self.out), "ids": list(self.ids)}


def extend(
    model: str | os.PathLike[str],
    tokens: Iterable[str | NewToken],
    *,
    out: str | os.PathLike[str],
    init: str | ArrayLike = "subtoken-mean",
    pad_to: int = 1,
    embedding: str | Sequence[str] = (),
    untouched: str = "copy",
    force: bool = False,
    **start: Any,
) -> Extended:
    """Give a model on disk, or a table, new tokens (the lecture's 4.5): nothing but their rows is new.

    Parameters
    ----------
    model : str or path
        A model folder (safetensors or .bin, one file or shards, sentence-transformers too), or a table that `tokenspace.open` opens.
    tokens : iterable of m str or NewToken
    out : str or path
        The new folder, or the table's new file. Written beside, then renamed; it must not be there unless `force`.
    init : str or array of shape (m, d), default "subtoken-mean"
        How the rows start, as `tokenspace.extension.new_rows` says; heads that are not tied, and biases, start at their mean.
    pad_to : int, default 1
        Round the number of rows up to a multiple of this, 64 for instance, which some processors like; the rows in excess are the
        mean. Rows that are there without a token are filled first, and the table never shrinks.
    embedding : str or sequence of str, optional
        The input embedding's tensor, then those of heads, where their names do not tell.
    untouched : "copy" or "link", default "copy"
        What becomes of files that stay as they are: copied, or given a second name, which needs no room.
    force : bool, default False
        Replace `out`.
    **start
        "seed", "terms", "donor", "description" and "copy_of", as `tokenspace.checkpoint.starting.start` says.

    Returns
    -------
    Extended
        Its text is one line: what was done.

    Raises
    ------
    TokenError, DuplicateTokenError
        If a token is empty, given twice, or there already, also where only the tokenizer takes two spellings for one.
    ModelFolderError, FileContentError
        In one of their kinds, if the folder is not what it should be: see `tokenspace.errors`.
    OutputError
        If `out` is there or cannot be written.
    ArgumentError
        If an argument is outside what is said above.
    MissingExtraError
        If "subtoken-mean" or "description" needs the package tokenizers, or a .bin PyTorch, and it is not installed.

    Notes
    -----
    The old rows' bytes are copied by the kernel and pass through no memory of this process; an initialiser maps what it needs and reads
    no more of it: "subtoken-mean" the pieces' rows, "mean" and an untied head the whole table once. Whatever goes wrong, Ctrl-C
    included, leaves the source as it was and nothing at `out`.

    The vice: a new token is found in the text before the tokenizer cuts the rest, so ``covid`` is found in ``covidiot`` too, and what
    remains is cut as if a word began there; ``NewToken("covid", single_word=True)`` avoids it. In byte-level BPE a new token is not
    joined with the blank before it; ``lstrip=True`` takes the blank in.

    Examples
    --------
    >>> import pathlib, tempfile, tokenspace as ts, tokenspace.checkpoint as checkpoint
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> ts.save(ts.EmbeddingTable(["new", "york"], [[2, 0], [0, 2]]), folder / "small.txt")
    >>> print(checkpoint.extend(folder / "small.txt", ["new york"], out=folder / "bigger.txt"))
    1 token -> row 2 (0 reserved rows filled)
    >>> ts.open(folder / "bigger.txt")["new york"]
    array([1., 1.], dtype=float32)
    """
    if isinstance(pad_to, bool) or not isinstance(pad_to, int) or pad_to < 1:
        message = f"pad_to must be an integer of 1 or more; seen {pad_to!r}"
        raise ArgumentError(message)
    added = as_new_tokens(tokens)
    names = [token.content for token in added]
    if not is_model_folder(model):
        if pad_to > 1:
            message = f"a table of vectors has a row for each token and no others; seen pad_to {pad_to}"
            raise ArgumentError(message, hint="leave it out; it is for model folders")
        return _extended_table(model, names, out=Path(out), init=init, force=force, start=start)
    opened = open_model(model, embedding=embedding, wanted=names)
    check_place(Path(out), source=opened.folder.root, force=force)
    opened.tokenizer.check_absent(added)
    opened.tokenizer.check_told_apart(added)
    rows = starting.start(opened, names, init, start)
    total = max(opened.rows, opened.taken + len(names))
    total += -total % pad_to
    check_room(Path(out).absolute().parent, sum(opened.weights.tensors[name].row_size for name in rows) * (total - opened.rows))
    runs = {name: _runs(opened, name, new, total) for name, new in rows.items()}
    written = write(opened, Change(added, total, runs), Path(out), untouched=untouched, force=force)
    return as_extended(opened, added, total, written)


def as_extended(model: Model, tokens: Sequence[NewToken], total: int, written: Written, *, replaced: int = 0) -> Extended:
    """Say what was done to a model."""
    return Extended(
        out=written.out,
        tokens=tuple(token.content for token in tokens),
        first=model.taken,
        rows_before=model.rows,
        rows_after=total,
        reserved_filled=min(len(tokens), model.rows - model.taken),
        head=str(model.roles),
        rewritten=written.rewritten,
        files=written.files,
        left_out=written.left_out,
        replaced=replaced,
    )


def _runs(model: Model, name: str, new: NDArray[Any], total: int) -> list[tuple[int, NDArray[Any]]]:
    """Return the blocks to be written: the new tokens' rows, and those in excess at the end."""
    runs = [(model.taken, new)]
    begin = max(model.rows, model.taken + len(new))
    if total > begin:
        runs.append((begin, starting.filling(model, name, total - begin)))
    return runs


def _extended_table(
    source: str | os.PathLike[str], names: list[str], *, out: Path, init: str | ArrayLike, force: bool, start: dict[str, Any]
) -> Extended:
    """Extend a table of vectors."""
    table = formats.open(source)
    check_file(out, (table.source,), force=force)
    for place, row in enumerate(table.vocabulary.find(names).tolist()):
        if row >= 0:
            message = f"the token {names[place]!r:.60} is in the table already, in row {row:,}"
            error = DuplicateTokenError(message, hint="leave it out: it has a row")
            error.rows = (row, place)
            raise error
    bigger = _grown(table, names, init, start)
    bigger.proof(table).require()
    save_alike(bigger, source, out)
    return Extended(out, tuple(names), table.n, table.n, bigger.n, 0, "table", (out.name,), 1)


def check_file(out: Path, sources: Iterable[str | os.PathLike[str]], *, force: bool) -> None:
    """Raise where a table cannot be written: something is there and is not to be replaced, or it is what the table is made from.

    Raises
    ------
    OutputError, ArgumentError
        In this order.
    """
    if out.exists() and not force:
        message = f"{out} is there already"
        raise OutputError(message, hint="name another file, or replace it with force=True (--force)")
    if out.exists() and any(source and out.samefile(source) for source in sources):
        message = f"the output {out} is the source"
        raise ArgumentError(message, hint="name a file of its own: the source stays as it is")


def save_alike(table: EmbeddingTable, source: str | os.PathLike[str], out: Path) -> None:
    """Write a table as its source is written where the two names end alike, word2vec's header included; else as its own name ends."""
    path, endings = Path(source), {ending for known in formats.FORMATS for ending in known.suffixes}
    alike = path.is_file() and path.suffix == out.suffix and path.suffix in endings
    known = formats.format_of(path) if alike else None
    formats.save(table, out, format=known.name if known and known.write else None)


def _grown(table: EmbeddingTable, names: list[str], init: str | ArrayLike, start: dict[str, Any]) -> EmbeddingTable:
    if isinstance(init, str) and init in starting.FOR_TABLES:
        init = starting.FOR_TABLES[init](table, names, init, start)
    elif set(start) - {"seed"}:
        message = f"a table's rows may start with a seed when init is {init!r}; seen {', '.join(start)}"
        raise ArgumentError(message)
    return table.extend(names, init=init, seed=start.get("seed", 0))
