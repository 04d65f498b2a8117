"""What differs between two models, or two tables: the proof that nothing but new rows did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace import formats
from tokenspace.checkpoint.differences.texts import CHANGED, EXTENDED, IDENTICAL, NOTED, Finding, diff_texts
from tokenspace.checkpoint.folders.contents import is_model_folder
from tokenspace.checkpoint.model import Model, open_model
from tokenspace.checkpoint.shipping import rows_file
from tokenspace.checkpoint.shipping.adapter import save_adapter
from tokenspace.checkpoint.streams.comparing import equal, first_difference, sha256, whole
from tokenspace.errors import ArgumentError, ProofError, ShapeError, TableNotFoundError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from tokenspace.checkpoint.tensors.safetensors_file import Stored

DOCUMENTS = ("*.md", ".git*", "*.png", "*.jpg", "LICENSE*", "NOTICE*", "USE_POLICY*")
"""Files that nothing computes with."""


@dataclass(frozen=True)
class Difference:
    """What a comparison showed; true where nothing but new rows changed.

    Attributes
    ----------
    findings : tuple of Finding
        One for each tensor and each file: identical, extended by new rows, changed, or noted as of no consequence.
    added : int
        New tokens.
    """

    findings: tuple[Finding, ...]
    added: int

    @property
    def proved(self) -> bool:
        """Whether nothing but new rows changed."""
        return not self.of(CHANGED)

    def __bool__(self) -> bool:
        """Whether nothing but new rows changed."""
        return self.proved

    def of(self, verdict: str) -> list[Finding]:
        """Return the findings of one verdict."""
        return [finding for finding in self.findings if finding.verdict == verdict]

    def require(self) -> Difference:
        """Return this, or raise where something else changed.

        Raises
        ------
        ProofError
            Naming the first thing that did.
        """
        if not self:
            first = self.of(CHANGED)[0]
            message = f"{first.part}: {first.detail}"
            raise ProofError(message, hint="only new rows may differ")
        return self

    def __str__(self) -> str:
        """Say it in a line for each thing that is not identical, and one for the verdict."""
        same = len(self.of(IDENTICAL))
        lines = [f"{same} {'tensor or file' if same == 1 else 'tensors and files'} identical"] if same else []
        lines += [f"{finding.part}: {finding.detail}" for finding in self.findings if finding.verdict != IDENTICAL]
        if self:
            what = "only new rows were added" if self.added else "nothing changed"
            lines.append(f"PROVED: {what}")
        else:
            lines.append(f"NOT PROVED: {len(self.of(CHANGED))} thing{'s' if len(self.of(CHANGED)) > 1 else ''} changed")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return {"proved": self.proved, "added": self.added, "findings": [asdict(finding) for finding in self.findings]}


def diff(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    embedding: str | Sequence[str] = (),
    rows: str | os.PathLike[str] | None = None,
    adapter: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Difference:
    """Compare a model or table with what it became, tensor by tensor and file by file.

    Parameters
    ----------
    a, b : str or path
        Two model folders, sharded alike or not, or two tables that `tokenspace.open` opens: the older first.
    embedding : str or sequence of str, optional
        As `extend` takes it.
    rows : str or path, optional
        Write the new rows to this file, for `apply`.
    adapter : str or path, optional
        Write them to this folder, for PEFT.
    force : bool, default False
        Replace `adapter`.

    Returns
    -------
    Difference
        True where it is proved that nothing but new rows changed.

    Raises
    ------
    ProofError
        If rows are to be written and something else changed.
    ArgumentError
        If one is a model and the other a table.
    ModelFolderError, FileContentError, OutputError
        As `extend`.

    Notes
    -----
    Bytes are compared, streamed: both models are read once, the embedding twice, for its SHA-256. Files with two names of one file on
    disk are the same without being read. Reserved rows that a new token took count as new.

    Examples
    --------
    >>> import pathlib, tempfile, tokenspace as ts, tokenspace.checkpoint as checkpoint
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> table = ts.EmbeddingTable(["new", "york"], [[2, 0], [0, 2]])
    >>> ts.save(table, folder / "a.txt")
    >>> ts.save(table.extend(["new york"]), folder / "b.txt")
    >>> print(checkpoint.diff(folder / "a.txt", folder / "b.txt"))
    rows: 2 old rows identical (SHA-256 ...), 1 added
    PROVED: only new rows were added
    """
    kinds = is_model_folder(a), is_model_folder(b)
    for source, model in zip((a, b), kinds, strict=True):
        if any(kinds) and not model and not Path(source).exists():
            message = f"no such model folder: {source}"
            raise TableNotFoundError(message)
    if kinds[0] != kinds[1]:
        message = (
            f"diff compares two models or two tables; seen a {'model' if kinds[0] else 'table'} and a {'model' if kinds[1] else 'table'}"
        )
        raise ArgumentError(message)
    if not kinds[0]:
        return _diff_tables(a, b, None if rows is None else Path(rows), adapter=adapter)
    old, new = open_model(a, embedding=embedding), open_model(b, embedding=embedding)
    difference = _diff_models(old, new)
    if rows is not None:
        rows_file.save_model_rows(old, new, _wanted(difference, Path(rows)))
    if adapter is not None:
        save_adapter(old, new, _wanted(difference, Path(adapter)), force=force)
    return difference


def _wanted(difference: Difference, path: Path) -> Path:
    difference.require()
    if not difference.added:
        message = f"there are no new rows to write to {path}"
        raise ProofError(message)
    return path


def _diff_tables(a: Any, b: Any, rows: Path | None, *, adapter: object) -> Difference:
    if adapter is not None:
        message = "an adapter is PEFT's, for a model; these are tables"
        raise ArgumentError(message, hint="write rows=... (--rows)")
    old, new = formats.open(a), formats.open(b)
    try:
        proof = new.proof(old)
        found = Finding("rows", EXTENDED if proof and proof.added else IDENTICAL if proof else CHANGED, str(proof))
        difference = Difference((found,), proof.added)
    except (ArgumentError, ShapeError) as error:
        difference = Difference((Finding("table", CHANGED, error.message),), 0)
    if rows is not None:
        rows_file.save_table_rows(old, new, _wanted(difference, rows))
    return difference


def _diff_models(old: Model, new: Model) -> Difference:
    added = max(0, new.taken - old.taken)
    findings = [_diff_tensor(old, new, name) for name in old.weights.tensors]
    findings += [
        Finding(name, CHANGED, "a tensor that was not there before") for name in new.weights.tensors if name not in old.weights.tensors
    ]
    findings += diff_texts(old, new)
    findings += _diff_others(old, new)
    return Difference(tuple(findings), added)


def _diff_tensor(old: Model, new: Model, name: str) -> Finding:
    before, after = old.weights.tensors[name], new.weights.tensors.get(name)
    if after is None:
        if name in old.roles.copies:
            return Finding(name, NOTED, f"left out: a copy of {old.roles.embedding}, to which it is tied")
        return Finding(name, CHANGED, "the tensor is gone")
    if before.dtype != after.dtype:
        return Finding(name, CHANGED, f"the element type was {before.dtype}, is {after.dtype}")
    return _diff_rows(old, new, before, after) if name in old.roles.names else _diff_whole(before, after)


def _diff_whole(before: Stored, after: Stored) -> Finding:
    """Compare a tensor that must be what it was."""
    if before.shape != after.shape:
        return Finding(before.name, CHANGED, f"the shape was {list(before.shape)}, is {list(after.shape)}")
    if _one_place(before, after):
        return Finding(before.name, IDENTICAL, "the same file on disk")
    at = first_difference(before.whole(), after.whole())
    if at is None:
        return Finding(before.name, IDENTICAL, f"{before.size:,} bytes")
    row = f"row {at // before.row_size:,}" if before.shape else "its one number"
    return Finding(before.name, CHANGED, f"{row} differs")


def _diff_rows(old: Model, new: Model, before: Stored, after: Stored) -> Finding:
    """Compare a tensor that has one row a token: old rows must be what they were, reserved ones may have been filled."""
    if before.row_size != after.row_size or after.rows < before.rows:
        return Finding(before.name, CHANGED, f"the shape was {list(before.shape)}, is {list(after.shape)}")
    filled = min(max(new.taken, old.taken), before.rows)
    for begin, end in ((0, old.taken), (filled, before.rows)):
        at = first_difference(before.piece(begin, end), after.piece(begin, end))
        if at is not None:
            return Finding(before.name, CHANGED, f"row {begin + at // before.row_size:,} differs")
    appended = after.rows - before.rows
    if not appended and equal(before.whole(), after.whole()):
        return Finding(before.name, IDENTICAL, f"{before.rows:,} rows, SHA-256 {sha256(before.whole())}")
    parts = [f"rows 0..{old.taken - 1} identical (SHA-256 {sha256(before.piece(0, old.taken))})"]
    if filled > old.taken:
        parts.append(f"{filled - old.taken:,} reserved rows filled")
    if appended:
        parts.append(f"{appended:,} rows appended")
    return Finding(before.name, EXTENDED, ", ".join(parts))


def _one_place(one: Stored, other: Stored) -> bool:
    return one.data is None and other.data is None and one.offset == other.offset and one.path.samefile(other.path)


def _diff_others(old: Model, new: Model) -> list[Finding]:
    """Compare the files that are neither weights nor of the vocabulary."""
    known = {
        model.folder.within(name)
        for model in (old, new)
        for name in (*model.weights.read_from, *model.weights.files, "config.json", "generation_config.json")
    }
    known |= {old.folder.within(name) for name in ("tokenizer.json", "tokenizer_config.json", "added_tokens.json")}
    before, after = set(old.folder.contents), set(new.folder.contents)
    findings = []
    for name in sorted((before | after) - known):
        document = any(fnmatch(name.rpartition("/")[2], pattern) for pattern in DOCUMENTS)
        one, other = old.folder.root / name, new.folder.root / name
        if name not in after:
            stale = old.folder.is_stale(name)
            detail = "left out: the same weights in another form" if stale else "the file is gone"
            findings.append(Finding(name, NOTED if stale or document else CHANGED, detail))
        elif name not in before:
            findings.append(Finding(name, NOTED if document else CHANGED, "a file that was not there before"))
        elif one.samefile(other) or equal(whole(one), whole(other)):
            findings.append(Finding(name, IDENTICAL, f"{one.stat().st_size:,} bytes"))
        else:
            findings.append(Finding(name, NOTED if document else CHANGED, "the content differs"))
    return findings
