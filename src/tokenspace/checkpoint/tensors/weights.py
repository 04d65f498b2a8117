"""The weights of a model folder: one file or shards, safetensors or PyTorch's .bin, as one set of named tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.folders.contents import Folder, needed, read_json
from tokenspace.checkpoint.tensors import safetensors_file, torch_bin
from tokenspace.errors import HeaderError, MissingPartError, ModelFolderError

if TYPE_CHECKING:
    from pathlib import Path

    from tokenspace.checkpoint.tensors.safetensors_file import Stored, TensorFile

SINGLE, SHARDED = "model.safetensors", "model.safetensors.index.json"
BIN, BIN_SHARDED = "pytorch_model.bin", "pytorch_model.bin.index.json"


@dataclass(frozen=True)
class Weights:
    """Named tensors in files.

    Attributes
    ----------
    files : dict of str
        The files by the name that each has, or will have once written as safetensors, relative to the home folder.
    tensors : dict of str
        Every tensor by name.
    where : dict of str
        The name of the file that holds each tensor.
    index : dict or None
        The content of the index of shards; None for a single file.
    read_from : tuple of str
        The files that were read: shards, and the index.
    converted : bool
        Whether they were read from .bin files, which are written as safetensors.
    """

    files: dict[str, TensorFile]
    tensors: dict[str, Stored]
    where: dict[str, str]
    index: dict[str, Any] | None
    read_from: tuple[str, ...]
    converted: bool = field(default=False)

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.size for tensor in self.tensors.values())


def open_weights(folder: Folder) -> Weights:
    """Read where every tensor of a model lies.

    Parameters
    ----------
    folder : Folder

    Returns
    -------
    Weights

    Raises
    ------
    MissingPartError
        If there are no weights, a shard is missing, or a tensor that the index names is not in its shard.
    OutsideFolderError
        If the index names a file outside the folder.
    ModelFolderError
        If a tensor is in two shards.
    FileContentError
        In one of its kinds, if a file is damaged.
    MissingExtraError
        For .bin files, if PyTorch is not installed.

    Notes
    -----
    Of safetensors the headers are read and nothing else. A .bin is a pickle: it is read by PyTorch's weights-only rules, which build
    tensors and run nothing.
    """
    if path := folder.find(SINGLE):
        return _together({SINGLE: safetensors_file.read(path)}, None, (SINGLE,))
    if path := folder.find(SHARDED):
        index = _index(read_json(path), path)
        shards = _shards(folder, index)
        files = {name: safetensors_file.read(needed(folder, name, hint=_hint(name))) for name in shards}
        return _together(files, index, (SHARDED, *shards), wanted=index["weight_map"])
    if path := folder.find(BIN):
        return _together({SINGLE: torch_bin.read(path)}, None, (BIN,), converted=True)
    if path := folder.find(BIN_SHARDED):
        index = _index(read_json(path), path)
        shards = _shards(folder, index)
        files = {_renamed(name): torch_bin.read(needed(folder, name, hint=_hint(name))) for name in shards}
        index = index | {"weight_map": {tensor: _renamed(name) for tensor, name in index["weight_map"].items()}}
        return _together(files, index, (BIN_SHARDED, *shards), converted=True, wanted=index["weight_map"])
    expected = f"expected {SINGLE}, {SHARDED}, {BIN} or {BIN_SHARDED}, there is none"
    raise MissingPartError(folder.root / folder.home, expected, hint="other weights (ONNX, TensorFlow, GGUF...) cannot be extended")


def _hint(name: str) -> str:
    return f"the index names the shard {name}: download it again"


def _renamed(name: str) -> str:
    """Return the safetensors name of a .bin shard."""
    return name.replace("pytorch_model", "model").removesuffix(".bin") + ".safetensors"


def _index(index: dict[str, Any], path: Path) -> dict[str, Any]:
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(place, str) and place for place in places.values()):
        raise HeaderError(path, f"expected a weight_map of tensors to files, seen {places!r:.60}")
    return index


def _shards(folder: Folder, index: dict[str, Any]) -> list[str]:
    """Return the shards' names, all held against the folder's border before any is opened."""
    names = sorted(set(index["weight_map"].values()))
    for name in names:
        folder.find(name)
    return names


def _together(
    files: dict[str, TensorFile],
    index: dict[str, Any] | None,
    read_from: tuple[str, ...],
    *,
    converted: bool = False,
    wanted: dict[str, str] | None = None,
) -> Weights:
    """Join the files' tensors; hold them against the index."""
    where: dict[str, str] = {}
    tensors: dict[str, Stored] = {}
    for name, file in files.items():
        for tensor, stored in file.tensors.items():
            if tensor in where:
                problem = f"holds the tensor {tensor!r:.80}, which is in {where[tensor]} too; expected it once"
                raise ModelFolderError(file.path, problem, hint="was the folder put together from two models?")
            where[tensor], tensors[tensor] = name, stored
    for tensor, name in (wanted or {}).items():
        if where.get(tensor) != name:
            seen = f"it is in {where[tensor]}" if tensor in where else "it is in no shard"
            raise MissingPartError(files[name].path, f"the index promises the tensor {tensor!r:.80} here; {seen}", hint="download it again")
    return Weights(files, tensors, where, index, read_from, converted)
