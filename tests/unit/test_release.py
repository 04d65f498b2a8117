"""What a release is looked into with: libraries of every system, wheels that lack or carry too much, the bill of materials."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib
import io
import json
import struct
import zipfile
from pathlib import Path

import pytest

from tokenspace.native import door

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="wheels")
def fixture_wheels(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT / "release")
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("wheels")


def a_wheel(path: Path, files: dict[str, bytes]) -> Path:
    """Write a wheel of some files, with its record."""
    rows = io.StringIO()
    for name, data in files.items():
        csv.writer(rows).writerow(
            [name, "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode(), len(data)]
        )
    record = "tokenspace-0.dist-info/RECORD"
    rows.write(f"{record},,\n")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*files.items(), (record, rows.getvalue().encode())]:
            archive.writestr(name, data)
    return path


def all_files(wheels) -> dict[str, bytes]:
    sources = [path for path in (ROOT / "src/tokenspace").rglob("*") if path.suffix in wheels.KEPT and "__pycache__" not in path.parts]
    files = {path.relative_to(ROOT / "src").as_posix(): path.read_bytes() for path in sources}
    vendored = "tokenspace/explorer/static/vendor/README.md"
    return files | {vendored: (ROOT / "src" / vendored).read_bytes(), "tokenspace-0.dist-info/licenses/LICENSE": b"a licence"}


def elf(wheels, *, machine: int = 0xB7, glibc: bytes = b"GLIBC_2.17", sources: str = "") -> bytes:
    """Return what is looked at of a Linux library for AArch64."""
    head = b"\x7fELF\x02\x01" + bytes(12) + struct.pack("<H", machine) + bytes(44)
    return head + b"\0ts_sources\0libc.so.6\0" + glibc + b"\0" + (sources or wheels.digest()).encode()


def test_a_library_of_this_machine_is_read(wheels) -> None:
    if not door.levels() or door.SUFFIX != ".so":
        pytest.skip("no ELF library here")
    found = wheels.parsed((door.FOLDER / f"libtokenspace-{door.levels()[0]}.so").read_bytes())
    assert found.system == "linux"
    assert found.machine in {0x3E, 0xB7}
    assert "libc.so.6" in found.needs
    with pytest.raises(ValueError, match="neither ELF, Mach-O nor PE"):
        wheels.parsed(b"a text\n")


def test_libraries_of_macos_and_windows_are_read(wheels) -> None:
    name = b"/usr/lib/libSystem.B.dylib\0".ljust(32, b"\0")
    commands = struct.pack("<IIIIII", 0x0C, 24 + 32, 24, 0, 0, 0) + name + struct.pack("<IIIIII", 0x32, 24, 1, 11 << 16, 0, 0)
    mach = struct.pack("<IIIIIIII", 0xFEEDFACF, 0x0100000C, 0, 6, 2, len(commands), 0, 0) + commands
    assert wheels.parsed(mach) == ("macos", 0x0100000C, ["/usr/lib/libSystem.B.dylib"], (11, 0))
    portable = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" + struct.pack("<H", 0x8664) + b"\0KERNEL32.dll\0own.dll\0"
    assert wheels.parsed(portable) == ("windows", 0x8664, ["kernel32.dll", "own.dll"], ())


def test_a_wheel_is_held_against_its_tag_its_record_and_the_sources(wheels, tmp_path: Path) -> None:
    tag = "py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64"
    path = tmp_path / f"tokenspace-0-{tag}.whl"
    library = "tokenspace/native/libtokenspace-aarch64.so"
    whole = all_files(wheels) | {library: elf(wheels)}
    assert list(wheels.faults(a_wheel(path, whole))) == []

    assert "is of another system" in " ".join(wheels.faults(a_wheel(path, whole | {library.replace(".so", ".dll"): b""})))
    lacking = {name: data for name, data in whole.items() if name not in {"tokenspace/table.py", library}}
    assert sorted(wheels.faults(a_wheel(path, lacking))) == [f"{library} is missing", "tokenspace/table.py is missing"]
    for wrong, fault in (
        (elf(wheels, machine=0x3E), "is for linux, machine 0x3e"),
        (elf(wheels, glibc=b"GLIBC_2.34"), "needs glibc 2.34"),
        (elf(wheels, sources="of yesterday"), "was made from other sources"),
    ):
        (found,) = wheels.faults(a_wheel(path, whole | {library: wrong}))
        assert fault in found
    with zipfile.ZipFile(a_wheel(path, whole), "a") as archive:
        archive.writestr("tokenspace/late.py", "")
    assert "tokenspace/late.py is in RECORD or in the wheel, not in both" in list(wheels.faults(path))
    assert "tag" in next(wheels.faults(a_wheel(tmp_path / "tokenspace-0-py3-none-linux_aarch64.whl", whole)))


def test_the_bill_lists_what_is_needed_and_what_is_vendored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "release")
    document = importlib.import_module("materials").document()
    named = {part["name"]: part for part in document["components"]}
    assert {"click", "ml-dtypes", "numpy", "rich", "safetensors", "threadpoolctl", "preact", "htm"} <= set(named)
    assert named["preact"]["licenses"] == [{"license": {"id": "MIT"}}]
    vendored = {path.name for path in (ROOT / "src/tokenspace/explorer/static/vendor").glob("*.js")}
    assert {name for part in named.values() for name in vendored if f"`{name}`" in part.get("description", "")} == vendored


def test_cyclonedx_takes_the_bill(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cyclonedx")
    monkeypatch.syspath_prepend(ROOT / "release")
    materials = importlib.import_module("materials")
    assert json.loads(materials.bill())["specVersion"] == "1.6"
    monkeypatch.setattr(materials, "document", lambda: {"bomFormat": "CycloneDX"})
    with pytest.raises(ValueError, match="refuses"):
        materials.bill()
