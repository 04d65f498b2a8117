"""The build: what is compiled, what a wheel and a source distribution carry, and what happens where there is no compiler."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tokenspace.native import door

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="build_native", scope="module")
def fixture_build_native() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_native", ROOT / "build_native.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def distribution(kind: str, folder: Path, choice: str) -> Path:
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    environment = {**os.environ, "TOKENSPACE_BUILD": choice}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = folder.iterdir()
    return made


def test_build_and_door_compute_the_same_digest_of_the_sources(build_native: ModuleType) -> None:
    assert build_native.digest() == door.digest(build_native.SOURCES)


def test_build_knows_the_levels_that_the_door_knows(build_native: ModuleType) -> None:
    assert {*build_native.X86, *build_native.ARM, *build_native.OTHER} == set(door.LEVELS)
    assert build_native.HERE.suffix == door.SUFFIX


@pytest.mark.parametrize("name", ["linux-x86_64", "linux-aarch64", "macos-x86_64", "macos-arm64", "windows-x86_64"])
def test_each_system_has_a_wheel_of_its_own(build_native: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from packaging.utils import parse_wheel_filename

    monkeypatch.setenv("TOKENSPACE_TARGET", name)
    there = build_native.target()
    assert build_native.wanted() == "zig"
    assert set(there.levels) <= set(door.LEVELS)
    *_, tags = parse_wheel_filename(f"tokenspace-0-py3-none-{there.tag}.whl")
    assert {tag.interpreter for tag in tags} == {"py3"}
    assert there.suffix == {"linux": ".so", "macos": ".dylib", "windows": ".dll"}[there.system]
    assert name.startswith(there.system)


def test_an_unknown_system_is_refused(build_native: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENSPACE_TARGET", "amiga")
    with pytest.raises(SystemExit, match="'amiga'; expected one of linux-x86_64"):
        build_native.target()


def test_each_level_compiles_without_a_warning_and_says_what_it_was_made_from(
    build_native: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not build_native.compiler():
        pytest.skip("no C compiler")
    monkeypatch.setattr(build_native, "FLAGS", [*build_native.FLAGS, "-Wextra", "-Werror"])
    libraries = build_native.build(tmp_path, "cc")
    assert sorted(tmp_path.iterdir()) == sorted(libraries)
    assert len(libraries) == len(build_native.HERE.levels)
    for library in map(ctypes.CDLL, map(str, libraries)):
        library.ts_sources.restype = ctypes.c_char_p
        assert library.ts_sources().decode() == build_native.digest()
        assert library.ts_cpu_level() in {1, 3, 4, 5}


def test_no_flag_gives_up_exact_arithmetic(build_native: ModuleType) -> None:
    flags = {flag for levels in build_native.LEVELS.values() for pair in levels.values() for part in pair for flag in part}
    assert "-ffp-contract=off" in build_native.FLAGS
    assert not {"-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-march=native"} & {*flags, *build_native.FLAGS}


def test_sources_that_do_not_compile_leave_no_library_and_a_message(
    build_native: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not build_native.compiler():
        pytest.skip("no C compiler")
    (tmp_path / "wrong.c").write_text("this is not C\n")
    monkeypatch.setattr(build_native, "SOURCES", tmp_path)
    assert build_native.build(tmp_path, "cc") == []
    assert "was not compiled" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["wrong.c"]


@pytest.mark.parametrize(("machine", "choice"), [("x86_64", "zig"), ("arm64", "zig"), ("s390x", "none")])
def test_without_a_compiler_zig_is_asked_for_where_it_has_wheels(
    build_native: ModuleType, monkeypatch: pytest.MonkeyPatch, machine: str, choice: str
) -> None:
    monkeypatch.delenv("TOKENSPACE_BUILD", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(build_native.platform, "machine", lambda: machine)
    assert build_native.wanted() == choice
    hook = build_native.NativeBuildHook.__new__(build_native.NativeBuildHook)
    assert hook.dependencies() == ([build_native.ZIG] if choice == "zig" else [])


def test_a_compiler_that_fails_is_passed_over(build_native: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "false")
    assert build_native.compiler() != ["false"]


def test_an_unknown_choice_of_compiler_is_refused(build_native: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENSPACE_BUILD", "rust")
    with pytest.raises(SystemExit, match="'rust'; expected auto, cc, zig or none"):
        build_native.wanted()


def test_a_wheel_without_libraries_is_for_every_platform(tmp_path: Path) -> None:
    wheel = distribution("wheel", tmp_path, "none")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in names if "libtokenspace" in name]
    assert {"tokenspace/py.typed", "tokenspace/native/levels.c", "tokenspace/native/reference.py"} <= set(names)


def test_a_wheel_with_libraries_is_for_every_python_of_one_platform(build_native: ModuleType, tmp_path: Path) -> None:
    if not build_native.compiler():
        pytest.skip("no C compiler")
    wheel = distribution("wheel", tmp_path, "cc")
    names = zipfile.ZipFile(wheel).namelist()
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    assert [name for name in names if name.startswith("tokenspace/native/libtokenspace-")]
    assert len(names) == len(set(names))


def test_a_source_distribution_carries_what_the_build_needs_and_nothing_built(tmp_path: Path) -> None:
    archive: Any
    with tarfile.open(distribution("sdist", tmp_path, "none")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {f"src/tokenspace/native/{file.name}" for file in door.FOLDER.glob("*.c")}
    assert sources | {"build_native.py", "pyproject.toml", "LICENSE", "README.md"} <= names
    assert not [name for name in names if "libtokenspace" in name]
