"""``tokenspace train-new DIR``: train the new rows of an extended model on plain text, without labels."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Self

import click

from tokenspace.cli import completion, output
from tokenspace.cli.extend import force_option, out_option, report

OBJECTIVES = ("distil", "mlm", "clm")
"""The names of `tokenspace.train.new_rows.OBJECTIVES`, written out because that module brings PyTorch, which --help does not need."""

STOPPED = 130
EXAMPLES = """\b
tokenspace extend all-MiniLM-L6-v2/ --tokens words.txt --out bigger/
tokenspace train-new bigger/ --text corpus.txt --out trained/
tokenspace diff all-MiniLM-L6-v2/ trained/
"""


@click.command("train-new", epilog=EXAMPLES)
@click.argument("model", metavar="DIR", shell_complete=completion.tables)
@click.option(
    "--text", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Plain text, one sentence or paragraph a line."
)
@click.option("--objective", type=click.Choice(OBJECTIVES), default="distil", show_default=True, help="What the rows are trained for.")
@click.option("--token", "tokens", multiple=True, metavar="TOKEN", help="Whose row trains.  [repeatable; default: the last added ones]")
@click.option("--steps", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Optimiser steps.")
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, metavar="N", help="Texts a step.")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), default=0.01, show_default=True, metavar="X", help="Learning rate.")
@click.option("--length", type=click.IntRange(min=1), default=128, show_default=True, metavar="N", help="Longest text, in old tokens.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Order of the texts.")
@click.option("--resume", is_flag=True, help="Go on where a training into the same --out was stopped.")
@out_option
@force_option
@output.json_option
def command(model: str, text: Path, *, tokens: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Train the new rows of an extended model on plain text.

    Nothing else of it changes. With --objective distil the model without its new tokens is the teacher: an encoder's sentence vectors, or
    a language model's distributions, are to be what they were. mlm and clm predict the text's own tokens. Ctrl-C ends the training
    early: what is trained so far is written, and --resume goes on.
    """
    text.open("rb").close()  # before the seconds that PyTorch takes to load
    from tokenspace.train.new_rows import train_new_rows  # noqa: PLC0415 - brings PyTorch, which --help does not need

    with Steps() as watch:
        done = train_new_rows(model, text, tokens=tokens or None, watch=watch, **options)
    report(done, as_json=as_json)
    if done.steps < done.wanted:
        output.note(f"{done.out} can be used as it is; --resume goes on from step {done.steps}")
        return STOPPED
    return 0


class Steps:
    """Says which step it is, the loss, the rate and the time left: on a terminal in one line, in a log every ten seconds."""

    def __init__(self) -> None:
        self.begin = self.last = time.monotonic()
        self.first = 0
        self.terminal = sys.stderr.isatty()

    def __call__(self, done: int, steps: int, loss: float) -> None:
        """Say it, if it is time to."""
        now = time.monotonic()
        if not self.first:
            self.first, self.begin = done, now
        if done != steps and now - self.last < (0.2 if self.terminal else 10.0):
            return
        self.last = now
        rate = (done - self.first) / (now - self.begin) if now > self.begin and done > self.first else 0.0
        left = f", {rate:.2f} steps/s, {(steps - done) / rate:,.0f} s left" if rate else ""
        line = f"step {done} of {steps}, loss {loss:.4f}{left}"
        click.echo(f"\r\x1b[K{line}" if self.terminal else line, err=True, nl=not self.terminal)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line."""
        if self.terminal and self.first:
            click.echo("\r\x1b[K", err=True, nl=False)
