"""Where the new rows of a model start: what an initialiser needs, gathered from the model's tokenizer and from a donor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import extension, formats, native
from tokenspace.checkpoint.folders.contents import is_model_folder
from tokenspace.checkpoint.tokenizers import tokenizer_json
from tokenspace.errors import ArgumentError, NotFiniteError
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.checkpoint.model import Model
    from tokenspace.vocabulary import Vocabulary

OPTIONS = ("seed", "terms", "donor", "description", "copy_of")
"""What `start` takes besides the initialiser's name."""

MARKS = "Ġ▁"
"""How byte-level BPE and SentencePiece write the blank in front of a word."""


def start(model: Model, tokens: Sequence[str], init: str | ArrayLike, options: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the new rows of every tensor that has one row a token.

    Parameters
    ----------
    model : Model
    tokens : sequence of m str
    init : str or array of shape (m, d)
        The input embedding's rows, or a name as `tokenspace.extension.new_rows` takes it. Heads start as `extension.HEAD` has it,
        at the mean of their rows where it says nothing else; biases at their mean.
    options : mapping
        "seed" and "terms", as `new_rows` takes them; "donor", a table, its name or file, or a model folder; "description" and
        "copy_of", for each new token a text, or the old token it starts as: a mapping, or a sequence.

    Returns
    -------
    dict of str to array of shape (m, d), or (m, 1) for a bias

    Raises
    ------
    ArgumentError
        If an option is unknown, or one that the initialiser needs is missing.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        message = f"the rows may start with {', '.join(OPTIONS)}; seen {', '.join(unknown)}"
        raise ArgumentError(message)
    needs: dict[str, Any] = {"seed": options.get("seed", 0), "terms": options.get("terms")}
    name = init if isinstance(init, str) else ""
    if name in NEEDS:
        needs |= NEEDS[name](model, tokens, options)
    rows = {model.roles.embedding: _rows(model, model.roles.embedding, len(tokens), init, needs)}
    rows |= dict.fromkeys(model.roles.copies, rows[model.roles.embedding])
    head = extension.HEAD.get(name, name) if name not in {"", "zeros"} else "mean"
    rows |= {other: _rows(model, other, len(tokens), head, needs) for other in model.roles.heads}
    return rows | {bias: filling(model, bias, len(tokens)) for bias in model.roles.biases}


def filling(model: Model, name: str, count: int) -> NDArray[Any]:
    """Return rows for ids that no token has, as padding to a multiple makes them: the mean of those that have one.

    The tensor is read once, and passes through 1 MB of memory.

    Raises
    ------
    NotFiniteError
        If one of its rows holds NaN or infinity.
    """
    tensor, total = model.weights.tensors[name], np.zeros(1)
    for block in tensor.row_blocks(model.taken):
        total = total + native.row_sums(block)
    if not np.isfinite(total).all():
        message = f"{tensor.path}: {name!r:.80} holds NaN or infinity, so its rows have no mean to start from"
        raise NotFiniteError(
            message, hint="give the rows yourself, or start them at zeros, or at tokens whose rows are sound (--init copy)"
        )
    mean = np.tile(total / max(1, model.taken), (count, 1))
    return extension.new_rows(tensor.gather([]), count, init=mean.reshape(count, -1))


def _rows(model: Model, name: str, count: int, init: str | ArrayLike, needs: Mapping[str, Any]) -> NDArray[Any]:
    """Return the new rows of one tensor, reading no more of it than they need."""
    tensor, parts = model.weights.tensors[name], needs.get("parts")
    if isinstance(init, str) and init == "mean":
        return filling(model, name, count)
    if not isinstance(init, str) or init == "zeros":
        return extension.new_rows(tensor.gather([]), count, init=init)
    if parts and all(parts):
        ids = sorted({number for part in parts for number in part})
        place = {number: at for at, number in enumerate(ids)}
        inner = [[place[number] for number in part] for part in parts]
        return extension.new_rows(tensor.gather(ids), count, **{**needs, "init": init, "parts": inner})
    return extension.new_rows(tensor.matrix()[: model.taken], count, **{**needs, "init": init})


def _of_pieces(model: Model, tokens: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    del options
    return {"parts": model.tokenizer.pieces(tokens)}


def _of_descriptions(model: Model, tokens: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    return {"parts": model.tokenizer.pieces(_one_each(tokens, options.get("description"), "description"))}


def _of_copies(model: Model, tokens: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    originals = _one_each(tokens, options.get("copy_of"), "copy_of")
    known = tokenizer_json.read(model.tokenizer.fast.path, set(originals)).known
    for original in originals:
        if original not in known:
            message = f"copy_of names {original!r:.60}, which the tokenizer does not have"
            raise ArgumentError(message, hint="name tokens as the tokenizer writes them: 'Ġking' in byte-level BPE")
    return {"parts": [[known[original]] for original in originals]}


def _of_donor(model: Model, tokens: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    donor = _donor(options)
    here = _by_word(tokenizer_json.tokens(model.tokenizer.fast.path))
    there = _found(donor.vocabulary, list(here))
    shared = np.array([(row, other) for row, other in zip(here.values(), there, strict=True) if other >= 0]).reshape(-1, 2)
    return {"donor": extension.Donor(donor.matrix, _found(donor.vocabulary, tokens), shared)}


NEEDS = {
    "subtoken-mean": _of_pieces,
    "description": _of_descriptions,
    "copy": _of_copies,
    "neighbours": _of_donor,
    "omp": _of_donor,
}
"""What each initialiser needs beyond the matrix."""


def _rows_of_donor(table: EmbeddingTable, tokens: Sequence[str], init: str, options: Mapping[str, Any]) -> NDArray[Any]:
    """Return the rows of a table's new tokens by its donor."""
    donor = _donor(options)
    found = extension.Donor.between(table.vocabulary, tokens, donor.vocabulary, donor.matrix)
    return extension.new_rows(table.matrix, len(tokens), init=init, donor=found, terms=options.get("terms"))


def _rows_of_copies(table: EmbeddingTable, tokens: Sequence[str], init: str, options: Mapping[str, Any]) -> NDArray[Any]:
    """Return the rows of a table's new tokens that start as old ones."""
    originals = table.vocabulary.ids(_one_each(tokens, options.get("copy_of"), "copy_of"))
    return extension.new_rows(table.matrix, len(tokens), init=init, parts=originals[:, None].tolist())


FOR_TABLES = {"neighbours": _rows_of_donor, "omp": _rows_of_donor, "copy": _rows_of_copies}
"""The same for a table of vectors, where it is more than the table itself knows."""


def opened(source: Any) -> EmbeddingTable:
    """Open a table of vectors, or the input embedding of a model folder."""
    if isinstance(source, EmbeddingTable):
        return source
    if is_model_folder(source):
        from tokenspace.checkpoint.model import open_model  # noqa: PLC0415 - which opens with what is here

        return open_model(source).table()
    return formats.open(source)


def _donor(options: Mapping[str, Any]) -> EmbeddingTable:
    given = options.get("donor")
    if given is None:
        message = "the rows are to start from a donor; seen none"
        raise ArgumentError(message, hint="donor=: a table, its name or file, or a model folder (--donor)")
    return opened(given)


def _one_each(tokens: Sequence[str], given: Any, name: str) -> list[str]:
    """Return a text for each token, from a mapping or a sequence."""
    if given is None or isinstance(given, str):
        message = f"init needs {name}: a text for each of the {len(tokens):,} new tokens, as a mapping or a list; seen {given!r:.40}"
        raise ArgumentError(message)
    texts = [given.get(token) for token in tokens] if hasattr(given, "get") else list(given)
    if len(texts) != len(tokens) or not all(isinstance(text, str) and text for text in texts):
        lacking = next((token for token, text in zip(tokens, texts, strict=False) if not text), "")
        seen = f"none for {lacking!r:.40}" if lacking else f"{len(texts):,}"
        message = f"{name} must have a text for each of the {len(tokens):,} new tokens; seen {seen}"
        raise ArgumentError(message)
    return texts


def _by_word(tokens: Sequence[str]) -> dict[str, int]:
    """Return the ids of a model's tokens by the words they write; where two write one, that with the mark of a blank."""
    words: dict[str, int] = {}
    for number, token in enumerate(tokens):
        word = token.lstrip(MARKS)
        if word and (word != token or word not in words):
            words[word] = number
    return words


def _found(vocabulary: Vocabulary, words: Sequence[str]) -> NDArray[np.int64]:
    """Return the donor's rows of some words, as they are or with a mark of a blank before them; -1 where it has none."""
    rows = vocabulary.find(words)
    for mark in MARKS:
        rows = np.where(rows < 0, vocabulary.find([mark + word for word in words]), rows)
    return rows
