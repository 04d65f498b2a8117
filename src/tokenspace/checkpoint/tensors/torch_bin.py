"""PyTorch's .bin: a pickle, read by the weights-only rules that build tensors and run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.tensors.safetensors_file import Stored, TensorFile
from tokenspace.errors import MissingExtraError, ModelFolderError

if TYPE_CHECKING:
    from pathlib import Path

OLDEST = (2, 6)
"""PyTorch before 2.6 could be made to run code in spite of weights_only (CVE-2025-32434)."""

CODES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.int16": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}
"""Element types by PyTorch's names and by safetensors'."""


def read(path: Path) -> TensorFile:
    """Read a .bin file: a dictionary of tensors.

    Parameters
    ----------
    path : Path

    Returns
    -------
    TensorFile
        Each tensor's `offset` is its place in memory, so that tied weights, which share theirs, can be told.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed, or is older than 2.6.
    ModelFolderError
        If it holds anything but tensors, which the rules refuse, or is damaged.

    Notes
    -----
    Mapped where the file is of the kind that PyTorch has written since 1.6, else read into memory.
    """
    torch = _torch()
    try:
        state = _load(torch, path)
    except Exception as error:  # noqa: BLE001 - PyTorch raises whatever its reader meets, UnpicklingError and RuntimeError among it
        problem = f"is no file of tensors by PyTorch's weights-only rules: {str(error).strip().splitlines()[0]:.160}"
        raise ModelFolderError(path, problem, hint="it may be damaged, or meant to run code: do not load it otherwise") from None
    if not isinstance(state, dict):
        raise ModelFolderError(path, f"expected a dictionary of tensors, seen {type(state).__name__}")
    tensors = {}
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ModelFolderError(path, f"expected a tensor for {name!r:.60}, seen {type(tensor).__name__}")
        code = CODES.get(str(tensor.dtype))
        if code is None or tensor.layout is not torch.strided:
            raise ModelFolderError(path, f"the tensor {name!r:.60} is {tensor.dtype}, {tensor.layout}: safetensors holds no such")
        data = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy() if tensor.numel() else None
        tensors[name] = Stored(name, code, tuple(tensor.shape), path, tensor.data_ptr(), data)
    return TensorFile(path, tensors, {"format": "pt"})


def _load(torch: Any, path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # the format before PyTorch 1.6 cannot be mapped
        return torch.load(path, map_location="cpu", weights_only=True)


def _torch() -> Any:
    try:
        import torch  # noqa: PLC0415 - one old kind of file in a room that needs it for nothing else
    except ImportError:
        message = "reading a .bin checkpoint needs PyTorch, which is not installed"
        raise MissingExtraError(message, hint='pip install "tokenspace[torch]", or save the model as safetensors') from None
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < OLDEST:
        message = f"reading a .bin checkpoint safely needs PyTorch 2.6 or later; seen {torch.__version__}"
        raise MissingExtraError(message, hint="pip install --upgrade torch, or save the model as safetensors")
    return torch
