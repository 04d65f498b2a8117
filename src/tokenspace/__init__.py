"""tokenspace: the embedding layer as a thing to open, look into, measure, search, extend, train and prove right.

Names are loaded when first used, so that ``import tokenspace`` costs little more than nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenspace import checkpoint, encode, errors, extension, formats, measures, native, search, train
    from tokenspace.all_pairs import pairwise, pairwise_blocks
    from tokenspace.analysis.evaluation import evaluate
    from tokenspace.errors import TokenspaceError
    from tokenspace.formats import convert, open, save  # noqa: A004 - ts.open opens a table
    from tokenspace.measures import MEASURES, Comparison, compare, cosine, euclidean, inner_product
    from tokenspace.neighbours import Neighbours
    from tokenspace.onehot import OneHot, one_hot
    from tokenspace.table import EmbeddingTable
    from tokenspace.vocabulary import Vocabulary

__version__ = "0.1.0"

_HOME = {
    "Comparison": "measures",
    "EmbeddingTable": "table",
    "MEASURES": "measures",
    "Neighbours": "neighbours",
    "OneHot": "onehot",
    "TokenspaceError": "errors",
    "Vocabulary": "vocabulary",
    "checkpoint": "",
    "compare": "measures",
    "convert": "formats",
    "cosine": "measures",
    "encode": "",
    "errors": "",
    "euclidean": "measures",
    "evaluate": "analysis.evaluation",
    "extension": "",
    "formats": "",
    "inner_product": "measures",
    "measures": "",
    "native": "",
    "one_hot": "onehot",
    "open": "formats",
    "pairwise": "all_pairs",
    "pairwise_blocks": "all_pairs",
    "save": "formats",
    "search": "",
    "train": "",
    "torch": "",  # not in __all__: `from tokenspace import *` must not need PyTorch
}

__all__ = [
    "MEASURES",
    "Comparison",
    "EmbeddingTable",
    "Neighbours",
    "OneHot",
    "TokenspaceError",
    "Vocabulary",
    "checkpoint",
    "compare",
    "convert",
    "cosine",
    "encode",
    "errors",
    "euclidean",
    "evaluate",
    "extension",
    "formats",
    "inner_product",
    "measures",
    "native",
    "one_hot",
    "open",
    "pairwise",
    "pairwise_blocks",
    "save",
    "search",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module it lives in."""
    if name not in _HOME:
        message = f"module 'tokenspace' has no attribute {name!r}"
        raise AttributeError(message)
    module = import_module(f"tokenspace.{_HOME[name] or name}")
    value = getattr(module, name) if _HOME[name] else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
