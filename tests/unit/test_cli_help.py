"""Every command's help: our words for what an option takes, and an example where there is more than one way to call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from tokenspace.cli import COMMANDS, main

if TYPE_CHECKING:
    from collections.abc import Iterator

SAME = {"--threads": "N", "--seed": "N", "--force": None, "--json": None, "-k": "K", "--table": "T", "--out": None, "--text": "FILE"}
"""Options that several commands have, and what they take: None, nothing or what fits the command."""


def every_command() -> Iterator[tuple[str, click.Command]]:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        yield name, command
        if isinstance(command, click.Group):
            for inner in command.list_commands(click.Context(command)):
                yield f"{name} {inner}", command.get_command(click.Context(command), inner)


@pytest.mark.parametrize("path", [name for name, _ in every_command()])
def test_options_take_what_they_take_everywhere(path: str) -> None:
    command = dict(every_command())[path]
    for option in command.params:
        for name in option.opts:
            if SAME.get(name):
                assert option.metavar == SAME[name], f"{path} {name}"
    shown = CliRunner().invoke(main, [*path.split(), "--help"]).stdout
    assert not [word for word in ("INTEGER", "TEXT", "FLOAT", "PATH") if f" {word}" in shown.replace("TOKENSPACE", "")]


def test_a_command_that_is_spelt_wrongly_is_told_the_right_one() -> None:
    result = CliRunner().invoke(main, ["neer", "king"])
    assert result.exit_code == 2
    assert "no such command: neer" in result.stderr
    assert "did you mean near?" in result.stderr
    assert CliRunner().invoke(main, ["xyz"]).exit_code == 2
