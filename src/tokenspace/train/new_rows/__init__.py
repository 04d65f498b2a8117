"""Train the rows a vocabulary was extended by, and nothing else, on plain text: the model before its extension is the teacher."""

from __future__ import annotations

import importlib.util

from tokenspace.errors import MissingExtraError

for _package in ("torch", "transformers"):
    if importlib.util.find_spec(_package) is None:
        _message = f"training new rows needs the package {_package}, which is not installed"
        raise MissingExtraError(_message, hint='pip install "tokenspace[transformers]"')

from tokenspace.train.new_rows.objectives import OBJECTIVES  # noqa: E402 - after the question whether torch is there
from tokenspace.train.new_rows.training import Trained, train_new_rows  # noqa: E402

__all__ = ["OBJECTIVES", "Trained", "train_new_rows"]
