"""What two vectors of one encoder are trained for: to be as close as a label says, or closer than others are.

An objective says what it needs of the pairs, makes targets of them once, and gives the loss of a batch of vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from tokenspace.errors import ArgumentError, LabelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tokenspace.texts.pairs import SentencePairs

SHARPNESS = 20.0
"""What cosines are multiplied by before the softmax of in-batch negatives: sentence-transformers' scale, 1 / 0.05."""

MARGIN = 1.0
"""How much farther than the second the third sentence of a triple shall be: the paper's epsilon."""

LEAST, MOST = -1.0, 1.0
"""What a cosine can be."""


class Objective(torch.nn.Module):  # type: ignore[misc,unused-ignore] # untyped where torch is not seen
    """A loss over batches of vectors.

    Parameters
    ----------
    pairs : SentencePairs
        What is trained on.
    d : int
        Numbers a vector.
    scale : pair of float, optional
        What labels range over.
    """

    sides = 2
    sign = "pairs"

    def __init__(self, pairs: SentencePairs, d: int, scale: tuple[float, float] | None) -> None:
        super().__init__()
        del d
        if scale is not None and not scale[0] < scale[1]:
            message = f"scale must be the least and the largest label; seen {scale}"
            raise ArgumentError(message)
        if self.sides > 2 and pairs.third is None:  # noqa: PLR2004 - a pair has two sides
            message = f"{pairs.name} has pairs; this objective needs triples: a sentence, a closer and a farther one"
            raise ArgumentError(message, hint="give a third column: columns={'third': ...}")
        self.targets = self.targets_of(pairs, scale)

    def targets_of(self, pairs: SentencePairs, scale: tuple[float, float] | None) -> torch.Tensor | None:
        """Return a target for each pair; None where there is none."""
        del pairs, scale
        return None

    def loss(self, vectors: Sequence[torch.Tensor], targets: torch.Tensor | None, same: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch, a scalar.

        Parameters
        ----------
        vectors : sequence of two or three tensors of shape (b, d)
        targets : tensor of shape (b,) or None
        same : tensor of shape (b, c), bool
            Which of the candidates of `candidates` are the same text as the right one, but another copy.
        """
        raise NotImplementedError


class Cosine(Objective):
    """The mean of (cos(u, v) - label)²: the paper's regression, its equation for STS."""

    def targets_of(self, pairs: SentencePairs, scale: tuple[float, float] | None) -> torch.Tensor:
        """Return the labels, brought to 0..1 where their range is told."""
        low, high = scale or (LEAST, MOST)
        scores = torch.tensor(pairs.scores(low, high), dtype=torch.float32)
        return scores if scale is None else (scores - low) / (high - low)

    def loss(self, vectors: Sequence[torch.Tensor], targets: torch.Tensor | None, same: torch.Tensor) -> torch.Tensor:
        """Compare cosines and labels."""
        del same
        return functional.mse_loss(functional.cosine_similarity(vectors[0], vectors[1]), targets)


class Contrastive(Objective):
    """Cross-entropy of finding each first sentence's second among all seconds (and thirds) of the batch, by cosine.

    M. Henderson et al., "Efficient natural language response suggestion for Smart Reply", 2017, section 4.4. A candidate of the same text
    as the right one is no negative.
    """

    def loss(self, vectors: Sequence[torch.Tensor], targets: torch.Tensor | None, same: torch.Tensor) -> torch.Tensor:
        """Search within the batch."""
        del targets
        queries = functional.normalize(vectors[0], dim=1)
        candidates = functional.normalize(torch.cat(list(vectors[1:])), dim=1)
        logits = (SHARPNESS * queries @ candidates.T).masked_fill(same, -torch.inf)
        return functional.cross_entropy(logits, torch.arange(len(queries)))


class Triplet(Objective):
    """max(0, |u - v| - |u - w| + 1): the second sentence closer than the third by Euclidean distance."""

    sides = 3
    sign = "triples"

    def loss(self, vectors: Sequence[torch.Tensor], targets: torch.Tensor | None, same: torch.Tensor) -> torch.Tensor:
        """Compare the two distances."""
        del targets, same
        near, far = (functional.pairwise_distance(vectors[0], other) for other in vectors[1:])
        return functional.relu(near - far + MARGIN).mean()


class Softmax(Objective):
    """Cross-entropy of a linear classifier on (u, v, |u - v|): the paper's equation for classes such as entailment."""

    def __init__(self, pairs: SentencePairs, d: int, scale: tuple[float, float] | None) -> None:
        super().__init__(pairs, d, scale)
        generator = torch.Generator().manual_seed(0)
        weight = (torch.rand(len(self.names), 3 * d, generator=generator) * 2 - 1) / (3 * d) ** 0.5
        self.weight, self.bias = torch.nn.Parameter(weight), torch.nn.Parameter(torch.zeros(len(self.names)))

    def targets_of(self, pairs: SentencePairs, scale: tuple[float, float] | None) -> torch.Tensor:
        """Return the class of each pair."""
        del scale
        self.names, classes = pairs.classes()
        if len(self.names) < 2:  # noqa: PLR2004 - one class is no question
            raise LabelError(pairs.name, f"expected at least two different labels, seen {len(self.names)}")
        return torch.tensor(classes)

    def logits(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Return the classes' logits of shape (b, c)."""
        return functional.linear(torch.cat([u, v, (u - v).abs()], dim=1), self.weight, self.bias)

    def loss(self, vectors: Sequence[torch.Tensor], targets: torch.Tensor | None, same: torch.Tensor) -> torch.Tensor:
        """Compare the classes."""
        del same
        return functional.cross_entropy(self.logits(vectors[0], vectors[1]), targets)


OBJECTIVES: dict[str, Callable[[SentencePairs, int, tuple[float, float] | None], Objective]] = {
    "cosine": Cosine,
    "contrastive": Contrastive,
    "triplet": Triplet,
    "softmax": Softmax,
}
"""By name."""


def copies(texts: Sequence[str], candidates: Sequence[str]) -> torch.Tensor:
    """Return which candidates are the same text as the right one, which is candidate i for text i, but another copy.

    Parameters
    ----------
    texts : sequence of b str
        The right candidates.
    candidates : sequence of c str
        The right ones first.

    Returns
    -------
    tensor of shape (b, c), bool
    """
    numbers: dict[str, int] = {}
    right = torch.tensor([numbers.setdefault(text, len(numbers)) for text in texts])
    every = torch.tensor([numbers.setdefault(text, len(numbers)) for text in candidates])
    same = right[:, None] == every[None, :]
    same[torch.arange(len(texts)), torch.arange(len(texts))] = False
    return same
