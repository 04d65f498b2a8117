"""A trained model: both its matrices, the counts and what it was trained with, in one file that training can go on from."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from safetensors import SafetensorError, safe_open

from tokenspace.errors import HeaderError, NotFiniteError, OutputError, TableNotFoundError
from tokenspace.formats.replacement import replacing
from tokenspace.subwords import Subwords, SubwordTable, composed
from tokenspace.table import EmbeddingTable
from tokenspace.train.subwords import buckets
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

FORMAT = "tokenspace.training"
MEMORY = "memory."
"""Before the names of what a file has beside the five arrays of each model."""


@dataclass(frozen=True, eq=False)
class Model:
    """What a training made, or has made so far.

    Attributes
    ----------
    name : str
        "skipgram", "cbow" or another of `tokenspace.train`'s.
    vocabulary : Vocabulary
        n tokens.
    counts : array of shape (n,), int64
        How often each stood in the text.
    inputs : array of shape (n + b, d), float32
        The tokens' rows, and behind them those of the b buckets where words are made of pieces (else b = 0).
    outputs : array of shape (o, d), float32
        The second matrix: n rows for negative sampling, n - 1 for hierarchical softmax.
    settings : mapping
        What it was trained with.
    state : mapping
        Where the training stands.
    tallies : array of shape (p, 3), float64
        What each of its parts so far came to: `tokenspace.native.training.train_part`.
    memory : mapping of str to array, float32
        What else it goes on from: the biases and squared gradients of GloVe.
    """

    name: str
    vocabulary: Vocabulary
    counts: NDArray[np.int64]
    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    settings: Mapping[str, Any]
    state: Mapping[str, Any] = field(default_factory=dict)
    tallies: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    memory: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def subwords(self) -> Subwords | None:
        """What makes vectors of words that were not seen; None where each word has a row of its own and no more."""
        if not buckets(self.settings):
            return None
        return Subwords(self.inputs[len(self.vocabulary) :], min_n=self.settings["minn"], max_n=self.settings["maxn"])

    def rows(self) -> NDArray[np.float32]:
        """Return the tokens' vectors, of shape (n, d).

        The input rows; where words are made of pieces, the means of their pieces'; for GloVe what its setting `vectors` says.
        """
        if self.settings.get("vectors") == "sum":
            return self.inputs + self.outputs
        if self.settings.get("vectors") == "context":
            return self.outputs
        own, pieces = self.inputs[: len(self.vocabulary)], self.subwords
        return composed(own, pieces, self.vocabulary) if pieces else own

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it, whole or not at all: `open_model` gives it back, bit for bit.

        Raises
        ------
        OutputError
            If it cannot be written; what was there is as it was.
        """
        arrays: dict[str, NDArray[Any]] = {
            "inputs": self.inputs,
            "outputs": self.outputs,
            "counts": self.counts,
            "tokens": self.vocabulary.data,
            "offsets": self.vocabulary.offsets,
            "tallies": self.tallies,
            **{MEMORY + name: array for name, array in self.memory.items()},
        }
        header: dict[str, Any] = {
            "__metadata__": {FORMAT: self.name, "settings": json.dumps(dict(self.settings)), "state": json.dumps(dict(self.state))}
        }
        at = 0
        for name, array in arrays.items():
            header[name] = {"dtype": TYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
            at += array.nbytes
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        try:
            with replacing(Path(path)) as file:
                file.write(struct.pack("<Q", len(text)) + text)
                for array in arrays.values():
                    file.write(np.ascontiguousarray(array).data)
        except OSError as error:
            if isinstance(error, TableNotFoundError):
                raise
            message = f"{path} cannot be written: {error.strerror or error}"
            raise OutputError(message, hint="is the disk full? what was there is as it was") from None


TYPES = {"float64": "F64", "float32": "F32", "int64": "I64", "uint8": "U8"}
"""safetensors' names of the element types."""


class TrainedTable(EmbeddingTable):
    """The table of a trained model, which is at hand as `model`; `report` says how the training went.

    Attributes
    ----------
    model : Model
    report : object
    """

    # Without __slots__: a class can have but one base with slots that differ.
    model: Model
    report: Any


class TrainedSubwordTable(TrainedTable, SubwordTable):
    """The same where words are made of pieces: a `SubwordTable`, which has a vector for words that were not seen, too."""


def table_of(model: Model, report: Any) -> TrainedTable:
    """Return the table of a model.

    Raises
    ------
    NotFiniteError
        If a number is not finite.
    """
    rows = np.ascontiguousarray(model.rows())
    if not np.isfinite(rows).all():
        message = "the trained rows hold numbers that are not finite"
        raise NotFiniteError(message, hint="take a smaller learning rate")
    pieces = model.subwords
    table = cast(
        "TrainedTable", TrainedSubwordTable.of(model.vocabulary, rows, pieces) if pieces else TrainedTable.mapped(model.vocabulary, rows)
    )
    object.__setattr__(table, "model", model)
    object.__setattr__(table, "report", report)
    return table


def open_model(path: str | os.PathLike[str]) -> Model:
    """Open a file that `Model.save` or a training's checkpoint wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Model

    Raises
    ------
    TableNotFoundError
        If there is no such file.
    HeaderError
        If it is another kind of file, or damaged.
    """
    if not Path(path).is_file():
        message = f"no such file: {path}"
        raise TableNotFoundError(message)
    try:
        with safe_open(path, framework="numpy") as file:
            told = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        vocabulary = Vocabulary.from_arrays(arrays["tokens"], arrays["offsets"])
        model = Model(
            name=told[FORMAT],
            vocabulary=vocabulary,
            counts=arrays["counts"],
            inputs=arrays["inputs"],
            outputs=arrays["outputs"],
            settings=json.loads(told["settings"]),
            state=json.loads(told["state"]),
            tallies=arrays["tallies"],
            memory={name.removeprefix(MEMORY): array for name, array in arrays.items() if name.startswith(MEMORY)},
        )
        n, d = len(vocabulary), model.inputs.shape[1]
        if model.inputs.shape[0] != n + buckets(model.settings) or model.outputs.shape[1] != d or model.counts.shape != (n,):
            raise ValueError("its arrays do not fit together")  # noqa: EM101, TRY003, TRY301 - said below
    except (SafetensorError, KeyError, ValueError, IndexError) as error:
        problem = f"it is no model that tokenspace trained, or is damaged: {error!s:.80}"
        raise HeaderError(path, problem, hint="name the file that training wrote with --model") from None
    return model
