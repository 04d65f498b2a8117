"""Encoders that train: a bag of an embedding layer's rows, or a Transformer; of each all of it, or chosen tokens' rows alone."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from tokenspace import formats
from tokenspace.errors import ArgumentError
from tokenspace.formats.replacement import replacing_folder
from tokenspace.table import EmbeddingTable
from tokenspace.texts.cutting import CUTTERS, WORDS_OR_MARKS, HuggingFace, Whitespace
from tokenspace.torch import EmbeddingLayer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from tokenspace.extension import Proof
    from tokenspace.texts.cutting import Cutter

TOGETHER = 256
"""Texts encoded at a time when nothing trains."""

LEAST = 2
"""Times a word must stand in the pairs to have a row, where there was no table to begin with."""


class Encoder(Protocol):
    """What trains."""

    d: int
    rate: float

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return what trains."""
        ...

    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Return vectors of shape (b, d), with gradients."""
        ...

    def save(self, out: Path) -> Proof | None:
        """Write what was trained; return the proof that the rest is what it was, where only some rows train."""
        ...


class Bag:
    """The mean of the rows of a text's tokens.

    Parameters
    ----------
    table : EmbeddingTable
        Where it starts; its rows are copied.
    cutter : Cutter
        For that table.
    only : sequence of str, optional
        Whose rows train, and no others; those without a row get one, which starts at the mean of all.
    """

    rate = 0.01

    def __init__(self, table: EmbeddingTable, cutter: Cutter, *, only: Sequence[str] | None = None) -> None:
        self.layer = EmbeddingLayer(table.n, table.d, _weight=_copied(table), mode="mean", vocabulary=table.vocabulary)
        self.partial = only is not None
        if only is not None:
            self._choose(table, list(dict.fromkeys(only)))
        self.cutter, self.d = cutter, table.d
        self._cut: dict[str, NDArray[np.int64]] = {}

    def _choose(self, table: EmbeddingTable, only: list[str]) -> None:
        fresh = [token for token in only if token not in table]
        there = [token for token in only if token in table]
        if not only or (fresh and there):
            message = f"only must name tokens that all have a row, or none of which has; seen {len(there):,} and {len(fresh):,}"
            raise ArgumentError(message)
        if fresh:
            self.layer.extend(fresh, init="mean")
        else:
            self.layer.train_rows(table.vocabulary.ids(there))

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return the rows that train."""
        return list(self.layer.parameters())

    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Return means of shape (b, d); zero for a text without a known token."""
        new = [text for text in dict.fromkeys(texts) if text not in self._cut]
        self._cut |= {text: np.array(rows, dtype=np.int64) for text, rows in zip(new, self.cutter.cut(new), strict=True)}
        rows = [self._cut[text] for text in texts]
        begins = np.cumsum([0, *map(len, rows)])[:-1]
        flat = np.concatenate([np.empty(0, dtype=np.int64), *rows])
        return self.layer(torch.from_numpy(flat), torch.from_numpy(begins))

    def save(self, out: Path) -> Proof | None:
        """Write the table, in the format of its ending."""
        table = self.layer.to_table()
        formats.save(table, out)
        return self.layer.proof() if self.partial else None


class Network:
    """A Transformer.

    Parameters
    ----------
    folder : path
    only : sequence of str, optional
        Tokens of its tokenizer whose rows train, and nothing else.
    length : int, optional
        Tokens read of a text at the most.
    """

    rate = 2e-5
    """The paper's."""

    def __init__(self, folder: Path, *, only: Sequence[str] | None = None, length: int | None = None) -> None:
        from tokenspace.torch.sentence import SentenceModel  # noqa: PLC0415 - transformers takes seconds

        self.model = SentenceModel.opened(folder, length=length)
        self.d = self.model.d
        self.ids: NDArray[np.int64] | None = None
        self.extended: Any = None
        if only is not None:
            from tokenspace.train.new_rows.network import partial  # noqa: PLC0415

            found = {token: self.model.tokenizer.token_to_id(token) for token in only}
            missing = [token for token, number in found.items() if number is None]
            if missing or not found:
                message = f"the tokenizer of {folder} has no token {missing[0]!r:.60}" if missing else "only must name a token"
                raise ArgumentError(message, hint="extend the model first: `tokenspace extend`")
            self.ids = np.array(sorted(set(found.values())), dtype=np.int64)
            self.extended = partial(self.model.network, self.ids)

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return what trains."""
        if self.extended is not None:
            return list(self.extended.parameters())
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Return vectors of shape (b, d)."""
        from tokenspace.torch.sentence import padded  # noqa: PLC0415

        return self.model(*padded(self.model.ids(list(texts))))

    def save(self, out: Path) -> Proof | None:
        """Write a folder like the one it came from."""
        if self.ids is not None:
            from tokenspace import checkpoint  # noqa: PLC0415
            from tokenspace.train.new_rows.network import written  # noqa: PLC0415

            return written(checkpoint.open(self.model.folder), self.extended, self.ids, out, force=True)
        source = self.model.folder
        with replacing_folder(out, ours=lambda folder: (folder / "config.json").is_file() or (folder / "modules.json").is_file()) as folder:
            shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*WEIGHTS))
            self.model.save(folder)
        return None


WEIGHTS = (
    "*.safetensors",
    "*.bin",
    "*.safetensors.index.json",
    "*.bin.index.json",
    "*.onnx",
    "*.h5",
    "*.msgpack",
    "*.ot",
    "onnx",
    "openvino",
)
"""What holds weights in other forms: they would be those of before."""


def encoder_of(
    model: Any, texts: Iterable[str], *, tokenizer: Any, dim: int, seed: int, only: Sequence[str] | None, length: int | None
) -> Bag | Network:
    """Return what is trained: a Transformer's folder, a table, or rows at random for the words of some texts.

    Raises
    ------
    ArgumentError
        If an argument does not go with it.
    """
    if isinstance(model, (str, Path)) and _is_network(Path(model)):
        if tokenizer != "auto":
            message = "a Transformer has its own tokenizer"
            raise ArgumentError(message, hint="leave tokenizer out")
        return Network(Path(model), only=only, length=length)
    if length is not None:
        message = "length is for a Transformer; a bag reads all of a text"
        raise ArgumentError(message)
    if model is None:
        if only is not None:
            message = "without a table there is no row that could stay as it is"
            raise ArgumentError(message, hint="name the table whose rows shall stay")
        if tokenizer not in {"auto", "words"}:
            message = f"rows that start at random are those of words (tokenizer='words'); seen {tokenizer!r}"
            raise ArgumentError(message)
        table = random_table(texts, dim=dim, seed=seed)
        return Bag(table, CUTTERS["words"](table))
    table = model if isinstance(model, EmbeddingTable) else formats.open(model)
    fresh = [token for token in dict.fromkeys(only or ()) if token not in table]
    known = table.extend(fresh, init="mean") if fresh else table
    return Bag(table, _cutter(known, table, tokenizer), only=only)


def random_table(texts: Iterable[str], *, dim: int, seed: int) -> EmbeddingTable:
    """Return rows at random for the words and marks, in lower case, that stand twice in some texts; the most frequent first."""
    counts = Counter(word for text in texts for word in WORDS_OR_MARKS.findall(text.lower()))
    words = sorted((word for word, count in counts.items() if count >= LEAST), key=lambda word: (-counts[word], word))
    if not words:
        message = f"no word stands {LEAST} times in the pairs"
        raise ArgumentError(message)
    rows = np.random.default_rng(seed).standard_normal((len(words), dim)).astype(np.float32) / np.float32(dim**0.5)
    return EmbeddingTable(words, rows)


def _cutter(known: EmbeddingTable, table: EmbeddingTable, tokenizer: Any) -> Cutter:
    if tokenizer == "auto":
        file = Path(table.source) / "tokenizer.json"
        if not (table.source and file.is_file()):
            return Whitespace(known)
        tokenizer = file
    if isinstance(tokenizer, str) and tokenizer in CUTTERS:
        return CUTTERS[tokenizer](known)
    if known is not table:
        message = "rows for new tokens need a tokenizer that knows them; this one does not"
        raise ArgumentError(message, hint="extend the model folder and its tokenizer (`tokenspace extend`), or take tokenizer='words'")
    return HuggingFace.of(tokenizer, known.vocabulary)


def _copied(table: EmbeddingTable) -> torch.Tensor:
    return torch.from_numpy(np.array(table.matrix, dtype=np.float32))


def _is_network(folder: Path) -> bool:
    from tokenspace.checkpoint.model2vec import WAYS  # noqa: PLC0415
    from tokenspace.formats.format import Head  # noqa: PLC0415

    return (folder / "config.json").is_file() and not WAYS.sniff(Head.of(folder, folders=True))
