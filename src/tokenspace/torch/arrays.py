"""Tensors as NumPy arrays and back, without a copy where one is not needed; bfloat16 included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tokenspace.errors import DtypeError
from tokenspace.rows import float_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOATS = {torch.float32: "float32", torch.float64: "float64", torch.float16: "float16", torch.bfloat16: "bfloat16"}
"""Element types of a table, and NumPy's names for them."""


def as_array(tensor: torch.Tensor) -> NDArray[Any]:
    """Return a tensor's numbers as an array that shares its memory where it lies on the CPU, and is a copy elsewhere.

    Parameters
    ----------
    tensor : tensor of any shape, float32, float64, float16 or bfloat16

    Returns
    -------
    array of that shape and type
        bfloat16 as `ml_dtypes.bfloat16`, through the bits.

    Raises
    ------
    DtypeError
        If it is of another type.

    Examples
    --------
    >>> as_array(torch.ones(2, dtype=torch.bfloat16))
    array([1, 1], dtype=bfloat16)
    """
    if tensor.dtype not in FLOATS:
        message = f"a table's numbers must be {', '.join(FLOATS.values())}; seen {tensor.dtype}"
        raise DtypeError(message)
    here = tensor.detach().cpu()
    if here.dtype == torch.bfloat16:
        return here.view(torch.int16).numpy().view(float_type("bfloat16"))
    return here.numpy()


def as_tensor(array: NDArray[Any]) -> torch.Tensor:
    """Return an array's numbers as a tensor of their own: always a copy, as tables are read-only and layers are not.

    Parameters
    ----------
    array : array of any shape, float32, float64, float16 or bfloat16

    Returns
    -------
    tensor of that shape and type, on the CPU

    Raises
    ------
    DtypeError
        If it is of another type.
    """
    own = np.array(array, dtype=float_type(array.dtype), order="C")
    if own.dtype.name == "bfloat16":
        return torch.from_numpy(own.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(own)
