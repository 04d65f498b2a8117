"""A guide's commands, run one after the other in one shell at a terminal, and what each of them printed.

Commands are the lines behind ``$`` in blocks marked ``console``, with what they print below them, and every line of blocks marked
``sh``. A line that begins with ``>`` where output is shown is what the reader typed.
"""

from __future__ import annotations

import doctest
import os
import pty
import re
import subprocess
import sys
import termios
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = re.compile(r"^```(console|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LASTING = "tokenspace explore"
"""What runs until it is stopped: with Ctrl-C, here once it has told its address."""
BEFORE = """
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
stopped() {
    set -m  # else what runs in the background is deaf to Ctrl-C
    "$@" >.told 2>&1 &
    until grep -q http:// .told; do kill -0 $! 2>/dev/null || { cat .told; return 1; }; sleep 0.1; done
    for _ in 1 2 3 4 5 6; do  # Ctrl-C in the instant in which the server takes signals over can be lost: again, as people do
        kill -INT $! 2>/dev/null || break
        for _ in $(seq 100); do kill -0 $! 2>/dev/null || break 2; sleep 0.1; done
    done
    kill -KILL $! 2>/dev/null
    wait $!
    set -- $?
    set +m
    [ $1 = 130 ] || { cat .told; false; }
}
"""
WIDTH = 130
"""Columns of the terminal: those of the widest line that the guides show."""

ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass
class Command:
    """A command of a guide, and what the guide says that it prints."""

    text: str
    shown: list[str] = field(default_factory=list)

    @property
    def typed(self) -> list[str]:
        """What the reader answers it."""
        return [line[2:] for line in self.shown if line.startswith("> ")]


@dataclass
class Outcome:
    """What a command did."""

    code: int
    printed: str
    noted: str


def commands(page: str) -> list[Command]:
    """Return the commands of a guide, in order."""
    found: list[Command] = []
    for kind, body in BLOCK.findall(page):
        for line in body.replace("\\\n", " ").splitlines():
            if kind == "sh" or line.startswith("$ "):
                found += [Command(line.removeprefix("$ "))] if line.strip() and not line.startswith("#") else []
            else:
                found[-1].shown.append(line)
    return found


def run(wanted: list[Command], folder: Path, environment: dict[str, str]) -> list[Outcome]:
    """Run commands in one shell in a folder. Standard output is a terminal; standard error is kept apart."""
    kept = folder / ".outcomes"
    kept.mkdir()
    lines = [f"{{ {_call(command.text)}\n}} 2>{kept}/{place}.err; printf '\\001%d\\001' $?" for place, command in enumerate(wanted)]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, WIDTH))
    settings = termios.tcgetattr(theirs)
    settings[1] &= ~termios.OPOST  # line ends as they are
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    os.write(ours, "".join(f"{line}\n" for command in wanted for line in command.typed).encode())
    script = BEFORE + "\n".join(lines)
    process = subprocess.Popen(
        ["/bin/bash", "-c", script],
        cwd=folder,
        env={**environment, "TERM": "dumb", "NO_COLOR": "1"},
        stdin=theirs,
        stdout=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    out = _all_of(ours)
    process.wait()
    parts = out.split("\1")
    return [
        Outcome(int(code), printed, (kept / f"{place}.err").read_text(encoding="utf-8"))
        for place, (printed, code) in enumerate(zip(parts[::2], parts[1::2], strict=False))
    ]


def agree(command: Command, outcome: Outcome) -> bool:
    """Whether a command printed what the guide shows, where it shows something; ``...`` stands for anything."""
    shown = "\n".join(line for line in command.shown if not line.startswith("> ")).strip()
    noted = outcome.noted.replace("> ", "") if command.typed else outcome.noted  # what asks for an answer
    seen = [outcome.printed + noted, noted + outcome.printed, outcome.printed]
    return not shown or any(doctest.OutputChecker().check_output(f"{shown}\n", f"{text.strip()}\n", ALIKE) for text in seen)


def programs(folder: Path) -> Path:
    """Return a folder with the programs ``tokenspace`` and ``python``: these sources, this interpreter."""
    folder.mkdir()
    for name, call in {"tokenspace": f'"{sys.executable}" -m tokenspace', "python": f'"{sys.executable}"'}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {call} "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def _call(line: str) -> str:
    """Return what is given to the shell: a command without the remark behind it."""
    line = re.sub(r"\s{2,}# .*$", "", line)
    return f"stopped {line}" if line.startswith(LASTING) and not line.endswith("&") else line


def _all_of(end: int) -> str:
    """Return all that is written to a terminal until nobody holds it any more."""
    found = bytearray()
    while True:
        try:
            piece = os.read(end, 1 << 16)
        except OSError:  # how a terminal without a writer ends on Linux
            break
        if not piece:
            break
        found += piece
    os.close(end)
    return found.decode("utf-8", errors="replace")
