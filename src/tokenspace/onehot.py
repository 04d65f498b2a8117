"""One-hot vectors, the fully connected layer z = Wx, and why that product is a lookup.

Equation (5): the one-hot vector e_i has a 1 at i and 0 elsewhere, so all pairs of tokens are sqrt(2) apart (Remark 3.1).
Equation (6): z = W x for any input x. Equation (7): W e_i = w_i, the i-th column, as every other column is multiplied by 0.

Orientation, said here once: the lecture's W is d_emb x d_in and holds tokens as **columns**. Files and frameworks store **rows**,
so everywhere in tokenspace a table is a matrix of shape (n, d), W transposed, and z = W x reads ``x @ matrix``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, DtypeError, MissingExtraError, ShapeError
from tokenspace.immutable import Immutable
from tokenspace.rows import checked_rows, wide_type

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

BLOCK = 4 << 20
"""Numbers of the matrix lifted to the working type at a time: 16 MB of float32, so that no copy of a table is ever made."""


class OneHot(Immutable):
    """One-hot vectors kept as the places of their ones; acts as a sparse matrix of shape (..., n).

    Parameters
    ----------
    ids : array of shape (...), integers in 0..n-1
        Where each vector's 1 stands.
    n : int
        Length of a vector: the size of the vocabulary, d_in.

    Attributes
    ----------
    ids : array of shape (...), int64
    n : int

    Raises
    ------
    ArgumentError
        If n is not positive.
    RowIdError
        If an id is outside 0..n-1.

    Notes
    -----
    Memory 8 bytes a vector instead of 4n. ``onehot @ matrix`` is the lookup (7), a gather that touches only the rows looked up;
    ``gradient.T @ onehot`` is its transpose, the scatter-add through which only those rows ever learn.

    Examples
    --------
    >>> e = OneHot([2, 0], n=3)
    >>> e.toarray()
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    >>> e @ np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    array([[5., 6.],
           [1., 2.]])
    """

    __slots__ = ("ids", "n")

    ids: NDArray[np.int64]
    n: int

    __array_ufunc__ = None  # makes `ndarray @ OneHot` come to __rmatmul__ instead of building the dense matrix

    def __init__(self, ids: ArrayLike, n: int) -> None:
        if n < 1:
            message = f"a one-hot vector needs at least one place; seen n={n}"
            raise ArgumentError(message)
        places = np.array(checked_rows(ids, n))
        places.flags.writeable = False
        object.__setattr__(self, "ids", places)
        object.__setattr__(self, "n", int(n))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the dense form: that of the ids, and n."""
        return (*self.ids.shape, self.n)

    @property
    def ndim(self) -> int:
        """Number of axes of the dense form."""
        return self.ids.ndim + 1

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> OneHot:
        """Return the one-hot vectors at `key`, an index into the leading axes."""
        return OneHot(self.ids[key], self.n)

    def toarray(self, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Return the dense form: ones at the ids, zeros elsewhere.

        Parameters
        ----------
        dtype : dtype, default float32

        Returns
        -------
        array of shape (..., n)
            Beware: n numbers a vector; 400,000 tokens against themselves are 640 GB.
        """
        dense = np.zeros((self.ids.size, self.n), dtype=dtype)
        dense[np.arange(self.ids.size), self.ids.ravel()] = 1
        return dense.reshape(self.shape)

    def tosparse(self, dtype: DTypeLike = np.float32) -> Any:
        """Return a ``scipy.sparse.csr_array`` of shape (m, n), one row a vector, leading axes flattened.

        Parameters
        ----------
        dtype : dtype, default float32

        Returns
        -------
        scipy.sparse.csr_array of shape (m, n)

        Raises
        ------
        MissingExtraError
            If SciPy is not installed.
        """
        try:
            from scipy.sparse import csr_array  # noqa: PLC0415 - an optional package
        except ImportError:
            message = "tosparse makes a SciPy array, and SciPy is not installed"
            raise MissingExtraError(message, hint="pip install scipy") from None
        m = self.ids.size
        return csr_array((np.ones(m, dtype=dtype), self.ids.ravel(), np.arange(m + 1)), shape=(m, self.n))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - NumPy's protocol
        """Return the dense form where NumPy asks for an array."""
        if copy is False:
            message = "the dense form of a OneHot is always a new array"
            raise ArgumentError(message, hint="call .toarray()")
        return self.toarray(np.float32 if dtype is None else dtype)

    def __matmul__(self, matrix: ArrayLike) -> NDArray[Any]:
        """Return the rows of `matrix`, of shape (n, d), at the ids: equation (7), without a multiplication."""
        rows = np.asarray(matrix)
        if rows.ndim < 1 or rows.shape[0] != self.n:
            message = f"OneHot of shape {self.shape} @ matrix of shape {rows.shape}: {self.n} places need a matrix of {self.n} rows"
            raise ShapeError(message)
        return rows[self.ids]

    def __rmatmul__(self, left: ArrayLike) -> NDArray[Any]:
        """Return `left`, of shape (..., m), times these m vectors: column ids[i] of the result gathers column i of `left`."""
        a = np.asarray(left)
        if self.ids.ndim != 1 or a.ndim < 1 or a.shape[-1] != len(self.ids):
            message = f"matrix of shape {a.shape} @ OneHot of shape {self.shape}: the inner axes must agree"
            raise ShapeError(message)
        out = np.zeros((*a.shape[:-1], self.n), dtype=a.dtype)
        np.add.at(out.T, self.ids, a.T)
        return out


def one_hot(ids: ArrayLike, n: int) -> OneHot:
    """Return the one-hot vectors e_i of Definition 3.1, equation (5).

    Parameters
    ----------
    ids : array of shape (...), integers in 0..n-1
        Row ids; the lecture counts its tokens from 1, we from 0.
    n : int
        Size of the vocabulary, d_in.

    Returns
    -------
    OneHot
        Of shape (..., n); `toarray` and `tosparse` give the usual forms.

    Raises
    ------
    ArgumentError
        If n is not positive.
    RowIdError
        If an id is outside 0..n-1.

    Examples
    --------
    >>> one_hot([3, 5], n=400_000).shape
    (2, 400000)
    """
    return OneHot(ids, n)


def linear(matrix: NDArray[Any], x: Any) -> NDArray[Any]:
    """Return z = W x, equation (6), for any input x: the fully connected layer without its shortcut.

    Parameters
    ----------
    matrix : array of shape (n, d), float16, bfloat16, float32 or float64
        The table: W transposed.
    x : array of shape (..., n), scipy-sparse array of shape (m, n) or (n,), or OneHot of shape (..., n)
        Inputs; integers and booleans count as numbers (a bag of tokens).

    Returns
    -------
    array of shape (..., d)
        For a `OneHot` the rows themselves, in the matrix's own type. Else float64 where the matrix or x is float64, float32
        otherwise, also for half-precision tables, whose sums half precision could not hold.

    Raises
    ------
    ShapeError
        If the last axis of x is not n long.
    DtypeError
        If x does not hold real numbers.

    Notes
    -----
    A dense x costs m·n·d multiplications, nearly all of them by zero where x is one-hot; a sparse x only those of its non-zeros.
    The vice of the dense form: 0 times infinity is NaN, so one non-finite row spoils every result, where a lookup never sees it.
    Summed block by block over the rows; no copy of the table is made.

    Examples
    --------
    >>> W = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=np.float32)
    >>> linear(W, [1, -1, 1])
    array([3., 4.], dtype=float32)
    >>> bool((linear(W, one_hot([1], n=3).toarray()) == W[[1]]).all())
    True
    """
    if isinstance(x, OneHot):
        return x @ matrix
    sparse = hasattr(x, "tocoo")
    values = x if sparse else np.asarray(x)
    n, d = matrix.shape
    if values.ndim < 1 or values.shape[-1] != n:
        message = f"linear(matrix of shape {matrix.shape}, x of shape {tuple(values.shape)}): the last axis of x must be {n} long"
        raise ShapeError(message, hint="x holds one number a token; for a lookup by id use table[ids] or one_hot(ids, n)")
    if np.dtype(values.dtype).kind not in "fiub":
        message = f"x must hold real numbers; seen {values.dtype}"
        raise DtypeError(message)
    kind = wide_type(matrix.dtype, values.dtype)
    if sparse:
        return _linear_sparse(matrix, values, kind)
    z = np.zeros((values.size // n, d), dtype=kind)
    flat = values.reshape(-1, n)
    step = max(1, BLOCK // max(d, 1))
    for start in range(0, n, step):
        part = slice(start, start + step)
        z += flat[:, part].astype(kind, copy=False) @ matrix[part].astype(kind, copy=False)
    return z.reshape(*values.shape[:-1], d)


def _linear_sparse(matrix: NDArray[Any], x: Any, kind: type[np.floating[Any]]) -> NDArray[Any]:
    """Multiply through the non-zero columns of x only: the active edges of Fig. 2."""
    coo = x.tocoo()
    columns = coo.coords[-1] if hasattr(coo, "coords") else coo.col
    active, places = np.unique(columns, return_inverse=True)
    one_axis = x.ndim == 1
    rows = np.zeros(len(places), dtype=np.int64) if one_axis else (coo.coords[0] if hasattr(coo, "coords") else coo.row)
    m = 1 if one_axis else x.shape[0]
    z = np.zeros((m, matrix.shape[1]), dtype=kind)
    step = max(1, BLOCK // max(matrix.shape[1], 1))
    order = np.argsort(rows, kind="stable")
    for start in range(0, len(order), step):
        part = order[start : start + step]
        terms = coo.data[part].astype(kind)[:, None] * matrix[active[places[part]]].astype(kind)
        np.add.at(z, rows[part], terms)
    return z[0] if one_axis else z
