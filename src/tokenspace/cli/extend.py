"""``tokenspace extend MODEL``: new tokens for a model folder or a table; nothing but their rows is new."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tokenspace.cli import completion, output
from tokenspace.errors import ArgumentError, TokenError

EXAMPLES = """\b
tokenspace extend all-MiniLM-L6-v2/ --tokens words.txt --out bigger/
tokenspace extend llama/ --token "<tool>" --special --pad-to 64 --out bigger/
tokenspace extend bert/ --tokens words.txt --init neighbours --donor glove-6b-50d --out bigger/
tokenspace extend vectors.txt --token "new york" --out more.txt
"""
INITIALISERS = ("subtoken-mean", "mean", "sample", "copy", "description", "neighbours", "omp", "zeros")
"""The names of `tokenspace.extension.INITIALISERS`, written out because that module brings NumPy, which --help does not need."""

SECOND = {"copy": "copy_of", "description": "description"}
"""Initialisers that need a text a token, the second column of --tokens, and what `extend` calls it."""

embedding_option = click.option(
    "--embedding",
    multiple=True,
    metavar="NAME",
    help="The input embedding's tensor, then its heads', where names do not tell.  [repeatable]",
)
link_option = click.option("--link", is_flag=True, help="Give files that stay as they are a second name instead of a copy.")
out_option = click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The new folder or file.")
force_option = click.option("--force", is_flag=True, help="Replace the output if it is there.")


@click.command("extend", epilog=EXAMPLES)
@click.argument("model", metavar="MODEL", shell_complete=completion.tables)
@click.option("--tokens", "file", metavar="FILE", help='The tokens, one a line; "-" reads standard input.')
@click.option("--token", "single", multiple=True, metavar="TOKEN", help="One token.  [repeatable]")
@click.option("--init", type=click.Choice(INITIALISERS), default="subtoken-mean", show_default=True, help="How the rows start.")
@click.option("--donor", metavar="T", help="For neighbours and omp: a table, or a model folder, that has the tokens.")
@click.option("--pad-to", type=click.IntRange(min=1), default=1, metavar="N", help="Round the number of rows up to a multiple of N.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="For sample.")
@click.option("--special", is_flag=True, help="The tokens are control marks: decoding may leave them out, case counts.")
@click.option("--single-word", is_flag=True, help="Find a token only where it stands alone, not inside a longer word.")
@click.option("--lstrip", is_flag=True, help="Let a token take the blanks before it in.")
@embedding_option
@link_option
@out_option
@force_option
@output.json_option
def command(model: str, out: Path, *, file: str | None, single: tuple[str, ...], link: bool, as_json: bool, **options: Any) -> None:
    """Give a model folder or a table new tokens.

    Every old byte stays what it is: the weights are copied, not loaded, and the result is written beside and renamed into place. With
    --init copy or description a line of --tokens is the token, a tab, and the old token or the text it starts from.
    """
    lines = _lines(file) if file else []
    texts = {}
    if options["init"] in SECOND:
        for number, line in enumerate(lines, 1):
            token, tab, text = line.partition("\t")
            if not tab or not text:
                message = f"expected a token, a tab and a text with --init {options['init']}; seen {line!r:.60} in line {number:,}"
                raise TokenError(message)
            texts[token] = text
        lines = [line.partition("\t")[0] for line in lines]
    if not lines and not single:
        message = "there is no token to add"
        raise ArgumentError(message, hint="name some: --token TOKEN, or --tokens FILE with one a line")
    from tokenspace import checkpoint  # noqa: PLC0415 - brings NumPy, which --help does not need
    from tokenspace.cli.progress import Progress  # noqa: PLC0415

    flags = {name: options.pop(name) for name in ("special", "single_word", "lstrip")}
    tokens = [checkpoint.NewToken(token, normalized=not flags["special"], **flags) for token in (*lines, *single)]
    start: dict[str, Any] = {SECOND[options["init"]]: texts} if texts else {}
    donor, seed = options.pop("donor"), options.pop("seed")
    start |= {"donor": donor} if donor else {}
    start |= {"seed": seed} if seed else {}
    with Progress() as progress, checkpoint.watching(progress):
        done = checkpoint.extend(model, tokens, out=out, untouched="link" if link else "copy", **options, **start)
    report(done, as_json=as_json)


def report(done: Any, *, as_json: bool) -> None:
    """Print what was done."""
    if as_json:
        output.write_json(done.document())
    else:
        click.echo(output.printable(str(done)))


def _lines(name: str) -> list[str]:
    """Read the tokens of a file, one a line; the line end of the last is no token."""
    raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{name}: expected UTF-8, seen {raw[error.start : error.start + 8]!r} at byte {error.start:,}"
        raise TokenError(message) from None
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
