"""Which encoder a name stands for: a table's rows, or a Transformer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace import formats
from tokenspace.encode.static import Static
from tokenspace.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    import os

    from tokenspace.encode.transformer import Transformer
    from tokenspace.table import EmbeddingTable

KINDS = ("auto", "static", "transformer")


def is_transformer(name: str | os.PathLike[str]) -> bool:
    """Whether a name is a folder whose Transformer makes sentence vectors, and not a table.

    Parameters
    ----------
    name : str or path
    """
    folder = Path(name)
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        return False
    modules = folder / "modules.json"
    if modules.is_file():
        listed = json.loads(modules.read_text(encoding="utf-8"))
        return bool(listed) and str(listed[0].get("type", "")).endswith("Transformer")
    told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return told.get("model_type") not in {None, "model2vec"}


def open_encoder(
    name: str | os.PathLike[str] | EmbeddingTable, *, kind: str = "auto", reading: dict[str, Any] | None = None, **options: Any
) -> Static | Transformer:
    """Open what makes sentence vectors.

    Parameters
    ----------
    name : str, path or EmbeddingTable
        A table, as `tokenspace.open` takes it, or a model folder.
    kind : "auto", "static" or "transformer", default "auto"
        Whether a model folder's input rows make the vectors, or its Transformer; "auto" takes the Transformer where there is one.
    reading : dict, optional
        How the table is opened: arguments of `tokenspace.open`.
    **options
        Of `Static` or of `Transformer`.

    Returns
    -------
    Static or Transformer

    Raises
    ------
    ArgumentError
        If the kind is unknown, or an option is not of that kind.
    TokenspaceError
        In one of its kinds, if it cannot be opened.
    """
    if kind not in KINDS:
        message = f"kind must be one of {', '.join(KINDS)}; seen {kind!r}"
        raise ArgumentError(message)
    given = {option: value for option, value in options.items() if value is not None}
    named = isinstance(name, (str, Path))
    if kind == "transformer" or (kind == "auto" and named and is_transformer(name)):  # type: ignore[arg-type] # named
        return _transformer(name, given)
    if "batch" in given:
        message = "batch is for a Transformer; a table needs none"
        raise ArgumentError(message)
    table: Any = formats.open(name, **(reading or {})) if named else name  # type: ignore[arg-type] # named
    return Static(table, **given)


def _transformer(name: Any, given: dict[str, Any]) -> Transformer:
    wrong = sorted(set(given) - {"batch", "length", "threads"})
    if wrong:
        message = f"{wrong[0]} is for the rows of a table; {name} is a Transformer"
        raise ArgumentError(message, hint='kind="static" (--rows) takes its input rows')
    try:
        from tokenspace.encode.transformer import Transformer  # noqa: PLC0415 - PyTorch takes a second
    except ModuleNotFoundError as error:
        message = "a Transformer needs PyTorch, which is not installed"
        raise MissingExtraError(message, hint="pip install 'tokenspace[transformers]'") from error
    return Transformer(name, **given)
