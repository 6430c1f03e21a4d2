"""The `kansym` command: a group that loads its subcommands late, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from kansym.errors import KansymError, did_you_mean, printable, quote

# Small problems are faster on one thread, and results do not depend on how many cores a machine has.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TRACEBACK_FLAG = "--traceback"
TRACEBACK_VARIABLE = "KANSYM_TRACEBACK"
INTERRUPTED = 130

# Subcommand -> one line of help. The module is kansym_cli.commands.<name>, its command is called `command`.
COMMANDS = {
    "fit": "Find the law in a table of numbers.",
    "solve": "Solve a differential equation, and find its solution's formula.",
    "discover": "Find differential equations in trajectories or fields.",
    "show": "Print what a run found.",
    "watch": "Follow a fit that runs in another terminal.",
    "compare": "Print what several runs found, beside each other.",
    "predict": "Apply a run's formula to a table.",
    "export": "Write a run's formula as LaTeX, Python, ...",
    "plot": "Draw the network, the front, the fit, ...",
    "report": "Write everything about a run on one page: HTML, PDF or Markdown.",
    "datasets": "List, describe and write the data sets that come with kansym.",
    "config": "Show the settings that a fit would use.",
    "experiment": "Run experiments of physics, held against published figures.",
    "bench": "Measure speed, memory and accuracy beside other programs.",
    "doctor": "Show versions, devices, threads and extras.",
}

EPILOG = """\b
Exit codes:
  0    it worked
  1    kansym failed
  2    wrong usage or bad input
  3    the time was up: the best formula so far was saved and printed
  130  interrupted (Ctrl-C): the best formula so far was saved and printed

Results go to stdout, progress and notes to stderr. --traceback shows where an error came from."""


class LazyGroup(click.Group):
    """A group whose help needs no subcommand to be loaded."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return import_module(f"kansym_cli.commands.{cmd_name}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {quote(args[0])}: {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import kansym

        click.echo(f"kansym {kansym.__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
@click.option(TRACEBACK_FLAG, is_flag=True, expose_value=False, help="Show the Python traceback of an error.")
def group() -> None:
    """Data in, law out: find closed-form laws in tables of numbers with Kolmogorov-Arnold networks.

    \b
    kansym fit data.csv          the last column is explained by the others
    kansym show runs/data-1      print it again
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    arguments: what stands behind `kansym`; None takes the process's own.
    Returns the exit code; every error is one line on stderr.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _prepare()
    try:
        code = group.main([part for part in given if part != TRACEBACK_FLAG], "kansym", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _say("interrupted", INTERRUPTED)
    except KansymError as error:
        _trace(given)
        return _say(f"error: {error}", error.exit_code)
    except BrokenPipeError:
        return _close_stdout()
    except OSError as error:
        _trace(given)
        where = f" ('{error.filename}')" if error.filename else ""
        return _say(f"error: {error.strerror or error}{where}", 1)
    except Exception as error:
        _trace(given)
        hint = f"run again with {TRACEBACK_FLAG} (or {TRACEBACK_VARIABLE}=1) to see where, and please report it"
        return _say(f"error: unexpected {type(error).__name__}: {error or 'no message'}; {hint}", 1)


def _prepare() -> None:
    """Set what must be set before numpy and torch are loaded, and let no odd character stop the output."""
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


def _say(text: str, code: int) -> int:
    click.echo(f"kansym: {printable(text)}", err=True)
    return code


def _trace(given: Sequence[str]) -> None:
    if TRACEBACK_FLAG in given or os.environ.get(TRACEBACK_VARIABLE, "0") not in ("", "0"):
        traceback.print_exc()


def _close_stdout() -> int:
    """The reader of stdout is gone (`kansym show RUN | head`): end quietly, and let nothing complain at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return 1
