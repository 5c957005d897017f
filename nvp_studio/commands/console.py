"""What the commands share: results on stdout, everything else on stderr, and stopping when asked to.

All that a command prints goes through the printers of this module. They escape control characters, which may come from
names of files and from what others wrote into a file.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, Task, TimeElapsedColumn
from rich.text import Text

from nvp_studio.csv_file import Row, csv_writer
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.text import escaped

errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
"""Where progress, notes and complaints go."""

_MAX_CELL = 500
"""Characters of a cell in a table; longer ones are cut."""

MODEL_HELP = (
    "A run's folder or name, a .safetensors file, or an included model: "
    f"{' or '.join(INCLUDED_MODELS)}; without it the first of these."
)
ModelOption = Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP)]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
RunArgument = Annotated[Path, typer.Argument(help="The run's folder, or its name in the folder of runs.")]
RunsOption = Annotated[
    Path | None,
    typer.Option("--runs", help="Folder of runs; without it $NVP_STUDIO_RUNS, else the program's data folder."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


class CommandError(RuntimeError):
    """A command cannot do what it was asked; the message is one line that says why and what to do."""


class Stopped(RuntimeError):  # noqa: N818 - not an error, the answer to Ctrl+C
    """The person or the system asked the command to stop."""


class TextColumn(ProgressColumn):
    """A column of a progress bar with a text made of the fields of its task."""

    def __init__(self, template: str) -> None:
        self._template = template
        super().__init__()

    def render(self, task: Task) -> Text:
        """The text for `task`."""
        return Text(escaped(self._template.format(task=task)))


def say(text: str) -> None:
    """Print one line for a person on stderr."""
    errors.print(escaped(text), markup=False)


def out(*lines: str) -> None:
    """Print lines on stdout."""
    typer.echo("\n".join(map(escaped, lines)))


def out_csv(columns: Sequence[str]) -> Callable[[Row], object]:
    """Print the heading of a CSV table on stdout; returns a function that prints a row, whose texts are `csv_cell`s."""
    return csv_writer(sys.stdout, columns)


def may_ask() -> bool:
    """Whether a person is at the terminal."""
    return errors.is_terminal and sys.stdin.isatty()


def confirm(question: str) -> bool:
    """Ask a person on stderr; Ctrl+C and the end of the input mean no."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # or the question would wait on
    try:
        return typer.confirm(escaped(question), err=True)
    except typer.Abort:
        return False
    finally:
        signal.signal(signal.SIGINT, before)


def print_json(value: object) -> None:
    """Print `value` as one line of JSON on stdout; NaN and infinity become null, as JSON has neither.

    JSON is UTF-8. Where stdout has another encoding, or there are control characters, all but ASCII is written as
    escapes, which is the same in both.
    """
    text = msgspec.json.encode(value).decode()
    utf8 = (sys.stdout.encoding or "utf-8").lower() in ("utf-8", "utf8")
    if not text.isascii() and (not utf8 or escaped(text) != text):
        text = json.dumps(json.loads(text))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_table(rows: Sequence[tuple[str, object]]) -> None:
    """Print names and values on stdout in two aligned columns, leaving out absent values."""
    shown = [(name, value) for name, value in rows if value is not None]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        out(f"{name:<{width}}  {_cell(str(value), 2000)}")


def print_result(facts: Mapping[str, object], json: bool, rows: Sequence[tuple[str, object]] | None = None) -> None:
    """Print `facts` as JSON, or else `rows` as a table; without `rows` the facts themselves."""
    if json:
        print_json(facts)
    else:
        print_table(rows or [(name.replace("_", " "), value) for name, value in facts.items()])


def print_columns(rows: list[list[str]]) -> None:
    """Print rows of equal length on stdout, each column as wide as its widest cell."""
    rows = [[_cell(cell, _MAX_CELL) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        out("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(text: str, limit: int) -> str:
    text = escaped(text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def progress_bar(unit: str, *, rows_on_stdout: bool = False) -> Progress:
    """A progress bar on stderr; none without a terminal there, nor where it would run into rows on that terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        *Progress.get_default_columns()[1:],
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal or (rows_on_stdout and sys.stdout.isatty()),
        transient=True,
    )


@contextmanager
def on_stop(act: Callable[[str], bool | None]) -> Iterator[None]:
    """Call `act` with a reason at the first Ctrl+C, SIGTERM, SIGHUP or SIGBREAK; a second one ends the command at once.

    Where `act` returns True, the next one is a first one again. A SIGHUP that is ignored (`nohup`) stays ignored.
    """
    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        if act("Ctrl+C" if number == signal.SIGINT else signal.Signals(number).name):
            asked.clear()

    numbers = [signal.SIGINT, signal.SIGTERM]
    # A terminal that is closed sends SIGHUP on Unix and SIGBREAK on Windows.
    closing = [getattr(signal, name) for name in ("SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    numbers += [number for number in closing if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def find_model(model: str, runs: Path | None = None) -> str:
    """The path that `model` means: a file or folder, else the run of that name (in the folder `runs`, if it is given);
    empty for the included model.

    What is none of these is returned as it is. Raises `RunError` for a name that several runs were given.
    """
    from nvp_studio.runs.listing import NoSuchRunError, find_run

    if not model or Path(model).exists():
        return model
    try:
        return str(find_run(Path(model), runs))
    except NoSuchRunError:
        return model


def bits(value: float | None) -> str | None:
    """A score with its unit, or None when there is none."""
    return None if value is None else f"{value:.4f} bits/dim"
