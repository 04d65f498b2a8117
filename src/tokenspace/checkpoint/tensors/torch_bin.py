"""PyTorch's .bin: a pickle, read by the weights-only rules that build tensors and run nothing."""

from __future__ import annotations

import re
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.tensors.safetensors_file import Stored, TensorFile
from tokenspace.errors import MissingExtraError, ModelFolderError
from tokenspace.formats.packed import BROKEN_ZIP

if TYPE_CHECKING:
    from collections.abc import Iterator
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

ASKED = re.compile(r"GLOBAL ([\w.]+)")
"""How PyTorch names what a pickle asks for beside tensors."""

FAULT = "WeightsUnpickler error:"
"""After which PyTorch says what it met, where it says so at all."""

ADVICE = ("Weights only load failed", "(1)", "(2)", "Check the documentation")
"""How PyTorch's other lines begin: how to load the file without the rules, which is the last thing to do."""

REFILLED = b"\nbytearray\n"
"""How a pickle names what the rules let it make as large as it says: 400 bytes of file, and as many gigabytes as there are."""


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
        If it holds anything but tensors, which the rules refuse, is damaged, or would take more memory than the file has bytes.

    Notes
    -----
    Mapped where the file is of the kind that PyTorch has written since 1.6, else read into memory.
    """
    torch = _torch()
    _check_sizes(path)
    try:
        state = _load(torch, path)
    except Exception as error:  # noqa: BLE001 - PyTorch raises whatever its reader meets, UnpicklingError and RuntimeError among it
        problem = f"is no file of tensors by PyTorch's weights-only rules: {_reason(error):.160}"
        raise ModelFolderError(path, problem, hint="it may be damaged, or meant to run code: do not load it otherwise") from None
    if not isinstance(state, dict):
        raise ModelFolderError(path, f"expected a dictionary of tensors, seen {type(state).__name__}")
    tensors, room = {}, path.stat().st_size
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ModelFolderError(path, f"expected a tensor for {name!r:.60}, seen {type(tensor).__name__}")
        code = CODES.get(str(tensor.dtype))
        if code is None or tensor.layout is not torch.strided or tensor.is_nested or tensor.device.type != "cpu":
            kind = "nested" if tensor.is_nested else f"{tensor.dtype}, {tensor.layout}, on {tensor.device.type}"
            raise ModelFolderError(path, f"the tensor {name!r:.60} is {kind}: safetensors holds no such")
        if not tensor.is_contiguous() or tensor.is_neg():  # to be copied: a stride of 0 makes 2^60 numbers of one
            room -= tensor.numel() * tensor.element_size()
            if room < 0:
                problem = f"the tensor {name!r:.60} of shape {tuple(tensor.shape)} repeats what is stored: with it, copies take more"
                raise ModelFolderError(path, f"{problem} than the file's {path.stat().st_size:,} bytes")
        whole = tensor.detach().resolve_neg().contiguous()
        data = whole.reshape(-1).view(torch.uint8).numpy() if tensor.numel() else None
        tensors[name] = Stored(name, code, tuple(tensor.shape), path, tensor.data_ptr(), data)
    return TensorFile(path, tensors, {"format": "pt"})


def _check_sizes(path: Path) -> None:
    """Refuse what would be larger in memory than in the file: packed members, which PyTorch never writes, and bytes made from a number."""
    if any(REFILLED in content for content in _pickles(path)):
        raise ModelFolderError(
            path, "expected tensors, seen bytes made from a number", hint="it may be an attack: do not load it otherwise"
        )


def _pickles(path: Path) -> Iterator[bytes]:
    """Yield the pickles of a file; before PyTorch 1.6 it was nothing else, and is read into memory anyway."""
    if not zipfile.is_zipfile(path):
        yield path.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            packed = [info for info in members if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size]
            contents = [] if packed else [archive.read(info) for info in members if info.filename.endswith(".pkl")]
    except BROKEN_ZIP as error:
        raise ModelFolderError(path, f"expected a sound zip archive, seen: {error!s:.100}", hint="was a copy cut off?") from None
    if packed:
        raise ModelFolderError(path, f"expected members stored as they are, seen {packed[0].filename!r:.60} packed")
    yield from contents


def _load(torch: Any, path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it finds odd it either reads or refuses
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # the format before PyTorch 1.6 cannot be mapped
            return torch.load(path, map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    """Return what PyTorch says of a file it refuses, without its advice."""
    asked = ASKED.search(str(error))
    if asked:
        return f"it asks for {asked[1]}"
    lines = [line.strip() for line in str(error).rpartition(FAULT)[2].splitlines()]
    return next((line for line in lines if line and not line.startswith(ADVICE)), type(error).__name__)


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
