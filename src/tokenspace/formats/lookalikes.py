"""What files that are no table look like: for the error that says so. Data only; nothing is opened on the strength of it."""

from __future__ import annotations

import re

LOOKALIKES: tuple[tuple[re.Pattern[bytes], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), what, hint)
    for pattern, what, hint in (
        (rb"\s*<(!doctype|html|head|\?xml)", "an HTML or XML page", "was an error page downloaded instead of the file?"),
        (rb"version https://git-lfs", "a Git LFS pointer, not the file itself", "run git lfs pull"),
        (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP", "an image", ""),
        (rb"%PDF", "a PDF", ""),
        (rb"\x80[\x02-\x05]", "a Python pickle", "never unpickled; gensim's are read as data: tokenspace convert A B --from gensim"),
        (rb"PK\x03\x04.{26}[^/]{1,99}/(data\.pkl|version|byteorder)", "a PyTorch file", "save its tensors as safetensors"),
        (rb"PK[\x03\x05]", "a zip archive", "unpack it first"),
        (rb"SQLite format 3", "an SQLite database", ""),
        (rb"\x89HDF", "HDF5", ""),
        (rb"\x7fELF|MZ|\xcf\xfa\xed\xfe", "a program", ""),
        (rb"\xff\xfe|\xfe\xff", "text in UTF-16", "convert it to UTF-8: iconv -f UTF-16 -t UTF-8"),
        (rb".{8}\{\"", "safetensors with a damaged header", ""),
        (rb"\s*[\[{]", "JSON", ""),
    )
)
"""Pattern at the file's beginning, what it is, what to do."""


def description(start: bytes) -> tuple[str, str]:
    """Say what a file that begins with `start` looks like, and what to do about it."""
    for pattern, what, hint in LOOKALIKES:
        if pattern.match(start):
            return f"seen what looks like {what}", hint
    shown = start[:40]
    try:
        start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:
            return f"seen {shown!r}", ""
    if b"\0" in start:
        return f"seen {shown!r}", ""
    text = shown.decode(errors="replace")
    return f"seen text whose lines do not end in numbers: {text!r}", "a text table has a token and its numbers in a line"
