"""A model folder, opened: its configuration, weights, tokenizer, and which tensors have one row a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.folders.contents import STATIC, Folder, needed, open_folder
from tokenspace.checkpoint.tensors.architecture import Roles, roles_of
from tokenspace.checkpoint.tensors.weights import Weights, open_weights
from tokenspace.checkpoint.tokenizers import tokenizer_json
from tokenspace.checkpoint.tokenizers.files import Tokenizer, open_tokenizer
from tokenspace.table import EmbeddingTable
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from tokenspace.checkpoint.tensors.safetensors_file import Stored

CONFIG = "config.json"


@dataclass(frozen=True)
class Model:
    """A model folder whose vocabulary can grow.

    Attributes
    ----------
    folder : Folder
    settings : dict
        The content of config.json; empty for a module that needs none.
    weights : Weights
    roles : Roles
        Which tensors have one row a token.
    tokenizer : Tokenizer
    """

    folder: Folder
    settings: dict[str, Any]
    weights: Weights
    roles: Roles
    tokenizer: Tokenizer

    @property
    def embedding(self) -> Stored:
        """The input embedding, where it lies."""
        return self.weights.tensors[self.roles.embedding]

    @property
    def rows(self) -> int:
        """Rows of the table, reserved ones included."""
        return self.embedding.rows

    @property
    def taken(self) -> int:
        """Rows that have a token; the new ones follow."""
        return self.tokenizer.next_id

    @property
    def matrix(self) -> NDArray[Any]:
        """The rows that have a token, of shape (taken, d): mapped, read-only."""
        return self.embedding.matrix()[: self.taken]

    def table(self) -> EmbeddingTable:
        """Return the input embedding as a table: every token with its row, mapped and not read.

        Raises
        ------
        TokenizerMismatchError
            If an id has no token.
        """
        names = tokenizer_json.tokens(self.tokenizer.fast.path)
        return EmbeddingTable.mapped(Vocabulary(names), self.matrix, source=str(self.folder.root))


def open_model(path: str | os.PathLike[str], *, embedding: str | Sequence[str] = (), wanted: Iterable[str] = ()) -> Model:
    """Open a model folder without reading its weights.

    Parameters
    ----------
    path : str or path
        A folder as ``save_pretrained`` writes it, or one of sentence-transformers.
    embedding : str or sequence of str, optional
        The input embedding's tensor, then those of output heads, where their names do not tell.
    wanted : iterable of str
        Tokens to look for in the tokenizer.

    Returns
    -------
    Model

    Raises
    ------
    TableNotFoundError, ModelFolderError, FileContentError
        In one of their kinds: no such folder, a file missing, damaged or outside it, a tokenizer that is slow or of another model.

    Examples
    --------
    >>> import tokenspace.checkpoint as checkpoint
    >>> model = checkpoint.open("all-MiniLM-L6-v2")  # doctest: +SKIP
    >>> model.rows, model.roles.embedding  # doctest: +SKIP
    (30522, 'embeddings.word_embeddings.weight')
    """
    folder = open_folder(path)
    settings = folder.json(CONFIG)
    if settings is None:
        if folder.module != STATIC:
            needed(folder, CONFIG, hint="it says what the tensors are; copy it beside the weights")
        settings = {}
    tokenizer = open_tokenizer(folder, wanted)
    weights = open_weights(folder)
    roles = roles_of(folder, weights, settings, chosen=(embedding,) if isinstance(embedding, str) else tuple(embedding))
    tokenizer.check_rows(weights.tensors[roles.embedding].rows, roles.embedding)
    return Model(folder, settings, weights, roles, tokenizer)
