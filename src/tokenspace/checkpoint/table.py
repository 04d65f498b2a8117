"""The input embedding of a model folder as a table: headers and tokens are read, the rows are mapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.checkpoint.folders import config
from tokenspace.checkpoint.folders.contents import open_folder
from tokenspace.checkpoint.tensors.architecture import input_embedding
from tokenspace.checkpoint.tensors.safetensors_file import FLOATS
from tokenspace.checkpoint.tensors.weights import open_weights
from tokenspace.checkpoint.tokenizers import slow_tokenizers
from tokenspace.errors import DtypeError, HeaderError, TokenizerMismatchError, UnknownArchitectureError
from tokenspace.formats.rows_in_files import mapped_matrix

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.checkpoint.folders.contents import Folder
    from tokenspace.checkpoint.tensors.weights import Weights

LISTS = {"I64": "<i8", "I32": "<i4", "F64": "<f8", "F32": "<f4", "F16": "<f2"}
"""Element types of lists beside the rows, by the format's names and by NumPy's."""

SHOWN = 8
"""Tensors that a message lists."""


@dataclass(frozen=True)
class Rows:
    """What a model folder holds for a table.

    Attributes
    ----------
    folder : Folder
    weights : Weights
    embedding : str
        The tensor's name.
    matrix : array of shape (n, d)
        Mapped, rows without a token included.
    """

    folder: Folder
    weights: Weights
    embedding: str
    matrix: NDArray[Any]

    def tokens(self, count: int) -> tuple[list[str], NDArray[np.int64]]:
        """Return the tokens in the order of their ids, and these; `count` rows are there.

        Raises
        ------
        TokenizerMismatchError
            If a token's id is no row.
        ModelFolderError, FileContentError
            As `tokenspace.checkpoint.slow_tokenizers.identified`.
        """
        names = slow_tokenizers.identified(self.folder)
        ids = sorted(names)  # as JSON has them: of any size
        if not ids or ids[0] < 0 or ids[-1] >= count:
            wrong = [number for number in (*ids[:1], *ids[-1:]) if not 0 <= number < count]
            seen = f"the id {wrong[0]:,} for {names[wrong[0]]!r:.60}" if wrong else "no token"
            problem = f"expected tokens with ids below {count:,}, the rows of {self.embedding!r:.80}; seen {seen}"
            raise TokenizerMismatchError(
                self.folder.root, problem, hint="this tokenizer belongs to another model, or lost its resized table"
            )
        return [names[number] for number in ids], np.array(ids, dtype=np.int64)

    def numbers(self, name: str, dtypes: Iterable[str]) -> NDArray[Any] | None:
        """Return a tensor of one axis, if it is there.

        Raises
        ------
        HeaderError
            If it has another shape or element type.
        """
        stored = self.weights.tensors.get(name)
        if stored is None:
            return None
        if stored.dtype not in dtypes or len(stored.shape) != 1:
            seen = f"{stored.dtype} {list(stored.shape)}"
            raise HeaderError(stored.path, f"expected {name} as a list in {' or '.join(dtypes)}, seen {seen}")
        return mapped_matrix(stored.path, np.dtype(LISTS[stored.dtype]), stored.shape, stored.offset)


def rows_of(path: Path, *, tensor: str | None = None, dtypes: Iterable[str] = FLOATS) -> Rows:
    """Find the input embedding of a model folder.

    Parameters
    ----------
    path : Path
        A folder as ``save_pretrained`` writes it, or one of sentence-transformers or model2vec.
    tensor : str, optional
        The tensor, where its name does not tell.
    dtypes : iterable of str
        The element types it may have.

    Raises
    ------
    UnknownArchitectureError
        If no tensor, or more than one, may be it.
    DtypeError
        If it is quantised.
    ModelFolderError, FileContentError
        In one of their kinds: a file missing, damaged, or outside the folder.

    Notes
    -----
    A shard's header is read, not its tensors. Names say which tensor it is, and where several have such names the configuration's
    ``vocab_size``, in nested parts too; several that are left have to be equal byte for byte, which reads them.
    """
    folder = open_folder(path)
    settings = folder.json("config.json") or {}
    weights = open_weights(folder)
    tensors = weights.tensors
    if tensor is None:
        tensor, _ = input_embedding(folder, tensors, config.vocabulary_sizes(settings))
    elif tensor not in tensors or len(tensors[tensor].shape) != 2:  # noqa: PLR2004 - a matrix has two axes
        able = sorted((name for name in tensors if len(tensors[name].shape) == 2), key=lambda name: -tensors[name].rows)  # noqa: PLR2004
        listed = ", ".join(f"{name:.80} {list(tensors[name].shape)}" for name in able[:SHOWN])
        raise UnknownArchitectureError(folder.root, f"there is no tensor {tensor!r:.80} of two axes; there are {listed or 'none'}")
    stored = tensors[tensor]
    if stored.dtype not in dtypes:
        message = f"the embedding {tensor!r:.80} is stored as {stored.dtype}; expected {', '.join(dtypes)}"
        raise DtypeError(message, hint="open the model as it was before it was quantised")
    if not stored.size:
        raise UnknownArchitectureError(folder.root, f"{tensor!r:.80} has the shape {list(stored.shape)}: expected a row")
    return Rows(folder, weights, tensor, stored.matrix())
