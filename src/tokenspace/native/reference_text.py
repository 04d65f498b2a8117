"""The kernels that read and write rows of text and of word2vec binary files once more, in NumPy and Python: same names, same results.

`number` and `is_nonfinite_word` say what a number is; whoever explains a bad row asks them too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_TOKEN = 65_536
"""Bytes a token may have. The longest in the public tables is a URL of 1.2 kB; beyond this a file is damaged, or meant to do damage."""

NUMBER = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""What float() reads, less its underscores, its spaces and its words."""

NONFINITE = re.compile(rb"[+-]?(?:nan|inf)", re.IGNORECASE)

NEWLINE, SPACE = b"\n", b" "
TENS = 10.0 ** np.arange(23)
DIGITS = 9
"""Digits that tell any two float32 numbers apart."""


def is_number(field: bytes) -> bool:
    """Return whether the field is a decimal number, or NaN or infinity under their short names."""
    return bool(NUMBER.fullmatch(field) or NONFINITE.fullmatch(field))


def split_row(line: bytes, d: int) -> tuple[bytes, list[float]] | None:
    """Return the token and the d numbers of a line without its line break, or None if it breaks a rule of the format."""
    fields = line.removesuffix(b"\r").rstrip(SPACE).rsplit(SPACE, d)
    token, numbers = fields[0], fields[1:]
    if len(numbers) != d or len(token) > MAX_TOKEN or not all(map(NUMBER.fullmatch, numbers)):
        return None
    if any(map(is_number, token.split(SPACE)[1:])):
        return None
    return token, [float(field) for field in numbers]


def split_bare(line: bytes, d: int) -> tuple[bytes, list[float]] | None:
    """Return no token and the d numbers of a line that holds nothing else, or None if it breaks a rule of the format."""
    numbers = line.removesuffix(b"\r").rstrip(SPACE).split(b"\t")
    if len(numbers) != d or not all(map(NUMBER.fullmatch, numbers)):
        return None
    return b"", [float(number) for number in numbers]


def text_rows(
    data: NDArray[np.uint8],
    begin: int,
    end: int,
    out: NDArray[Any],
    span: tuple[int, int],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    *,
    bare: bool = False,
) -> tuple[int, int]:
    """Read rows span[0]..span[1]-1 of a text table from the lines in bytes begin..end-1; return the row and the byte stopped at."""
    text = data[begin:end].tobytes()
    row, last = span
    at = 0
    with np.errstate(over="ignore"):
        for row in range(*span):
            stop = text.find(NEWLINE, at)
            stop = len(text) if stop < 0 else stop
            found = (split_bare if bare else split_row)(text[at:stop], out.shape[1]) if at < len(text) else None
            if found is None:
                break
            out[row] = found[1]
            if not np.isfinite(out[row]).all():
                break
            starts[row], lengths[row] = begin + at, len(found[0])
            at = min(stop + 1, len(text))
        else:
            row = last
    return row, begin + at


def count_lines(data: NDArray[np.uint8], begin: int, end: int) -> int:
    """Count the line breaks in bytes begin..end-1."""
    block = 1 << 20
    return sum(int(np.count_nonzero(data[at : min(at + block, end)] == ord(NEWLINE))) for at in range(begin, end, block))


def word2vec_rows(data: NDArray[np.uint8], at: int, d: int, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> tuple[int, int]:
    """Find len(starts) rows of a word2vec binary table from byte `at` on; return how many there are and where the last ends."""
    size = len(data)
    for row in range(len(starts)):
        start = at + (at < size and data[at] == ord(NEWLINE))
        length = data[start : start + 256].tobytes().find(SPACE)
        if length < 0:
            length = data[start : start + MAX_TOKEN + 1].tobytes().find(SPACE)
        if length < 0 or (size - start - length - 1) // 4 < d:
            return row, at
        starts[row], lengths[row] = start, length
        at = start + length + 1 + 4 * d
    return len(starts), at


def word2vec_copy(
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    begin: int,
    end: int,
    out: NDArray[np.float32],
) -> int:
    """Copy the numbers of rows begin..end-1; return the first row that holds NaN or infinity, or `end`."""
    width = 4 * out.shape[1]
    places = (starts + lengths + 1).tolist()
    for row in range(begin, end):
        out[row] = data[places[row] : places[row] + width].view("<f4")
    finite = np.isfinite(out[begin:end]).all(axis=1)
    return end if finite.all() else begin + int(np.argmin(finite))


def gather(data: NDArray[np.uint8], starts: NDArray[np.int64], offsets: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
    """Put pieces of `data` end to end."""
    bounds = offsets.tolist()
    for i, start in enumerate(starts.tolist()):
        out[bounds[i] : bounds[i + 1]] = data[start : start + bounds[i + 1] - bounds[i]]


def text_write(matrix: NDArray[Any], data: NDArray[np.uint8], offsets: NDArray[np.int64], begin: int, end: int) -> bytes:
    """Return rows begin..end-1 as text, a line each: the token, then each number with as few digits as read back to it."""
    tokens = data[offsets[begin] : offsets[end]].tobytes()
    bounds = (offsets[begin : end + 1] - offsets[begin]).tolist()
    if matrix.dtype == np.float64:
        numbers = [" ".join(map(repr, row.tolist())) for row in matrix[begin:end]]
    else:
        numbers = [" ".join(row) for row in _spelled(matrix[begin:end])]
    return b"".join(tokens[bounds[i] : bounds[i + 1]] + b" " + text.encode() + NEWLINE for i, text in enumerate(numbers))


def _spelled(matrix: NDArray[np.float32]) -> list[list[str]]:
    """Spell float32 numbers in the layout of Python's repr; shape (rows, d)."""
    digits, exponents = shortest(np.abs(matrix).astype(np.float64))
    columns = zip(matrix, np.signbit(matrix).tolist(), digits.tolist(), exponents.tolist(), strict=True)
    return [
        [("-" if minus else "") + (_layout(m, e) if m >= 0 else _unaided(x)) for x, minus, m, e in zip(*row, strict=True)]
        for row in columns
    ]


def shortest(wide: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find for each float32 number x >= 0, given as float64, the shortest digits m and power e with float32(m · 10^e) = x.

    m is -1 where nine digits and exactly representable powers of ten do not reach. The steps are those of the kernel, in the same
    arithmetic.
    """
    power = _power(wide)
    digits = np.full(wide.shape, -1, dtype=np.int64)
    exponents = np.zeros(wide.shape, dtype=np.int64)
    open_ = wide < TENS[22]
    for count in range(1, DIGITS + 1):
        e = power + 1 - count
        open_ &= np.abs(e) <= 22  # noqa: PLR2004 - the last power of ten that float64 holds exactly
        tens = TENS[np.minimum(np.abs(e), 22)]
        m = np.rint(np.where(e < 0, wide * tens, wide / tens))
        value = np.where(e < 0, m / tens, m * tens)
        with np.errstate(over="ignore"):
            hit = open_ & (value.astype(np.float32) == wide)
        digits[hit], exponents[hit] = m[hit].astype(np.int64), e[hit]
        open_ &= ~hit
    zero = wide == 0
    digits[zero], exponents[zero] = 0, 0
    return digits, exponents


def _power(wide: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return p with 10^p <= x < 10^(p + 1), held within -14..22, the powers that float64 holds exactly."""
    power = np.minimum(np.searchsorted(TENS, wide, side="right") - 1, 22)
    small = wide < 1
    power[small] = 0
    for down in range(14):
        power[small & (power == -down) & (wide * TENS[down] < 1)] = -down - 1
    return power


def _layout(digits: int, exponent: int) -> str:
    """Write digits · 10^exponent as Python's repr does: positional from 1e-4 to below 1e16."""
    text = str(digits).rstrip("0") or "0"
    power = len(str(digits)) - 1 + exponent
    if not -4 <= power < 16:  # noqa: PLR2004 - repr's own limits
        return text[0] + ("." + text[1:] if text[1:] else "") + f"e{'-' if power < 0 else '+'}{abs(power):02}"
    if power < 0:
        return "0." + "0" * (-power - 1) + text
    return text[: power + 1].ljust(power + 1, "0") + "." + (text[power + 1 :] or "0")


def _unaided(x: np.float32) -> str:
    """Spell one float32 number, without its sign, whose digits `shortest` did not find."""
    mantissa, _, power = np.format_float_scientific(abs(x), unique=True, trim="-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    return _layout(int(whole + fraction), int(power) - len(fraction))
