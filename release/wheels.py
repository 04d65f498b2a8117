"""Looks into a wheel without running it: its tag, its record, its licences, and what each library in it is for and needs.

python release/wheels.py dist/*.whl. Leaves with 1 if something is wrong.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import struct
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from build_native import TARGETS, digest  # noqa: E402 - the path to it is made above

if TYPE_CHECKING:
    from collections.abc import Iterator

GLIBC = (2, 17)
WINDOWS = re.compile(rb"(?i)(kernel32|msvcrt|ucrtbase|ntdll|api-ms-win-crt-[a-z0-9-]+)\.dll")  # every Windows 10 has them
MACHINES = {"x86_64": {0x3E, 0x01000007, 0x8664}, "aarch64": {0xB7, 0x0100000C}, "arm64": {0xB7, 0x0100000C}}
"""What ELF, Mach-O and PE call the processors."""


class Library(NamedTuple):
    """What a shared library says of itself."""

    system: str
    machine: int
    needs: list[str]
    oldest: tuple[int, ...]


def parsed(data: bytes) -> Library:
    """Read the head of a shared library: ELF, Mach-O or PE, 64 bit, little-endian.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if data[:6] == b"\x7fELF\x02\x01":
        versions = [tuple(map(int, found.split(b"."))) for found in re.findall(rb"GLIBC_(\d+(?:\.\d+)+)", data)]
        needs = sorted(set(re.findall(rb"\0(lib[\w.+-]+\.so\.\d+|ld-linux[\w.-]*)(?=\0)", data)))
        return Library("linux", struct.unpack_from("<H", data, 18)[0], [need.decode() for need in needs], max(versions, default=()))
    if data[:4] == b"\xcf\xfa\xed\xfe":
        return _mach_o(data)
    if data[:2] == b"MZ":
        start = struct.unpack_from("<I", data, 0x3C)[0]
        if data[start : start + 4] == b"PE\0\0":
            needs = sorted({found.lower() for found in re.findall(rb"[\w-]+\.dll(?=\0)", data)})
            return Library("windows", struct.unpack_from("<H", data, start + 4)[0], [need.decode() for need in needs], ())
    message = f"neither ELF, Mach-O nor PE of 64 bits: it begins with {data[:4]!r}"
    raise ValueError(message)


def _mach_o(data: bytes) -> Library:
    """Read the load commands of a Mach-O library."""
    machine, commands = struct.unpack_from("<I", data, 4)[0], struct.unpack_from("<I", data, 16)[0]
    needs, oldest, place = [], (), 32
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, place)
        if command & 0x7FFFFFFF in {0x0C, 0x18}:  # LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB
            name = place + struct.unpack_from("<I", data, place + 8)[0]
            needs.append(data[name : data.index(b"\0", name)].decode())
        elif command in {0x32, 0x24}:  # LC_BUILD_VERSION, LC_VERSION_MIN_MACOSX
            version = struct.unpack_from("<I", data, place + (12 if command == 0x32 else 8))[0]  # noqa: PLR2004 - as above
            oldest = (version >> 16, version >> 8 & 255)
        place += size
    return Library("macos", machine, needs, oldest)


def faults(wheel: Path) -> Iterator[str]:
    """Yield what is wrong with a wheel, a line each."""
    from packaging.utils import parse_wheel_filename  # noqa: PLC0415 - comes with hatchling

    tags = parse_wheel_filename(wheel.name)[3]
    names = [name for name, target in TARGETS.items() if {tag.platform for tag in tags} == set(target.tag.split("."))]
    if len(names) != 1 or {(tag.interpreter, tag.abi) for tag in tags} != {("py3", "none")}:
        yield f"its tag is that of none of the systems {', '.join(TARGETS)}"
        return
    system = names[0]
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    yield from _record(files)
    yield from _content(files, system)
    for level in TARGETS[system].levels:
        name = f"tokenspace/native/libtokenspace-{level}{TARGETS[system].suffix}"
        if name not in files:
            yield f"{name} is missing"
        else:
            yield from (f"{name}: {fault}" for fault in _library(files[name], system))


def _record(files: dict[str, bytes]) -> Iterator[str]:
    """Hold each file against the wheel's own record of it."""
    (own,) = (name for name in files if name.endswith(".dist-info/RECORD"))
    listed = {row[0]: row[1] for row in csv.reader(io.StringIO(files[own].decode()))}
    yield from (f"{name} is in RECORD or in the wheel, not in both" for name in listed.keys() ^ files.keys())
    for name, data in files.items():
        said = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if name != own and listed.get(name) != said:
            yield f"{name} is not what RECORD says"


def _content(files: dict[str, bytes], system: str) -> Iterator[str]:
    """Look for every module and page of the sources, for the licences, and for nothing of another system."""
    from_git = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src/tokenspace").rglob("*") if path.suffix in KEPT}
    yield from (f"{name} is missing" for name in sorted(from_git - files.keys()))
    for ending in (".dist-info/licenses/LICENSE", "explorer/static/vendor/README.md"):  # the second has the MIT licence of what is vendored
        if not any(name.endswith(ending) and b"icen" in data for name, data in files.items()):
            yield f"the licence {ending} is missing"
    wanted = {f"tokenspace/native/libtokenspace-{level}{TARGETS[system].suffix}" for level in TARGETS[system].levels}
    yield from (f"{name} is of another system" for name in files if "/libtokenspace-" in name and name not in wanted)


KEPT = {".py", ".js", ".html", ".css", ".svg", ".c", ".h", ".typed"}


def _library(data: bytes, system: str) -> Iterator[str]:
    found = parsed(data)
    if found.system != TARGETS[system].system or found.machine not in MACHINES[system.partition("-")[2]]:
        yield f"is for {found.system}, machine {found.machine:#x}"
    if digest().encode() not in data:
        yield "was made from other sources"
    if re.search(rb"/tmp[\w-]*/", data):
        yield "has the path of the folder that it was made in"
    if b"ts_sources" not in data:
        yield "does not export ts_sources"
    if found.system == "linux" and found.oldest > GLIBC:
        yield f"needs glibc {'.'.join(map(str, found.oldest))}; the wheel's tag says {'.'.join(map(str, GLIBC))}"
    if found.system == "macos":
        said = tuple(map(int, re.findall(r"macosx_(\d+)_(\d+)", TARGETS[system].tag)[0]))
        if found.oldest != said:
            yield f"needs macOS {found.oldest}; the wheel's tag says {said}"
    known = {
        "linux": lambda need: need.startswith(("libc.so", "libm.so", "ld-linux")),
        "macos": lambda need: need == "/usr/lib/libSystem.B.dylib",
        "windows": lambda need: WINDOWS.fullmatch(need.encode()) or need.startswith("libtokenspace"),
    }[found.system]
    yield from (f"needs {need}" for need in found.needs if not known(need))


if __name__ == "__main__":
    wrong = [f"{name}: {fault}" for name in sys.argv[1:] for fault in faults(Path(name))]
    print("\n".join(wrong) or f"{len(sys.argv) - 1} wheels: tag, record, licences and libraries are as they should be")
    sys.exit(bool(wrong))
