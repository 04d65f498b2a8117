"""Sentence vectors: from a table, as means of rows, or from an encoder, which reads the whole sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenspace.encode.encoder import Encoder
from tokenspace.encode.opening import open_encoder
from tokenspace.encode.static import Static
from tokenspace.encode.stream import Encoded, encode_lines
from tokenspace.encode.weights import common_components, sif_weights

if TYPE_CHECKING:
    from tokenspace.encode.distilling import Distilled as Distilled
    from tokenspace.encode.distilling import distil as distil
    from tokenspace.encode.transformer import Transformer as Transformer

__all__ = ["Encoded", "Encoder", "Static", "common_components", "encode_lines", "open_encoder", "sif_weights"]

_TORCH = {"Transformer": "transformer", "distil": "distilling", "Distilled": "distilling"}
"""Names that need PyTorch, and their modules: loaded when first used."""


def __getattr__(name: str) -> Any:
    """Load what needs PyTorch."""
    if name not in _TORCH:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"tokenspace.encode.{_TORCH[name]}"), name)
