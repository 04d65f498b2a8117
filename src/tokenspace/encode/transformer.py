"""Sentence vectors from an encoder: a Transformer reads the sentence, its token representations are pooled into one vector.

N. Reimers, I. Gurevych, "Sentence-BERT: Sentence embeddings using Siamese BERT-networks", EMNLP 2019, section 3. The folder says how:
sentence-transformers writes down the modules (Transformer, pooling, dense layers, length 1); of any other folder the mean is taken.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.encode.encoder import Encoder
from tokenspace.errors import TokenError
from tokenspace.texts.bags import not_utf8
from tokenspace.torch.sentence import SentenceModel

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

TOGETHER = 1 << 14
"""Texts that are sorted by length together."""


class Transformer(Encoder):
    """Sentence vectors from a Transformer's folder.

    Parameters
    ----------
    folder : path
        A model folder of Hugging Face or sentence-transformers on this machine; nothing is downloaded, and no code in it is run.
    batch : int, default 2048
        Tokens that go through the network at a time, filled-up places counted.
    length : int, optional
        Tokens that are read of a text at the most, special ones counted. Left out: as the folder says.
    threads : int, optional
        PyTorch's threads for the calls of this encoder. Left out, PyTorch's own setting.

    Raises
    ------
    MissingExtraError
        If torch or transformers is not installed.
    ModelFolderError, ArgumentError
        If the folder cannot be opened as an encoder, or holds a module that is not known here.

    Notes
    -----
    Texts of like length go together, so that little is filled up; texts that stand twice are read once. The vectors are those of
    sentence-transformers to some 1e-6: sums in float32 come in another order for another batch. An empty text has a vector too, that
    of the special tokens alone. The vice: what stands behind the length is not read; `counted` tells how many tokens were.
    """

    together = 1 << 16

    def __init__(self, folder: str | os.PathLike[str], *, batch: int = 2048, length: int | None = None, threads: int | None = None) -> None:
        self.model = SentenceModel.opened(Path(folder), length=length)
        self.batch, self.threads = batch, threads

    def __repr__(self) -> str:
        """Show where it comes from."""
        return f"Transformer({str(self.model.folder)!r}, d={self.d})"

    @property
    def d(self) -> int:
        """Numbers a vector."""
        return self.model.d

    def counted(self, texts: Iterable[str], *, threads: int | None = None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the vectors of texts, and how many tokens of each were read; as `Encoder.counted`."""
        listed = _checked(texts)
        rows, counts = np.empty((len(listed), self.d), dtype=np.float32), np.empty(len(listed), dtype=np.int64)
        with self.model.threads(threads or self.threads):
            for start in range(0, len(listed), TOGETHER):
                some = listed[start : start + TOGETHER]
                rows[start : start + len(some)], counts[start : start + len(some)] = self._some(some)
        return rows, counts

    def blocks(
        self, blocks: Iterable[tuple[bytes, int]], name: str, *, threads: int | None = None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Yield vectors and numbers of tokens for blocks of whole lines; as `Encoder.blocks`."""
        for block, first in blocks:
            try:
                lines = block.decode().removesuffix("\n").split("\n")
            except UnicodeDecodeError:
                raise not_utf8(block, b"\n", name, first) from None
            yield self.counted(lines, threads=threads)

    def fingerprint(self) -> str:
        """Return what tells this encoder from another, for work that is taken up again."""
        digest = hashlib.blake2b(f"{self.model.length} {self.d}".encode(), digest_size=12)
        for name in ("config.json", "modules.json"):
            file = self.model.folder / name
            digest.update(file.read_bytes() if file.is_file() else b"")
        for file in sorted(self.model.folder.glob("*.safetensors")):
            digest.update(f"{file.name} {file.stat().st_size}".encode())
        return digest.hexdigest()

    def _some(self, texts: list[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the vectors of some texts and their numbers of tokens: each different text once, those of like length together."""
        places: dict[str, int] = {}
        which = np.array([places.setdefault(text, len(places)) for text in texts])
        ids = self.model.ids(list(places))
        lengths = np.array([len(some) for some in ids])
        rows = np.empty((len(ids), self.d), dtype=np.float32)
        for chosen in batches(lengths, self.batch):
            rows[chosen] = self.model.vectors([ids[place] for place in chosen.tolist()])
        return rows[which], lengths[which] - self.model.special


def batches(lengths: NDArray[np.int64], tokens: int) -> Iterator[NDArray[np.int64]]:
    """Yield the places of texts, the longest first, so many at a time that none has more than `tokens` places, or one text alone."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + max(1, tokens // max(1, int(lengths[order[start]])))
        yield order[start:stop]
        start = stop


def _checked(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, (str, bytes)):
        message = f"a list of texts is expected; seen the {type(texts).__name__} {texts!r:.60}"
        raise TokenError(message)
    from tokenspace.encode.static import joined  # noqa: PLC0415 - the check of texts, whose bytes are of no use here

    listed = texts if isinstance(texts, list) else list(texts)
    joined(listed)
    return listed
