"""Siamese training: two sentences through one encoder, whose vectors are to be as close as people say they are.

N. Reimers, I. Gurevych, "Sentence-BERT: Sentence embeddings using Siamese BERT-networks", EMNLP 2019, section 3.
"""

from __future__ import annotations

import importlib.util

from tokenspace.errors import MissingExtraError

if importlib.util.find_spec("torch") is None:
    _message = "siamese training needs the package torch, which is not installed"
    raise MissingExtraError(_message, hint="pip install 'tokenspace[torch]'")

from tokenspace.train.siamese.objectives import OBJECTIVES
from tokenspace.train.siamese.training import Evaluated, Trained, train_siamese

__all__ = ["OBJECTIVES", "Evaluated", "Trained", "train_siamese"]
