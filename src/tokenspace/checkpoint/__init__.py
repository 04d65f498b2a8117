"""Model folders on disk: read, extended, compared, without a network being loaded.

A checkpoint is a folder as transformers, sentence-transformers or PEFT write it. Tables of word vectors answer to the same verbs.
"""

from __future__ import annotations

from tokenspace.checkpoint.apply import apply
from tokenspace.checkpoint.diff import Difference, diff
from tokenspace.checkpoint.extend import Extended, extend
from tokenspace.checkpoint.model import Model
from tokenspace.checkpoint.model import open_model as open  # noqa: A004 - checkpoint.open opens a model as open opens a file
from tokenspace.checkpoint.streams.progress import watching
from tokenspace.checkpoint.tokenizers.new_token import NewToken

__all__ = ["Difference", "Extended", "Model", "NewToken", "apply", "diff", "extend", "open", "watching"]
