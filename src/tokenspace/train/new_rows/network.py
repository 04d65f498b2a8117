"""The network of a model folder: loaded, made to train the new rows alone, and those rows put back among the folder's bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from tokenspace import checkpoint, extension
from tokenspace.checkpoint.writing import Change, write
from tokenspace.errors import ModelFolderError, NotFiniteError
from tokenspace.torch import extend
from tokenspace.torch.arrays import as_array

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.checkpoint import Model
    from tokenspace.torch import Extended
    from tokenspace.train.new_rows.objectives import Objective


def _dtype_is_called() -> str:
    """Return what `from_pretrained` calls the element type; transformers renamed it in 4.56."""
    version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    return "dtype" if version >= (4, 56) else "torch_dtype"


def loaded(opened: Model, kind: type[Objective]) -> Any:
    """Load the network, without its dropout."""
    home = opened.folder.root / opened.folder.home
    try:
        network = getattr(transformers, kind.load).from_pretrained(home, local_files_only=True, **{_dtype_is_called(): "auto"})
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelFolderError(home, f"transformers cannot load it: {str(error).splitlines()[0]:.160}") from error
    return network.eval()


def partial(network: Any, ids: NDArray[np.int64]) -> Extended:
    """Let the rows of the ids train, and nothing else."""
    places = torch.from_numpy(ids)
    rows = network.get_input_embeddings().weight.detach()[places].clone()
    output = network.get_output_embeddings() if hasattr(network, "get_output_embeddings") else None
    head = output.weight.detach()[places].clone() if output is not None else None
    bias = output.bias.detach()[places].clone() if output is not None and output.bias is not None else None
    extended = extend(network, len(ids), ids=ids, init=rows, head_init=head)
    if bias is not None and extended.head is not None and extended.head.bias is not None:
        with torch.no_grad():  # placing rows set their biases to the mean
            for parameter in extended.head.parameters():
                if parameter.shape == bias.shape:
                    parameter.copy_(bias)
    return extended


def written(opened: Model, extended: Extended, ids: NDArray[np.int64], out: Path, *, force: bool) -> extension.Proof:
    """Write the model with its trained rows; the rest is copied from the source, not from the network.

    The proof is of the rows before the first that trains.

    Raises
    ------
    NotFiniteError
        If the training has left NaN or infinity; nothing is written then.
    """
    for trained in extended.parameters():
        if not torch.isfinite(trained).all():
            message = "the training has run away: the new rows hold NaN or infinity, and nothing was written"
            raise NotFiniteError(message, hint="try a smaller lr (--lr); or do the model's own rows hold such a number?")
    runs: dict[str, list[tuple[int, NDArray[Any]]]] = {}
    rows = _runs(extended.layer.state_dict()["weight"], ids)
    runs |= dict.fromkeys((opened.roles.embedding, *opened.roles.copies), rows)
    if extended.head is not None:
        held = extended.head.state_dict()
        runs |= dict.fromkeys(opened.roles.heads, _runs(held["weight"], ids))
        if opened.roles.biases and "bias" in held:
            runs |= dict.fromkeys(opened.roles.biases, _runs(held["bias"], ids))
    write(opened, Change((), opened.rows, runs), out, force=force)
    return extension.proof(opened.embedding.matrix()[: int(ids[0])], checkpoint.open(out).embedding.matrix())


def _runs(values: torch.Tensor, ids: NDArray[np.int64]) -> list[tuple[int, NDArray[Any]]]:
    """Return the trained rows in blocks of neighbours, and where each begins."""
    cuts = np.flatnonzero(np.diff(ids) > 1) + 1
    return [(int(part[0]), np.array(as_array(values[torch.from_numpy(part)]))) for part in np.split(ids, cuts)]
