"""Writes the pages that are made of something else: the front page of the README, the commands' page of their own --help.

python docs/generate.py; `make docs` does it before it builds the site. What it writes is not kept in the repository.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from tokenspace.cli import COMMANDS, main

DOCS = Path(__file__).parent
ROOT = DOCS.parent


def front_page() -> str:
    """Return the README with its links as they are seen from the site."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\[([^\]]+)\]\((CONTRIBUTING|CHANGELOG|LICENSE)[^)]*\)", r"\1", text)  # not part of the site


def commands_page() -> str:
    """Return the help of every command."""
    parts = ["# Command line", "", "As `tokenspace COMMAND --help` prints it.", ""]
    root = click.Context(main, info_name="tokenspace", terminal_width=100)
    for name in COMMANDS:
        command = main.get_command(root, name)
        parts += _help(command, click.Context(command, info_name=name, parent=root, terminal_width=100), level=2)
    return "\n".join(parts)


def _help(command: click.Command, context: click.Context, *, level: int) -> list[str]:
    """Return the help of a command and, below it, of its own commands."""
    lines = [f"{'#' * level} {context.command_path}", "", "```text", command.get_help(context), "```", ""]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                lines += _help(inner, click.Context(inner, info_name=name, parent=context, terminal_width=100), level=level + 1)
    return lines


if __name__ == "__main__":
    (DOCS / "index.md").write_text(front_page(), encoding="utf-8")
    (DOCS / "reference/commands.md").write_text(commands_page(), encoding="utf-8")
