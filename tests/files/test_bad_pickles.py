"""PyTorch's .bin files that run code, lie about sizes or hold no tensors, a line each on what they attack, read in little memory."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

resource = pytest.importorskip("resource", reason="no limit on memory")
torch = pytest.importorskip("torch")

if TYPE_CHECKING:
    from pathlib import Path

NAME = "embeddings.word_embeddings.weight"
NUMBERS = struct.pack("<6f", *range(6))


class Attack:
    """Makes a folder when unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("attacked",)


def packed(content: bytes, numbers: bytes = NUMBERS, how: int = zipfile.ZIP_STORED) -> bytes:
    """Return a file as PyTorch writes them, of a pickle and one storage."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, part in (("data.pkl", content), ("data/0", numbers), ("version", b"3\n")):
            archive.writestr(f"archive/{name}", part)
    return file.getvalue()


def state(value: bytes) -> bytes:
    """Return the pickle of a dictionary with one value, itself pickled."""
    return b"\x80\x02}X" + struct.pack("<I", len(NAME)) + NAME.encode() + value + b"s."


def tensor(shape: tuple[int, ...], stride: tuple[int, ...], *, stored: int = 6, offset: int = 0) -> bytes:
    """Return the pickle of a tensor."""
    storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuJ" + struct.pack("<i", stored) + b"tQ"
    sizes = b"".join(b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", size) for size in part) + b"t" for part in (shape, stride))
    begin = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"\x8a\x08" + struct.pack("<q", offset)
    return begin + sizes + b"\x89ccollections\nOrderedDict\n)RtR"


def saved(value: object, *, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def nested() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own word on nested tensors: they will change
        return torch.nested.nested_tensor([ROWS, ROWS])


def number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


ROWS = torch.arange(6.0).reshape(3, 2)
FILES: dict[str, tuple[str, bytes, str]] = {
    "sound": ("nothing", packed(state(tensor((3, 2), (2, 1)))), "table (3, 2) 15.0"),
    "sound and turned": ("nothing", saved({NAME: ROWS.T.contiguous().T}), "table (3, 2) 15.0"),
    "sound and old": ("nothing", saved({NAME: ROWS}, zipped=False), "table (3, 2) 15.0"),
    "code": ("a call", saved({NAME: Attack()}), "weights-only"),
    "code in an old file": ("a call", saved({NAME: Attack()}, zipped=False), "weights-only"),
    "code in a plain pickle": ("a call", pickle.dumps({NAME: Attack()}), "weights-only"),
    "nothing": ("an error without a message", b"", "EOFError"),
    "half a pickle": ("an error without a message", packed(b"\x80\x02X\xff\xff\xff\x7f"), "weights-only"),
    "one row 2^40 times": ("a stride of 0", packed(state(tensor((2**40, 2), (0, 1)))), "repeats what is stored"),
    "one row 2^24 times": ("a stride of 0 that memory has room for", packed(state(tensor((2**24, 2), (0, 1)))), "repeats what is stored"),
    "rows beyond": ("a shape larger than its numbers", packed(state(tensor((2**40, 2), (2, 1)))), "weights-only"),
    "an offset beyond": ("numbers of somebody else", packed(state(tensor((3, 2), (2, 1), offset=100))), "weights-only"),
    "a stride below zero": ("numbers in front", packed(state(tensor((3, 2), (-2, 1)))), "weights-only"),
    "many numbers": ("a storage larger than its member", packed(state(tensor((2**29, 2), (2, 1), stored=2**30))), "weights-only"),
    "a bomb": (
        "256 MB of zeros",
        packed(state(tensor((3, 2), (2, 1))), bytes(1 << 28), zipfile.ZIP_DEFLATED),
        "seen 'archive/data.pkl' packed",
    ),
    "bytes": ("2^40 bytes from a number", packed(state(b"c__builtin__\nbytearray\n" + number(2**40) + b"\x85R")), "made from a number"),
    "bytes in a plain pickle": ("the same", state(b"c__builtin__\nbytearray\n" + number(2**30) + b"\x85R"), "made from a number"),
    "deep": ("a stack of C", packed(b"\x80\x02" + b"]" * 10**5 + b"a" * (10**5 - 1) + b"."), "seen list"),
    "without numbers": ("a tensor that is nowhere", saved({NAME: ROWS.to("meta")}), "on meta"),
    "nested": ("a tensor without a shape", saved({NAME: nested()}), "is nested"),
    "sparse": ("another layout", saved({NAME: ROWS.to_sparse()}), "sparse_coo"),
    "cut": ("a download that stopped", saved({NAME: ROWS})[:-50], "weights-only"),
}
CHILD = """
import resource, sys, tokenspace as ts
from pathlib import Path
ts.open(Path("sound"))  # imports PyTorch
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (192 << 20),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
for name in sys.argv[1:]:
    try:
        table = ts.open(Path(name))
        said = f"table {table.shape} {table.matrix.sum()}"
    except ts.errors.ModelFolderError as error:
        said = str(error).splitlines()[0]
    except BaseException as error:
        said = f"no error of ours: {type(error).__name__} {error!s:.200}"
    print(name, said, sep="\\t", flush=True)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no telling how much memory is used")  # noqa: PTH110
def test_a_bad_bin_gets_its_error_in_little_memory(tmp_path: Path) -> None:
    for name, (_, content, _says) in FILES.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": 3}))
        model: dict[str, Any] = {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "c": 2}}
        (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": [], "model": model}))
        (folder / "pytorch_model.bin").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, *FILES],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    said = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stderr[-2000:]
    wrong = {name: said.get(name) for name, (_, _, says) in FILES.items() if says not in said.get(name, "")}
    assert not wrong
    assert not list(tmp_path.rglob("attacked"))
