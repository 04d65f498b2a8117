"""The command line as a program of its own: pipes, terminals, signals, start-up."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "tokenspace"]
SOURCES = str(Path(__file__).resolve().parents[2] / "src")
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCES, "PYTHONWARNINGS": "default"}
WORDS = {"king": (3, 1, 0), "queen": (3, 2, 1), "man": (1, 0, 0), "woman": (1, 1, 1), "apple": (-1, 2, -3)}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a table as GloVe's text."""
    path = tmp_path_factory.mktemp("tables") / "vectors.txt"
    path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in WORDS.items()), encoding="utf-8")
    return str(path)


def start(*arguments: str, **more: object) -> subprocess.Popen[str]:
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT} | more
    return subprocess.Popen([*PROGRAM, *arguments], text=True, **streams)  # type: ignore[call-overload, no-any-return]


def finished(*arguments: str, given: str | None = None, **environment: str) -> tuple[int, str, str]:
    process = start(*arguments, env={**ENVIRONMENT, **environment})
    out, err = process.communicate(given, timeout=60)
    return process.returncode, out, err


def test_data_goes_to_standard_output_and_the_rest_elsewhere(vectors: str) -> None:
    code, out, err = finished("near", "king", "-t", vectors, "-k", "1")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split("\t")[:4] == ["king", "euclidean", "1", "queen"]


def test_an_error_leaves_standard_output_empty(vectors: str) -> None:
    code, out, err = finished("near", "quen", "-t", vectors)
    assert (code, out) == (1, "")
    assert err.startswith("error: token 'quen' is not in the vocabulary")
    assert "hint: did you mean 'queen'" in err


def test_a_file_that_is_no_table_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(range(256)) * 9)
    code, out, err = finished("info", str(path))
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert "noise.bin" in err
    assert "Traceback" not in err


@pytest.mark.skipif(os.name != "posix", reason="pipes are closed in POSIX's way")
def test_a_reader_that_leaves_is_no_error(vectors: str) -> None:
    process = start("near", "-", "-t", vectors)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    try:
        for _ in range(5000):
            process.stdin.write("king\n")
        process.stdin.close()
    except BrokenPipeError:
        pass
    assert process.wait(60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_is_no_traceback(vectors: str, sent: signal.Signals) -> None:
    process = start("near", "-", "-t", vectors)
    assert process.stdin is not None
    process.stdin.write("king\n" * 64)  # as many as are searched together: their answers show that it runs
    process.stdin.flush()
    time.sleep(1.5)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.strip().endswith("error: stopped")


def test_tokens_of_any_bytes_pass_through(tmp_path: Path) -> None:
    path = tmp_path / "bytes.txt"
    path.write_bytes("naïve 1 2\nna 1 3\n".encode())
    for encoding, shown in (("utf-8", "naïve"), ("ascii", "na\\xefve")):
        code, out, err = finished("near", "na", "-t", str(path), "-m", "cosine", PYTHONIOENCODING=encoding)
        assert (code, err) == (0, "")
        assert out.splitlines()[1].split("\t")[3] == shown
        code, out, err = finished("near", "na", "-t", str(path), "--json", PYTHONIOENCODING=encoding)
        assert (code, err) == (0, "")
        assert [row["token"] for row in json.loads(out)["neighbours"]["cosine"]] == ["naïve"]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("width", "side_by_side"), [("140", True), ("50", False)])
def test_a_terminal_gets_tables(vectors: str, width: str, *, side_by_side: bool) -> None:
    screen = on_a_terminal("near", "king", "-t", vectors, COLUMNS=width)
    assert "nearest to king" in screen
    titles = [line for line in screen.splitlines() if "(9)" in line]
    assert ("(11)" in titles[0]) == side_by_side
    assert "in all three lists" in screen


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_no_color_is_respected(vectors: str) -> None:
    assert "\x1b[" in on_a_terminal("near", "king", "-t", vectors)
    for arguments in (("near", "king", "-t", vectors), ("info", vectors), ("measure", "[1,2]", "[2,1]")):
        plain = on_a_terminal(*arguments, NO_COLOR="1")
        assert not any(f"\x1b[{colour}" in plain for colour in ("3", "4", "9"))


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """Run with a pseudo-terminal as standard output, and return what it showed."""
    ours, theirs = os.openpty()
    settings = {"TERM": "xterm", "COLUMNS": "140", **environment}
    inherited = {name: value for name, value in ENVIRONMENT.items() if name != "NO_COLOR"}
    process = start(*arguments, stdout=theirs, env={**inherited, **settings})
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return shown.decode()


def test_help_loads_neither_numpy_nor_rich() -> None:
    for arguments in (["--help"], ["near", "--help"], ["measure", "--help"], ["tour", "--help"], ["convert", "--help"]):
        code = (
            f"import sys\nsys.argv = ['tokenspace', *{arguments}]\nfrom tokenspace.cli import main\n"
            "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
            "print([name for name in ('numpy', 'rich', 'fractions') if name in sys.modules])"
        )
        out = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
        assert out.splitlines()[-1] == "[]", arguments


def test_completion_is_clicks_own() -> None:
    code, out, _ = finished(_TOKENSPACE_COMPLETE="bash_source")
    assert code == 0, out
    assert "_tokenspace_completion" in out
    _, out, _ = finished(_TOKENSPACE_COMPLETE="bash_complete", COMP_WORDS="tokenspace ne", COMP_CWORD="1")
    assert out.strip() == "plain,near"


def test_near_answers_each_line_as_it_is_typed(vectors: str) -> None:
    """A pipe that stays open: what somebody types is answered before the next line comes, also a line that comes in two pieces."""
    process = start("near", "-", "-t", vectors, "-m", "euclidean", "-k", "1")
    assert process.stdin is not None
    assert process.stdout is not None
    patience = threading.Timer(60, process.kill)
    patience.start()
    answers = []
    for typed, lines in (("king\n", 2), ("man", 0), ("\r\nqueen\n", 2)):  # with the line of names, once
        process.stdin.write(typed)
        process.stdin.flush()
        answers += [process.stdout.readline().split("\t")[0] for _ in range(lines)]
    assert answers == ["query", "king", "man", "queen"]
    rest, _ = process.communicate("apple")
    patience.cancel()
    assert rest.startswith("apple\teuclidean\t1\t")


def test_near_answers_what_stands_before_a_bad_line(vectors: str) -> None:
    code, out, err = finished("near", "-", "-t", vectors, "-m", "cosine", "-k", "1", given="king\nqueen\nquen\nman\n")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["query", "king", "queen"]
    assert (code, err.splitlines()[0]) == (1, "error: token 'quen' is not in the vocabulary of 5 tokens")
