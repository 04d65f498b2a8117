"""Builds a release into dist/: the source distribution, a wheel for each system, a bill of materials, the SHA-256 of each.

python release/build.py [FOLDER] [--twice] [--only SYSTEM]; `make wheels` makes the environment and calls it. Everything is
built from the commit that is checked out, with the time of that commit, so that the same commit gives the same bytes;
`--twice` builds all of it a second time and compares. Each wheel is looked into before it counts as built.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "release")]

import materials  # noqa: E402 - the path to it is made above
import wheels  # noqa: E402

from build_native import TARGETS  # noqa: E402


def build(folder: Path, source: Path, systems: list[str], cache: Path) -> list[Path]:
    """Build the source distribution and the wheels of some systems into an empty folder; return them."""
    folder.mkdir(parents=True)
    when = _said_by("git", "-C", str(ROOT), "log", "-1", "--format=%ct")
    zig = {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}  # a C library is compiled once for each system
    environment = {**zig, **os.environ, "SOURCE_DATE_EPOCH": when}
    for kind, more in [("sdist", {}), *(("wheel", {"TOKENSPACE_TARGET": system}) for system in systems)]:
        command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
        subprocess.run(command, cwd=source, env={**environment, **more}, check=True)
    return sorted(folder.iterdir())


def digests(files: list[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file, by name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _said_by(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Build, look into what was built, and write down what it is made of."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    parser.add_argument("--twice", action="store_true", help="build a second time and compare the bytes")
    parser.add_argument("--only", action="append", choices=TARGETS, help="this system's wheel alone (repeatable)")
    asked = parser.parse_args()
    systems = asked.only or list(TARGETS)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "source")
        subprocess.run(["git", "clone", "-q", "--no-local", str(ROOT), str(source)], check=True)  # nothing that is not committed
        cache = Path(scratch, "zig")
        built = build(Path(scratch, "dist"), source, systems, cache)
        faults = [f"{file.name}: {fault}" for file in built if file.suffix == ".whl" for fault in wheels.faults(file)]
        if asked.twice:
            again = digests(build(Path(scratch, "again"), source, systems, cache))
            faults += [f"{name}: built twice, the bytes differ" for name, digest in digests(built).items() if again[name] != digest]
        if faults:
            sys.exit("\n".join(faults))
        asked.folder.mkdir(parents=True, exist_ok=True)
        for file in built:
            shutil.copyfile(file, asked.folder / file.name)
    bill = asked.folder / "tokenspace.cdx.json"
    bill.write_text(materials.bill(), encoding="utf-8")
    sums = digests([asked.folder / file.name for file in built] + [bill])
    (asked.folder / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()), encoding="utf-8")
    for name, digest in sums.items():
        print(f"{digest[:16]}  {name}")
    print("built twice, the same bytes" if asked.twice else "built once; --twice compares a second build")


if __name__ == "__main__":
    main()
