"""The kernels as another processor runs them: compiled by zig, run by qemu's user-mode emulator, called through a pipe."""

from __future__ import annotations

import ctypes
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from numpy.lib.array_utils import byte_bounds

from tokenspace.native.door import FOLDER
from tokenspace.native.signatures import SIGNATURES, Array

if TYPE_CHECKING:
    from pathlib import Path

NARROW = {ctypes.c_int32: "<i", ctypes.c_int64: "<q", ctypes.c_uint64: "<Q"}
"""Whole numbers, by how their answers are read."""


class Emulated:
    """A process of the emulator that calls kernels; used as ``emulated.kernel(name)``, like `tokenspace.native.door.kernel`."""

    def __init__(self, folder: Path, target: str, emulator: str) -> None:
        (folder / "kernels.h").write_text("".join(f"KERNEL({name})\n" for name in SIGNATURES))
        program = folder / "caller"
        sources = [*map(str, sorted(FOLDER.glob("*.c"))), str(FOLDER.parents[2] / "tests" / "emulated" / "caller.c")]
        flags = ["-target", target, "-static", "-O2", "-std=c11", "-ffp-contract=off", "-fno-sanitize=all", f"-I{folder}"]
        call = [sys.executable, "-m", "ziglang", "cc", *flags, *sources, "-lm", "-o", str(program)]
        subprocess.run(call, check=True, capture_output=True, text=True)
        self._process = subprocess.Popen([emulator, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def kernel(self, name: str) -> Any:
        """Return the kernel as a function that takes what the compiled one takes."""
        returns, *takes = SIGNATURES[name]

        def call(*arguments: Any) -> Any:
            sent, spans = [name.encode().ljust(32, b"\0"), struct.pack("<i", len(arguments))], []
            for kind, value in zip(takes, arguments, strict=True):
                if isinstance(kind, Array):
                    sent.append(_sent(kind, value, spans))
                elif kind is ctypes.c_double:
                    sent.append(b"f" + struct.pack("<d", value))
                elif kind is ctypes.c_float:
                    sent.append(b"f" + struct.pack("<fi", value, 0))
                else:
                    sent.append(b"i" + struct.pack("<q", int(value)))
            pipe = self._process
            assert pipe.stdin
            assert pipe.stdout
            pipe.stdin.write(b"".join(sent))
            pipe.stdin.flush()
            answer = pipe.stdout.read(8)
            for kind, array, size in spans:
                back = pipe.stdout.read(size)
                assert len(back) == size
                if kind.writeable:
                    ctypes.memmove(array.ctypes.data, back, size)
            if returns is None:
                return None
            return struct.unpack_from(NARROW[returns], answer)[0]

        return call


def _sent(kind: Array, array: Any, spans: list[tuple[Array, Any, int]]) -> bytes:
    kind.from_param(array)
    if array is None:
        return b"i" + bytes(8)
    low, high = byte_bounds(array) if array.size else (array.ctypes.data, array.ctypes.data)
    assert low == array.ctypes.data, "strides are never negative here"
    spans.append((kind, array, high - low))
    return b"a" + struct.pack("<q", high - low) + ctypes.string_at(low, high - low)
