"""The embedding layer in PyTorch: extend it, train only the new rows at a cost that does not grow with the vocabulary, prove the rest.

`EmbeddingLayer` stands where `torch.nn.Embedding` or `torch.nn.EmbeddingBag` stood and is at once the lecture's linear map; `Head` and
`TiedHead` are the output side; `cross_entropy` is their loss without the logits of all positions; `extend` puts all of it into a model
of transformers, and `merge` takes it out again.
"""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401 - asked for here, so that its absence is said once and with a remedy
except ImportError as error:
    from tokenspace.errors import MissingExtraError

    _message = "tokenspace.torch needs PyTorch, which is not installed"
    raise MissingExtraError(_message, hint='pip install "tokenspace[torch]"') from error

from tokenspace.torch.head import Head, TiedHead
from tokenspace.torch.install import Extended, extend, merge
from tokenspace.torch.layer import EmbeddingLayer
from tokenspace.torch.loss import cross_entropy

__all__ = ["EmbeddingLayer", "Extended", "Head", "TiedHead", "cross_entropy", "extend", "merge"]
