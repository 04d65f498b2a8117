"""Good files made bad: bits flipped, bytes inserted, cut out, doubled, spliced; numbers made absurd; containers put together again.

All choices come from one ``random.Random``, which may be Hypothesis's own, so that what it finds shrinks. A container's part is changed
inside and packed again with right lengths and checksums: else nothing behind the checksum would ever be tried.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Files = dict[str, bytes]
    Operation = Callable[[bytearray, Random, list[bytes]], None]

INTEGERS = (0, 1, 2, 3, 7, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**64 - 1)
DIGITS = [str(number).encode() for number in INTEGERS] + [b"-1", b"1e39", b"1e400", b"-0", b"nan", b"inf", b"0x1p3", b"1_0", b"1e-400", b""]
LEAVES: tuple[Any, ...] = (
    *INTEGERS,
    -1,
    1.5,
    1e300,
    True,
    None,
    "",
    "x",
    "é",
    "\ud800",
    "../../x",
    "/x",
    "\0",
    [],
    {},
    [[]],
    [1, 2],
    {"x": 1},
)
PIECES = [
    b" ",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
]
PIECES += [b".", b"-", b"e", b"+", b"0", b"9" * 20, b"0" * 400, b" " * 300, b"x" * 70_000, b"[" * 3000, b"1" * 5000, *DIGITS]


def _span(content: bytearray, random: Random) -> tuple[int, int]:
    """Choose a stretch: near the beginning, where the headers are, or anywhere; short, or of any length."""
    begin = random.randint(0, min(len(content), 200) if random.random() < 0.5 else len(content))
    end = min(len(content), begin + (random.randint(0, 8) if random.random() < 0.7 else random.randint(0, len(content))))
    return begin, end


def _flip(content: bytearray, random: Random, _pieces: list[bytes]) -> None:
    if content:
        at = min(_span(content, random)[0], len(content) - 1)
        content[at] ^= 1 << random.randint(0, 7)


def _insert(content: bytearray, random: Random, pieces: list[bytes]) -> None:
    at = _span(content, random)[0]
    content[at:at] = random.choice(pieces)


def _replace(content: bytearray, random: Random, pieces: list[bytes]) -> None:
    begin, end = _span(content, random)
    content[begin:end] = random.choice(pieces)


def _delete(content: bytearray, random: Random, _pieces: list[bytes]) -> None:
    begin, end = _span(content, random)
    del content[begin:end]


def _double(content: bytearray, random: Random, _pieces: list[bytes]) -> None:
    begin, end = _span(content, random)
    content[end:end] = content[begin:end] * random.choice([1, 1, 1, 2, 50])


def _cut(content: bytearray, random: Random, _pieces: list[bytes]) -> None:
    del content[random.randint(0, len(content)) :]


def _move(content: bytearray, random: Random, _pieces: list[bytes]) -> None:
    begin, end = _span(content, random)
    part = content[begin:end]
    del content[begin:end]
    at = _span(content, random)[0]
    content[at:at] = part


def _number(content: bytearray, random: Random, _pieces: list[bytes]) -> None:
    """Put an absurd number where a number in digits stands."""
    found = list(re.finditer(rb"[+-]?[0-9]+", content[:4096]))
    if found:
        match = random.choice(found)
        content[match.start() : match.end()] = random.choice(DIGITS)


def _integer(content: bytearray, random: Random, _pieces: list[bytes]) -> None:
    """Put an absurd binary integer anywhere, aligned or not."""
    size = random.choice([1, 2, 4, 8])
    at = _span(content, random)[0]
    content[at : at + size] = (random.choice(INTEGERS) % 256**size).to_bytes(size, random.choice(["little", "big"]))


def _leaf(content: bytearray, random: Random, _pieces: list[bytes]) -> None:
    """Change one value, or one key, of a JSON document."""
    try:
        document = json.loads(bytes(content))
    except (ValueError, RecursionError):
        return
    places: list[tuple[Any, Any]] = []
    open_ = [document]
    while open_ and len(places) < 200:
        node = open_.pop()
        inner = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        places += [(node, key) for key, _ in inner]
        open_ += [value for _, value in inner]
    if not places:
        return
    node, key = random.choice(places)
    if isinstance(node, dict) and random.random() < 0.2:
        node[random.choice(["", "x", "\ud800", "shape", "embedding"])] = node.pop(key)
    elif random.random() < 0.2:
        del node[key]
    else:
        node[key] = random.choice(LEAVES)
    content[:] = json.dumps(document).encode()


OPERATIONS: tuple[Operation, ...] = (_flip, _insert, _replace, _delete, _double, _cut, _move, _number, _integer, _leaf)


def _changed(content: bytes, random: Random, pieces: list[bytes], others: list[bytes]) -> bytes:
    result = bytearray(content)
    for _ in range(random.choice([1, 1, 1, 2, 3, 8])):
        if others and random.random() < 0.05:  # spliced with another good file
            other = random.choice(others)
            result[random.randint(0, len(result)) :] = other[random.randint(0, len(other)) :]
        else:
            random.choice(OPERATIONS)(result, random, pieces)
    return bytes(result)


def mutated(seeds: list[Files], random: Random, pieces: tuple[bytes, ...] = ()) -> Files:
    """Return the files of a good example, one of them changed."""
    files = dict(random.choice(seeds))
    name = random.choice(sorted(files))
    words = PIECES + 8 * list(pieces)
    for suffix, (unpack, pack) in CONTAINERS.items():
        if name.endswith(suffix) and random.random() < 0.6:
            parts = unpack(files[name])
            part = random.choice(sorted(parts))
            parts[part] = _changed(parts[part], random, words, [])
            return files | {name: pack(parts)}
    others = [seed[name] for seed in seeds if name in seed]
    return files | {name: _changed(files[name], random, words, others)}


def _unpack_safetensors(content: bytes) -> Files:
    length = int.from_bytes(content[:8], "little")
    return {"header": content[8 : 8 + length].rstrip(b" "), "data": content[8 + length :]}


def _pack_safetensors(parts: Files) -> bytes:
    text = parts["header"] + b" " * (-(8 + len(parts["header"])) % 4096)
    return len(text).to_bytes(8, "little") + text + parts["data"]


def _unpack_zip(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _pack_zip(parts: Files) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


CONTAINERS: dict[str, tuple[Callable[[bytes], Files], Callable[[Files], bytes]]] = {
    ".safetensors": (_unpack_safetensors, _pack_safetensors),
    ".codes": (_unpack_safetensors, _pack_safetensors),
    ".npz": (_unpack_zip, _pack_zip),
    ".zip": (_unpack_zip, _pack_zip),
    ".gz": (lambda content: {"": gzip.decompress(content)}, lambda parts: gzip.compress(parts[""], mtime=0)),
    ".bz2": (lambda content: {"": bz2.decompress(content)}, lambda parts: bz2.compress(parts[""])),
    ".xz": (lambda content: {"": lzma.decompress(content)}, lambda parts: lzma.compress(parts[""])),
}
"""Endings of the examples' names that are containers, how they are taken apart, and put together."""
