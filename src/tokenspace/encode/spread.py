"""Sentence vectors wherever an engine runs: blocks of lines are its parts, and each worker opens the encoder itself.

Rows come back in the order of the lines, with the bits that one machine gives them: a vector depends on its line alone.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace import formats
from tokenspace.encode.opening import open_encoder
from tokenspace.encode.static import Static
from tokenspace.errors import EngineError
from tokenspace.texts.cutting import CUTTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tokenspace.encode.encoder import Encoder
    from tokenspace.engines import Engine

AHEAD = 4
"""Blocks for each worker that are handed out before all of them are written: results of later ones wait for earlier ones."""


@dataclass(frozen=True)
class Recipe:
    """How a worker comes to an encoder.

    Attributes
    ----------
    fingerprint : str
        Of the encoder; what the worker opens must have the same.
    source : str, path or EmbeddingTable
        Where the encoder's table or folder is opened; a table that cannot be opened again, as it was made in memory or read with
        options, goes itself.
    kind : str
        As `open_encoder` takes it.
    options : dict
        As `open_encoder` takes them.
    """

    fingerprint: str
    source: Any = field(hash=False, compare=False)
    kind: str = field(hash=False, compare=False)
    options: dict[str, Any] = field(hash=False, compare=False)

    @classmethod
    def of(cls, encoder: Any) -> Recipe:
        """Tell how to come to an encoder."""
        known = encoder.fingerprint()
        if not isinstance(encoder, Static):
            options = {"batch": encoder.batch, "length": encoder.model.length}
            return cls(known, Path(encoder.model.folder).resolve(), "transformer", options)
        names: dict[type, str] = {kind: name for name, kind in CUTTERS.items()}
        kept = {"weights": encoder.weights, "components": encoder.components, "normalize": encoder.normalize, "length": encoder.length}
        options = {"tokenizer": names.get(type(encoder.cutter), encoder.cutter), **kept}
        place = Path(encoder.table.source).resolve() if encoder.table.source else None
        recipe = cls(known, place, "static", options)
        again = place is not None and place.exists() and recipe.opened()
        same = again and again.fingerprint() == known and again.table.vocabulary == encoder.table.vocabulary
        return recipe if same else cls(known, encoder.table, "static", options)

    def opened(self) -> Any:
        """Open the encoder."""
        table = formats.open(self.source) if self.kind == "static" and isinstance(self.source, Path) else self.source
        return open_encoder(table, kind=self.kind, **self.options)


_opening = threading.Lock()
"""Held while an encoder is opened, so that the threads of one process open it once."""


@lru_cache(maxsize=2)
def _opened(recipe: Recipe) -> Any:
    """Open an encoder, once a worker.

    Raises
    ------
    EngineError
        If it is another one than that of the program that asks.
    """
    encoder = recipe.opened()
    if encoder.fingerprint() != recipe.fingerprint:
        message = f"a worker finds another encoder under {recipe.source}"
        raise EngineError(message, hint="all machines must see the same file")
    return encoder


def vectors_of(part: tuple[bytes, int], asked: tuple[Recipe, str]) -> dict[str, NDArray[Any]]:
    """Return the vectors of a block of lines and their numbers of tokens: what a worker does."""
    recipe, name = asked
    with _opening:
        encoder = _opened(recipe)
    rows, counts = next(iter(encoder.blocks([part], name, threads=1)))
    return {"rows": rows, "counts": counts}


def blocks_over(
    engine: Engine, encoder: Encoder, blocks: Iterable[tuple[bytes, int]], name: str
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield vectors and numbers of tokens for blocks of whole lines, in order; as `Static.blocks`, by an engine's workers.

    Parameters
    ----------
    engine : Engine
    encoder : Static or Transformer
    blocks : iterable of (bytes, int)
    name : str

    Yields
    ------
    pair of arrays, of shape (m, d), float32, and (m,), int64
    """
    asked, source = (Recipe.of(encoder), name), iter(blocks)
    while some := list(islice(source, AHEAD * engine.workers())):
        early: dict[int, dict[str, NDArray[Any]]] = {}
        wanted = 0
        for place, result in engine.map(vectors_of, some, asked):
            early[place] = result
            while wanted in early:
                found = early.pop(wanted)
                yield found["rows"], found["counts"]
                wanted += 1
