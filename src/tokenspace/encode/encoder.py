"""What makes sentence vectors: texts in, one vector each out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    Vectors = tuple[NDArray[np.float32], NDArray[np.int64]]


class Encoder(Protocol):
    """What `Static` and `Transformer` have in common, and what a stream needs of an encoder.

    Attributes
    ----------
    together : int
        Bytes of text that are encoded between two looks at how far it is.
    """

    together: int

    @property
    def d(self) -> int:
        """Numbers a vector."""
        ...

    def encode(self, texts: str | Iterable[str], *, threads: int | None = None) -> NDArray[np.float32]:
        """Return the vectors of texts.

        Parameters
        ----------
        texts : str, or iterable of m str
        threads : int, optional
            Default: as many as CPUs this process may use; a Transformer's default is PyTorch's setting. A table's vectors are the same for
            any number.

        Returns
        -------
        array of shape (m, d), or (d,) for one str, float32

        Raises
        ------
        TokenError
            If something is no string, or a string that UTF-8 cannot hold.
        """
        rows = self.counted([texts] if isinstance(texts, str) else texts, threads=threads)[0]
        return rows[0] if isinstance(texts, str) else rows

    def counted(self, texts: Iterable[str], *, threads: int | None = None) -> Vectors:
        """Return the vectors of texts, and how many tokens of each were read, special ones not counted.

        Parameters
        ----------
        texts : iterable of m str
        threads : int, optional

        Returns
        -------
        pair of arrays, of shape (m, d), float32, and (m,), int64
        """
        ...

    def blocks(self, blocks: Iterable[tuple[bytes, int]], name: str, *, threads: int | None = None) -> Iterator[Vectors]:
        """Yield vectors and numbers of tokens for blocks of whole lines, as they come.

        Parameters
        ----------
        blocks : iterable of (bytes, int)
            Lines of UTF-8, and the number of the first.
        name : str
            What errors name.
        threads : int, optional

        Yields
        ------
        pair of arrays, as `counted`

        Raises
        ------
        EncodingError
            If a line is not UTF-8.
        """
        ...

    def fingerprint(self) -> str:
        """Return what tells this encoder from another, for work that is taken up again."""
        ...
