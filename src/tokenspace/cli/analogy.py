"""``tokenspace analogy A B C``: A is to B as C is to what."""

from __future__ import annotations

from typing import Any

import click

from tokenspace.cli import arguments, completion, output
from tokenspace.cli.near import answer

EXAMPLES = """\b
tokenspace analogy man king woman
tokenspace analogy france paris japan -m cosine -k 1
"""


@click.command("analogy", epilog=EXAMPLES)
@click.argument("a", metavar="A", shell_complete=completion.tokens)
@click.argument("b", metavar="B", shell_complete=completion.tokens)
@click.argument("c", metavar="C", shell_complete=completion.tokens)
@arguments.search_options
@arguments.engine_options
@arguments.table_option
@output.json_option
def command(a: str, b: str, c: str, **options: Any) -> None:
    """Answer A : B :: C : ? with the tokens nearest to B - A + C.

    The three tokens themselves are left out of the answers.
    """
    answer([[f"{b} - {a} + {c}"]], **options)
