"""What is in a model folder: where the Transformer lies in it, and which files belong to which part."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from tokenspace.errors import HeaderError, MissingPartError, ModelFolderError, OutsideFolderError, TableNotFoundError

STALE = (
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "tf_model*.h5",
    "tf_model.h5.index.json",
    "flax_model*.msgpack",
    "flax_model.msgpack.index.json",
    "rust_model.ot",
    "model.ckpt*",
    "consolidated*",
    "*.gguf",
    "*.onnx",
    "*.onnx_data",
    "*.tflite",
    "*.mlmodel",
    "onnx/*",
    "openvino/*",
    "coreml/*",
    "original/*",
    "optimizer.pt",
    "optimizer.bin",
    "scheduler.pt",
    "training_args.bin",
    "rng_state*.pth",
)
"""Beside the weights that are read, files that hold the same weights again, or an optimiser's memory of them: they would keep the old
vocabulary, so an extended model goes without them, and says so."""

NOT_OURS = {".git", ".cache", "__pycache__", ".ipynb_checkpoints"}
"""Folders that belong to other programs."""

STATIC = "StaticEmbedding"
"""The sentence-transformers module that is a table and nothing else."""


@dataclass(frozen=True)
class Folder:
    """A model folder.

    Attributes
    ----------
    root : Path
        The folder.
    home : str
        Where weights, configuration and tokenizer lie in it: ``""``, or the folder of a sentence-transformers module.
    module : str
        The class of that module; empty for a plain model folder.
    """

    root: Path
    home: str = ""
    module: str = ""

    def within(self, name: str) -> str:
        """Return the name, relative to `root`, of a file in `home`."""
        return f"{self.home}/{name}" if self.home else name

    def find(self, name: str) -> Path | None:
        """Return a file in `home`, or None if it is not there.

        Raises
        ------
        OutsideFolderError
            If the name, or a link of that name, leads out of the folder.
        """
        path = checked_path(self.root, self.within(name))
        return path if path.is_file() else None

    def json(self, name: str) -> dict[str, Any] | None:
        """Read a JSON object in `home`; None if the file is not there.

        Raises
        ------
        HeaderError
            If it is not a JSON object.
        """
        path = self.find(name)
        return None if path is None else read_json(path)

    @cached_property
    def contents(self) -> tuple[str, ...]:
        """Every file's name relative to `root`, sorted; each is held against the folder's border."""
        names = []
        for at, folders, files in os.walk(self.root):
            folders[:] = sorted(set(folders) - NOT_OURS)
            here = Path(at)
            for name in folders:
                if (here / name).is_symlink():
                    raise OutsideFolderError(here / name, "expected a folder, seen a link to one", hint="put the folder itself there")
            names += [(here / name).relative_to(self.root).as_posix() for name in files]
        for name in names:
            checked_path(self.root, name)
        return tuple(sorted(names))

    def is_stale(self, name: str) -> bool:
        """Return whether a file holds the weights in another form, which an extension leaves behind."""
        inner = name.removeprefix(f"{self.home}/") if self.home else name
        return any(fnmatch(inner, pattern) and ("/" in pattern or "/" not in inner) for pattern in STALE)


def is_model_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder with a model in it, rather than one with a table of vectors."""
    folder = Path(path)
    signs = ("config.json", "modules.json", "tokenizer.json", "model.safetensors.index.json", "adapter_config.json")
    return folder.is_dir() and any((folder / name).exists() for name in signs)


def open_folder(path: str | os.PathLike[str]) -> Folder:
    """Look at a model folder.

    Parameters
    ----------
    path : str or path
        A folder as ``save_pretrained`` writes it, or a sentence-transformers folder (``modules.json``).

    Returns
    -------
    Folder

    Raises
    ------
    TableNotFoundError
        If there is no such folder.
    ModelFolderError
        If it holds no model, or no module with a vocabulary.
    OutsideFolderError
        If ``modules.json`` names a module outside.
    """
    root = Path(path)
    if not root.is_dir():
        message = f"no such model folder: {root}"
        raise TableNotFoundError(message, hint="a name is not downloaded: give the folder in which the model lies")
    if (root / "adapter_config.json").exists() and not (root / "config.json").exists():
        raise ModelFolderError(
            root, "seen an adapter, expected a model", hint="apply it to its base: tokenspace apply BASE ADAPTER --out DIR"
        )
    if not (root / "modules.json").exists():
        return Folder(root)
    for module in _modules(checked_path(root, "modules.json")):
        kind, place = module.get("type"), module.get("path", "")
        if not isinstance(kind, str) or not isinstance(place, str):
            raise HeaderError(root / "modules.json", f"expected a module with type and path, seen {module!r:.80}")
        if kind.rpartition(".")[2] in {"Transformer", STATIC}:
            checked_path(root, place)
            home = PurePosixPath(place).as_posix()
            return Folder(root, "" if home == "." else home, kind.rpartition(".")[2])
    raise ModelFolderError(root, f"modules.json names no Transformer and no {STATIC}", hint="only their vocabularies can grow")


def _modules(path: Path) -> list[dict[str, Any]]:
    modules = _parsed(path)
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise HeaderError(path, f"expected a list of modules, seen {modules!r:.60}")
    return modules


def checked_path(root: Path, name: str) -> Path:
    """Return the path of a file in a folder, wherever its name and links claim to lead.

    Raises
    ------
    OutsideFolderError
        If that is outside the folder. Links into the ``blobs`` of the same download cache are inside.
    ModelFolderError
        If no file can have such a name.
    """
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or "\0" in name or (os.name == "nt" and ":" in name):
        raise OutsideFolderError(root, f"expected the name of a file in this folder, seen {name!r:.80}", hint="do not trust this folder")
    path = root / name
    try:
        path.is_file()
        real, border = path.resolve(), root.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # too long; a circle of links, to Python before 3.13; half a surrogate
        reason = getattr(error, "strerror", None) or error
        raise ModelFolderError(root, f"expected the name of a file, seen {name!r:.80}: {reason!s:.80}") from None
    blobs = border.parent.parent / "blobs"  # a download cache: snapshots/<revision>/name -> ../../blobs/<digest>
    inside = real.is_relative_to(border) or (border.parent.name == "snapshots" and real.is_relative_to(blobs))
    if not inside:
        raise OutsideFolderError(path, f"is a link that leads to {real}, outside the folder", hint="put the file itself there")
    return path


def needed(folder: Folder, name: str, *, hint: str = "") -> Path:
    """Return a file in `home`.

    Raises
    ------
    MissingPartError
        If it is not there.
    """
    path = folder.find(name)
    if path is None:
        raise MissingPartError(folder.root / folder.within(name), "expected this file, there is none", hint=hint)
    return path


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    HeaderError
        If it is not one.
    """
    value = _parsed(path)
    if not isinstance(value, dict):
        raise HeaderError(path, f"expected a JSON object, seen {value!r:.60}")
    return value


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise HeaderError(path, f"expected JSON: {error.msg}", line=error.lineno) from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise HeaderError(path, f"expected JSON: {error!s:.80}") from None
