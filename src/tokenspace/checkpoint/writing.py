"""A model folder with more rows, written beside its source: changed files made of stretches of the old ones, the rest as it is."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.folders import config
from tokenspace.checkpoint.folders.staging import check_room, new_folder
from tokenspace.checkpoint.model import CONFIG
from tokenspace.checkpoint.streams import copying
from tokenspace.checkpoint.streams.pieces import raw
from tokenspace.checkpoint.tensors import safetensors_file
from tokenspace.checkpoint.tensors.safetensors_file import Planned, as_bytes
from tokenspace.checkpoint.tensors.weights import SHARDED
from tokenspace.errors import ArgumentError
from tokenspace.formats.safetensors_header import ITEM_SIZES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.checkpoint.model import Model
    from tokenspace.checkpoint.streams.pieces import Piece
    from tokenspace.checkpoint.tensors.safetensors_file import Stored
    from tokenspace.checkpoint.tokenizers.new_token import NewToken

UNTOUCHED = ("copy", "link")
"""What becomes of files that stay as they are: a copy of their bytes, or a second name for them (which shares later edits too)."""

GENERATION = "generation_config.json"


@dataclass(frozen=True)
class Change:
    """What is to become of a model.

    Attributes
    ----------
    tokens : sequence of NewToken
        They get the ids from ``model.taken`` on.
    total : int
        Rows afterwards.
    runs : dict of str to list of (int, array)
        For each tensor the blocks of rows to be written, and the row at which each begins; all other rows stay.
    """

    tokens: Sequence[NewToken]
    total: int
    runs: dict[str, list[tuple[int, NDArray[Any]]]]


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    out : Path
        The folder.
    rewritten : tuple of str
        Files with other bytes than before.
    files : int
        All of its files.
    left_out : tuple of str
        Files of the source that hold the same weights in another form, with the old vocabulary.
    """

    out: Path
    rewritten: tuple[str, ...]
    files: int
    left_out: tuple[str, ...] = field(default=())


def write(model: Model, change: Change, out: Path, *, untouched: str = "copy", force: bool = False) -> Written:
    """Write a model with more rows to a new folder.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left there then.
    TokenizerMismatchError
        If a special token's id is one that a new token would take.
    ArgumentError
        If `untouched` is no known word.
    """
    if untouched not in UNTOUCHED:
        message = f"untouched must be one of {', '.join(UNTOUCHED)}; seen {untouched!r}"
        raise ArgumentError(message)
    folder, weights = model.folder, model.weights
    texts = {folder.within(name): text for name, text in _texts(model, change).items()}
    plans = _plans(model, change)
    planned = {folder.within(name) for name in weights.files}
    sources = {folder.within(name) for name in weights.read_from}
    others = [name for name in folder.contents if name not in texts and name not in planned | sources]
    left_out = tuple(name for name in others if folder.is_stale(name))
    kept = {name: folder.root / name for name in others if name not in left_out}
    kept |= {folder.within(name): file.path for name, file in weights.files.items() if name not in plans}
    with new_folder(out, source=folder.root, force=force) as beside:
        size = sum(tensor.size for plan in plans.values() for tensor in plan)
        check_room(beside.parent, size + (sum(path.stat().st_size for path in kept.values()) if untouched == "copy" else 0))
        for name, plan in plans.items():
            file = weights.files[name]
            safetensors_file.write(_place(beside, folder.within(name)), plan, metadata=file.metadata, order=file.tensors)
        for name, text in texts.items():
            copying.write(_place(beside, name), text)
        for name, path in kept.items():
            _keep(path, _place(beside, name), untouched)
    rewritten = (*(folder.within(name) for name in plans), *texts)
    return Written(out, tuple(sorted(rewritten)), len(rewritten) + len(kept), left_out)


def _place(beside: Path, name: str) -> Path:
    path = beside / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _keep(source: Path, target: Path, untouched: str) -> None:
    """Copy a file byte for byte, or give it a second name; a copy where the two lie on different disks."""
    if untouched == "link":
        with contextlib.suppress(OSError):
            os.link(source.resolve(), target)
            return
    copying.copy(source, target)


def _plans(model: Model, change: Change) -> dict[str, list[Planned]]:
    """Return the tensors of each file that has to be written, in the order in which they lie."""
    weights = model.weights
    dropped = _aliases(model) if weights.converted else set()
    touched = set(weights.files) if weights.converted else {weights.where[name] for name in change.runs}
    plans = {}
    for name in sorted(touched):
        stored = [tensor for tensor in weights.files[name].tensors.values() if tensor.name not in dropped]
        if not weights.converted:
            stored.sort(key=lambda tensor: tensor.offset)
        plans[name] = [_planned(tensor, change) for tensor in stored]
    return plans


def _aliases(model: Model) -> set[str]:
    """Return the copies of the embedding that are the same memory in a .bin: safetensors holds them once, transformers ties them."""
    table = model.embedding
    return {name for name in model.roles.copies if model.weights.tensors[name].offset == table.offset}


def _planned(tensor: Stored, change: Change) -> Planned:
    """Put a tensor together: old rows where they lie, new ones between and after them."""
    if tensor.name not in change.runs:
        return Planned.unchanged(tensor)
    pieces: list[Piece] = []
    at = 0
    for first, rows in change.runs[tensor.name]:
        pieces += [tensor.piece(at, first)] if first > at else []
        pieces.append(as_bytes(rows))
        at = first + len(rows)
    pieces += [tensor.piece(at, tensor.rows)] if at < tensor.rows else []
    length = max(at, tensor.rows)
    shape = (1, length) if len(tensor.shape) > 1 and tensor.is_bias else (length, *tensor.shape[1:])
    return Planned(tensor.name, tensor.dtype, shape, tuple(pieces))


def _texts(model: Model, change: Change) -> dict[str, tuple[Piece, ...]]:
    """Return the new content of the JSON files, in pieces, by name."""
    folder, first = model.folder, model.taken
    end = first + len(change.tokens)
    config.check_special_ids(folder.root / folder.within(CONFIG), model.settings, first, end)
    texts = model.tokenizer.rewritten(change.tokens) if change.tokens else {}
    resized = config.resized(model.settings, model.rows, change.total)
    if resized != model.settings:
        texts[CONFIG] = (raw(config.written(resized)),)
    generation = folder.json(GENERATION)
    if generation is not None:
        config.check_special_ids(folder.root / folder.within(GENERATION), generation, first, end)
        resized = config.resized(generation, model.rows, change.total)
        if resized != generation:
            texts[GENERATION] = (raw(config.written(resized)),)
    if model.weights.index is not None:
        texts[SHARDED] = (raw(config.written(_index(model, change))),)
    return texts


def _index(model: Model, change: Change) -> dict[str, Any]:
    """Return the index of shards with the new sizes."""
    weights, dropped = model.weights, _aliases(model) if model.weights.converted else set()
    index = dict(weights.index or {})
    index["weight_map"] = {name: place for name, place in index["weight_map"].items() if name not in dropped}
    plans = [tensor for plan in _plans(model, change).values() for tensor in plan]
    rewritten = {tensor.name: tensor for tensor in plans}
    size = count = 0
    for name, tensor in weights.tensors.items():
        if name not in dropped:
            now = rewritten.get(name)
            size += tensor.size if now is None else now.size
            count += (tensor.size if now is None else now.size) // ITEM_SIZES[tensor.dtype]
    metadata = index.get("metadata")
    if isinstance(metadata, dict):
        new = {"total_size": size, "total_parameters": count}
        index["metadata"] = metadata | {key: value for key, value in new.items() if key in metadata}
    return index
