"""Compiles src/tokenspace/native/*.c, one shared library for each level of this processor's architecture.

Hatchling calls `NativeBuildHook` for wheels and editable installs; run as a program, this puts the libraries beside their
sources. The compiler is $CC, else cc, gcc or clang, else the `ziglang` wheel, asked for as a build requirement only then. Should
none of them work, the wheel is made without libraries and the NumPy twins serve. TOKENSPACE_BUILD = auto | cc | zig | none
decides otherwise. TOKENSPACE_TARGET, one of `TARGETS`, builds for another system than this one, with zig.

`--sanitize FOLDER` compiles one library there for `make asan`: whatever reads or writes outside an array, or does what C leaves
undefined, ends the process with a report.

Never -ffast-math: with GCC before 13 a library linked with it turns subnormal numbers off in the whole process that loads it.
Never fused multiply-adds: every level gives the same bits.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand

    class BuildHookInterface:  # type: ignore[no-redef]
        """Stands in for the class of hatchling, which only a build needs."""


SOURCES = Path(__file__).resolve().parent / "src" / "tokenspace" / "native"
SUFFIXES = {"windows": ".dll", "macos": ".dylib"}
SYSTEM = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
FLAGS = ["-O3", "-std=c11", "-fPIC", "-shared", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wno-psabi"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1"]
ZIG = "ziglang>=0.15,<0.18"  # before 1.0 any release may change things; 0.17.1 was tried

# Level -> what GCC and clang are told, what zig is told. The features are spelt out: GCC knows the levels' names only since 11.
Levels = dict[str, tuple[list[str], list[str]]]
V3 = ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mf16c", "-mlzcnt", "-mmovbe", "-mpopcnt", "-mprfchw"]
V4 = [*V3, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"]
X86: Levels = {
    "x86-64": ([], ["-mcpu=x86_64"]),
    "x86-64-v3": (V3, ["-mcpu=x86_64_v3+prfchw"]),
    "x86-64-v4": (V4, ["-mcpu=x86_64_v4+prfchw"]),
    "x86-64-v4-vnni": ([*V4, "-mavx512vnni"], ["-mcpu=x86_64_v4+prfchw+avx512vnni"]),
}
ARM: Levels = {"aarch64": ([], ["-mcpu=generic"])}
LEVELS = {"x86_64": X86, "amd64": X86, "aarch64": ARM, "arm64": ARM}
OTHER: Levels = {"generic": ([], ["-mcpu=baseline"])}


class Target(NamedTuple):
    """What is built for: the system, the levels of its processors, and for another system than this one zig's name and the wheel's."""

    system: str
    levels: Levels
    zig: str = ""
    tag: str = ""

    @property
    def suffix(self) -> str:
        """The ending of a shared library there."""
        return SUFFIXES.get(self.system, ".so")

    @property
    def libraries(self) -> list[str]:
        """What is linked in."""
        return [] if self.system == "windows" else ["-lm"]


HERE = Target(SYSTEM, LEVELS.get(platform.machine().lower(), OTHER))
TARGETS = {  # the oldest systems that NumPy's wheels still serve
    "linux-x86_64": Target("linux", X86, "x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64.manylinux2014_x86_64"),
    "linux-aarch64": Target("linux", ARM, "aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64.manylinux2014_aarch64"),
    "macos-x86_64": Target("macos", X86, "x86_64-macos.10.13", "macosx_10_13_x86_64"),
    "macos-arm64": Target("macos", ARM, "aarch64-macos.11.0", "macosx_11_0_arm64"),
    "windows-x86_64": Target("windows", X86, "x86_64-windows-gnu", "win_amd64"),
}


def digest() -> str:
    """Return what stands for the C files; the door of the kernels computes it again and refuses a library that is out of date."""
    text = b"\0".join(file.name.encode() + b"\0" + file.read_bytes() for file in sorted(SOURCES.glob("*.[ch]")))
    return hashlib.sha256(text).hexdigest()[:16]


def compiler() -> list[str]:
    """Return the command of the system's C compiler, the first that makes a library; empty if none does."""
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch, "try.c")
        program.write_text("#include <math.h>\n#include <stdint.h>\nint32_t one(double x) { return x > exp(x); }\n")
        for name in filter(None, [os.environ.get("CC"), "cc", "gcc", "clang"]):
            command = shlex.split(name)
            trial = [*command, *FLAGS, str(program), *HERE.libraries, "-o", str(Path(scratch, "try" + HERE.suffix))]
            if shutil.which(command[0]) and subprocess.run(trial, capture_output=True, check=False).returncode == 0:
                return command
    return []


def target() -> Target:
    """Return what is built for: this machine, unless TOKENSPACE_TARGET says otherwise."""
    name = os.environ.get("TOKENSPACE_TARGET")
    if name and name not in TARGETS:
        sys.exit(f"TOKENSPACE_TARGET is {name!r}; expected one of {', '.join(TARGETS)}")
    return TARGETS[name] if name else HERE


def wanted() -> str:
    """Return which compiler shall serve: ``cc``, ``zig`` or ``none``."""
    if target().zig:
        return "zig"
    choice = os.environ.get("TOKENSPACE_BUILD", "auto")
    if choice not in {"auto", "cc", "zig", "none"}:
        sys.exit(f"TOKENSPACE_BUILD is {choice!r}; expected auto, cc, zig or none")
    if choice != "auto":
        return choice
    if compiler():
        return "cc"
    return "zig" if platform.machine().lower() in LEVELS else "none"  # zig has wheels for these processors


def build(folder: Path, choice: str, *, levels: Levels | None = None) -> list[Path]:
    """Compile every level into `folder` with the compiler of that name; return the libraries made, and say what failed."""
    command = compiler() if choice == "cc" else []
    if choice == "zig" and importlib.util.find_spec("ziglang"):
        command = [sys.executable, "-m", "ziglang", "cc", "-s"]  # without symbols: 22 kB, not 926
    if not command:
        return []
    there = target()
    system = ["-target", there.zig] if there.zig else []
    sources = [*map(str, sorted(SOURCES.glob("*.c"))), f'-DTOKENSPACE_SOURCES="{digest()}"']

    def one(level: str, flags: tuple[list[str], list[str]]) -> Path | None:
        library = folder / f"libtokenspace-{level}{there.suffix}"
        fresh = Path(made, library.name)  # moved into place whole: a running process may have the old one mapped
        name = ["-Wl,-install_name,@rpath/" + library.name] if there.system == "macos" else []  # else the path that it was made at
        call = [*command, *system, *FLAGS, *flags[choice == "zig"], *name, *sources, *there.libraries, "-o", str(fresh)]
        done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            print(f"tokenspace: level {level} was not compiled\n{shlex.join(call)}\n{done.stderr}", file=sys.stderr)
            return None
        fresh.replace(library)
        return library

    levels = levels or there.levels
    with (
        tempfile.TemporaryDirectory() as cache,
        tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as made,
        ThreadPoolExecutor() as pool,
    ):
        environment = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, **os.environ}
        return [library for library in pool.map(one, levels, levels.values()) if library]


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the libraries into a wheel, or beside the sources for an editable install."""

    def dependencies(self) -> list[str]:
        """Ask for zig where there is no compiler."""
        return [ZIG] if wanted() == "zig" else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and name the platform that the wheel then is for."""
        self.scratch = contextlib.ExitStack()
        folder = SOURCES if version == "editable" else Path(self.scratch.enter_context(tempfile.TemporaryDirectory()))
        libraries = build(folder, wanted())
        if not libraries:
            self.app.display_warning("tokenspace: no kernel was compiled (no C compiler, no zig); its NumPy twins will serve")
            return
        here = sysconfig.get_platform().replace("universal2", platform.machine()).replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{target().tag or here}"
        if version != "editable":
            build_data["force_include"] |= {str(library): f"tokenspace/native/{library.name}" for library in libraries}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Drop the libraries that the wheel has taken."""
        self.scratch.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sanitize"]:
        lowest, (flags, _) = next(iter(LEVELS.get(platform.machine().lower(), OTHER).items()))
        names = [library.name for library in build(Path(sys.argv[2]), "cc", levels={lowest: ([*flags, *SANITIZE], [])})]
        sys.exit(None if names else "nothing compiled: the sanitizers need GCC or clang with their run-time libraries")
    names = [library.name for library in build(SOURCES, wanted())]
    print("compiled", ", ".join(names) if names else "nothing: no C compiler, no ziglang package", file=sys.stderr)
