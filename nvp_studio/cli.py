"""The command line: what `nvp-studio` and `python -m nvp_studio` run.

Exit codes: 0 done (also a training run that was stopped and has kept its work), 1 failed, 2 wrong usage.
"""

import io
import os
import sys
from typing import Annotated, NoReturn

import typer

from nvp_studio import __version__
from nvp_studio.commands import (
    animate,
    compare,
    data,
    directions,
    image_map,
    info,
    inspect,
    neighbours,
    pictures,
    processes,
    reference,
    render,
    runs,
    score,
    train,
)
from nvp_studio.commands.console import CommandError, Stopped, out, say
from nvp_studio.text import error_line
from nvp_studio.training.errors import RunError

_MAX_CHARACTERS = 5000
"""In the line that says what went wrong; names of all data sets fit in."""

app = typer.Typer(
    name="nvp-studio",
    help="Train RealNVP normalizing flows on images and explore what they learnt.",
    epilog="Every command has its own --help with examples. 'nvp-studio gui' opens the window.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train.train,
    train.resume,
    pictures.sample,
    pictures.encode,
    pictures.decode,
    render.render,
    animate.animate,
    directions.direction,
    neighbours.neighbours,
    score.score,
    compare.compare,
    reference.reference,
    inspect.ledger,
    inspect.doctor,
    info.info,
):
    app.command()(command)
app.command("map")(image_map.image_map)
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.command()(processes.worker)
app.command()(processes.gui)


def _print_version(wanted: bool) -> None:
    if wanted:
        out(f"nvp-studio {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere on the line.")
    ] = False,
) -> None:
    """Options before the command; `--debug` was taken off the line by `main` already."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _replace_unprintable()
    debug = _take_debug(words)
    try:
        code = app(words, prog_name="nvp-studio", standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:
        if debug:
            raise
        code = _complain(error)
    except KeyboardInterrupt:
        say("nvp-studio: interrupted")
        code = 1
    _leave(code if isinstance(code, int) else 0)


def _replace_unprintable() -> None:
    """Let stdout and stderr write "?" for characters that their encoding lacks, such as "→" in cp1252 on Windows."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _leave(code: int) -> NoReturn:
    """End the process.

    One of several ends without finalizing: now and then a thread that connected it to the others is still there, for
    which C++ aborts the process, and the launcher then ends those that are still at work.
    """
    if "torch" in sys.modules:
        from nvp_studio.ranks import launched

        if launched():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


def _take_debug(words: list[str]) -> bool:
    """Take `--debug` off the line, wherever it stands before a `--`."""
    end = words.index("--") if "--" in words else len(words)
    if "--debug" not in words[:end]:
        return False
    words.remove("--debug")
    return True


def _complain(error: Exception) -> int:
    """Say in one line on stderr what went wrong and return the exit code."""
    if isinstance(error, BrokenPipeError):
        _silence_stdout()
        return 1
    code = getattr(error, "exit_code", 1)
    if hasattr(error, "format_message"):  # typer's own: an unknown option, a missing argument
        message = error.format_message()
        if not message:  # no command at all: the help was printed
            return int(code)
        text = f"{message.replace('Value error, ', '')} (see --help)"
    else:
        text = error_line(error, _MAX_CHARACTERS)
        if not isinstance(error, CommandError | RunError | Stopped | ValueError | OSError):
            text += " (add --debug for the traceback)"
    say(f"nvp-studio: {' '.join(text.split())}")
    return int(code)


def _silence_stdout() -> None:
    """The reader of stdout has gone (`| head`): let nothing be flushed to it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
