"""PEFT's trainable tokens: their folders written from new rows, and read as rows for a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.checkpoint.folders.contents import checked_path, read_json
from tokenspace.checkpoint.folders.staging import check_place, new_folder
from tokenspace.checkpoint.streams import copying
from tokenspace.checkpoint.streams.pieces import raw
from tokenspace.checkpoint.tensors import safetensors_file
from tokenspace.checkpoint.tensors.safetensors_file import FLOATS, Planned
from tokenspace.checkpoint.tokenizers.files import FAST, LEGACY, SETTINGS, SLOW
from tokenspace.checkpoint.tokenizers.new_token import NewToken
from tokenspace.checkpoint.tokenizers.tokenizer_json import read as read_tokenizer
from tokenspace.errors import BaseMismatchError, HeaderError, MissingPartError, ModelFolderError
from tokenspace.rows import check_finite

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.checkpoint.model import Model
    from tokenspace.checkpoint.tensors.safetensors_file import Stored

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX, DELTA, WRAPPED = "base_model.model.", ".trainable_tokens_delta", ".token_adapter"
"""Parts of a tensor's name as PEFT 0.21.2 has it: ``base_model.model.<module>[.token_adapter].trainable_tokens_delta``."""

TOKENIZER = (FAST, SETTINGS, LEGACY, "special_tokens_map.json", *SLOW)
"""Files with which PEFT's AutoPeftModel knows how many rows the base model must get."""


def is_adapter(path: Path) -> bool:
    """Return whether a path is an adapter's folder."""
    return (path / CONFIG).is_file()


def save_adapter(old: Model, new: Model, out: Path, *, force: bool = False) -> tuple[str, ...]:
    """Write the rows that one model has and another has not as a folder that PEFT loads.

    Parameters
    ----------
    old, new : Model
        The second is the first, extended; the caller has proved it.
    out : Path
    force : bool, default False
        Replace a folder that is there.

    Returns
    -------
    tuple of str
        Biases, which such an adapter cannot hold.

    Raises
    ------
    OutputError
        If `out` is there or cannot be written.
    ArgumentError
        If `out` and one of the two models lie in one another.

    Notes
    -----
    The base model must have the rows before PEFT loads the adapter: ``model.resize_token_embeddings(len(tokenizer))`` with the
    tokenizer in this folder, which AutoPeftModel does by itself.
    """
    names = [old.roles.embedding, *old.roles.heads]
    modules = [name.removesuffix(".weight") for name in names]
    ids = list(range(old.taken, new.taken))
    settings = {
        "auto_mapping": None,
        "base_model_name_or_path": str(old.folder.root),
        "inference_mode": True,
        "init_weights": True,
        "peft_type": "TRAINABLE_TOKENS",
        "revision": None,
        "target_modules": modules,
        "task_type": None,
        "token_indices": ids,
    }
    check_place(out, source=old.folder.root, force=force)
    plans = []
    for name, module in zip(names, modules, strict=True):
        tensor = new.weights.tensors[name]
        shape = (len(ids), *tensor.shape[1:])
        plans.append(Planned(f"{PREFIX}{module}{DELTA}", tensor.dtype, shape, (tensor.piece(old.taken, new.taken),)))
    with new_folder(out, source=new.folder.root, force=force) as beside:
        safetensors_file.write(beside / WEIGHTS, plans, metadata={"format": "pt"})
        copying.write(beside / CONFIG, [raw(json.dumps(settings, indent=2).encode())])
        for name in TOKENIZER:
            path = new.folder.find(name)
            if path:
                copying.copy(path, beside / name)
    return old.roles.biases


@dataclass(frozen=True)
class Adapter:
    """Rows that an adapter holds, for tensors of a model.

    Attributes
    ----------
    tokens : list of NewToken
        Those that the model does not have.
    replaced : list of int
        Rows with a token that get other numbers.
    runs : dict of str to list of (int, array)
        For each tensor blocks of rows, and where each begins.
    """

    tokens: list[NewToken]
    replaced: list[int]
    runs: dict[str, list[tuple[int, NDArray[Any]]]]


def open_adapter(path: Path, model: Model) -> Adapter:
    """Read an adapter for a model.

    Parameters
    ----------
    path : Path
    model : Model

    Returns
    -------
    Adapter

    Raises
    ------
    ModelFolderError
        If it trains more than tokens, LoRA matrices for instance.
    BaseMismatchError
        If its rows do not fit the model's tensors, or its new ids do not follow those of the model.
    NotFiniteError
        If a row holds NaN or infinity.
    MissingPartError
        If it has new ids and no tokenizer that says which tokens they are.
    """
    settings = read_json(checked_path(path, CONFIG))
    weights = checked_path(path, WEIGHTS)
    if not weights.is_file():
        raise MissingPartError(weights, "expected the adapter's rows, there is no such file", hint="adapters in .bin are not read")
    file = safetensors_file.read(weights)
    other = [name for name in file.tensors if not name.endswith(DELTA) and f"{WRAPPED}.base_layer." not in name]
    if other:
        problem = f"trains more than tokens: {other[0]!r:.80} and {len(other) - 1:,} other tensors"
        raise ModelFolderError(path, problem, hint="merge it into its base with PEFT, then compare the two with diff --rows")
    runs: dict[str, list[tuple[int, NDArray[Any]]]] = {}
    every: set[int] = set()
    for name, tensor in file.tensors.items():
        if not name.endswith(DELTA):
            continue
        module = name.removeprefix(PREFIX).removesuffix(DELTA).removesuffix(WRAPPED)
        target = _target(model, module)
        if target is None:
            continue
        ids = _indices(path, settings, module)
        runs[target] = _blocks(path, model.weights.tensors[target], tensor, ids)
        every |= set(ids)
    if model.roles.embedding not in runs:
        raise BaseMismatchError(path, f"has no rows for {model.roles.embedding!r}; it has {', '.join(file.tensors)}", hint="another model")
    runs |= {name: runs[model.roles.embedding] for name in model.roles.copies if name not in runs}
    new = sorted(number for number in every if number >= model.taken)
    if new != list(range(model.taken, model.taken + len(new))):
        problem = f"has rows for the ids {new[0]:,}..{new[-1]:,}; the model's next free row is {model.taken:,}"
        raise BaseMismatchError(path, problem, hint="another model, or other tokens were added before")
    return Adapter(_tokens(path, new), sorted(number for number in every if number < model.taken), runs)


def _target(model: Model, module: str) -> str | None:
    """Return the tensor that a module's rows are of; None for another name of a tied one, which the file does not have."""
    wanted = f"{module}.weight"
    for name in model.roles.names:
        if name == wanted or name.endswith(f".{wanted}") or wanted.endswith(f".{name}"):
            return name
    return None


def _indices(path: Path, settings: dict[str, Any], module: str) -> list[int]:
    """Return the rows' ids from the settings of one of PEFT's two kinds: trainable tokens alone, or beside LoRA."""
    ids = settings.get("token_indices") or settings.get("trainable_token_indices")
    if isinstance(ids, dict):
        ids = next((value for key, value in ids.items() if module == key or module.endswith(f".{key}")), None) or next(iter(ids.values()))
    if not isinstance(ids, list) or not all(type(number) is int and number >= 0 for number in ids) or len(set(ids)) != len(ids):
        raise HeaderError(path / CONFIG, f"expected token_indices, ids that differ, seen {ids!r:.80}")
    return ids


def _blocks(path: Path, table: Stored, rows: Stored, ids: list[int]) -> list[tuple[int, NDArray[Any]]]:
    """Return blocks of neighbouring rows, in the table's element type, and where each begins."""
    if len(rows.shape) != 2 or rows.shape[0] != len(ids) or rows.shape[1:] != table.shape[1:]:  # noqa: PLR2004 - a matrix
        problem = f"{rows.name!r:.80} has the shape {rows.shape}, expected {(len(ids), *table.shape[1:])} for {table.name!r:.80}"
        raise BaseMismatchError(path / WEIGHTS, problem, hint="another model")
    if rows.dtype not in FLOATS:
        raise BaseMismatchError(path / WEIGHTS, f"{rows.name!r:.80} is stored as {rows.dtype}; expected {', '.join(FLOATS)}")
    check_finite(rows.matrix(), f"{path / WEIGHTS}: {rows.name}")
    order = np.argsort(ids)
    matrix = rows.matrix()[order].astype(table.matrix().dtype)
    sorted_ids = np.array(ids, dtype=np.int64)[order]
    borders = np.flatnonzero(np.diff(sorted_ids) != 1) + 1
    return [
        (int(part[0]), block) for part, block in zip(np.split(sorted_ids, borders), np.split(matrix, borders), strict=True) if len(part)
    ]


def _tokens(path: Path, ids: list[int]) -> list[NewToken]:
    """Return the tokens of some ids, by the tokenizer that lies beside the adapter."""
    if not ids:
        return []
    beside = checked_path(path, FAST)
    if not beside.is_file():
        problem = f"has rows for new ids from {ids[0]:,} on; expected {FAST} beside them, there is none"
        raise MissingPartError(path, problem, hint="save the tokenizer with the new tokens into the adapter's folder")
    by_id = {entry["id"]: NewToken.of(entry) for entry in read_tokenizer(beside, set()).added}
    missing = [number for number in ids if number not in by_id]
    if missing:
        raise MissingPartError(beside, f"expected an added token with the id {missing[0]:,}, there is none", hint="save the tokenizer anew")
    return [by_id[number] for number in ids]
