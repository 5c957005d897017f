"""Several processes of one launch, for tests: forked from one that knows torch, in a launcher's environment."""

import importlib
import itertools
import os
import socket
import sys
import tempfile
import time
import typing
from contextlib import suppress
from pathlib import Path

import typer

from nvp_studio.cli import _complain, main
from nvp_studio.commands.on_ranks import command_ranks
from tests.forked import context

ROOT = Path(__file__).resolve().parent.parent.parent
HANG_SECONDS = 500.0
_PORTS = range(10_000, 30_000)
_turns = itertools.count(101 * os.getpid())  # each process that tests begins somewhere else
COMMAND_LINE = ""
"""The function that takes the words as `nvp-studio` does."""


class Ended(typing.NamedTuple):
    """How a process ended and what it said."""

    code: int | None
    out: str
    err: str


def launch(count: int, function: str, *words: object) -> list[Ended]:
    """Run ``module:function(ranks, *words)`` as `count` processes to their ends, as a command would."""
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        texts = [str(word) for word in words]
        processes = [
            context.Process(target=_run, args=(rank, count, port, folder, function, texts)) for rank in range(count)
        ]
        for process in processes:
            process.start()
        deadline = time.monotonic() + HANG_SECONDS
        try:
            for process in processes:
                process.join(max(0.0, deadline - time.monotonic()))
            left = [rank for rank, process in enumerate(processes) if process.is_alive()]
            assert not left, f"ranks {left} did not come to an end"
        finally:
            for process in processes:
                process.kill()
        return [
            Ended(process.exitcode, *(Path(folder, f"{rank}.{kind}").read_text() for kind in ("out", "err")))
            for rank, process in enumerate(processes)
        ]


def _free_port() -> int:
    """A port for rank 0 to listen on, and no other launch: not one of those that a system gives to whoever asks.

    The rank takes it seconds later, and one of those might be another connection's by then.
    """
    while True:
        port = _PORTS[next(_turns) % len(_PORTS)]
        with socket.socket() as free, suppress(OSError):
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            return port


def _run(rank: int, count: int, port: int, folder: str, function: str, words: list[str]) -> None:
    for number, kind in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{folder}/{rank}.{kind}", os.O_WRONLY | os.O_CREAT), number)
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "RANK": str(rank),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    code = 0
    try:
        if function == COMMAND_LINE:
            main(words)
        module, _, name = function.partition(":")
        with command_ranks() as ranks:
            getattr(importlib.import_module(module), name)(ranks, *words)
    except SystemExit as ended:
        code = int(ended.code or 0)
    except typer.Exit as ended:
        code = ended.exit_code
    except Exception as error:  # the command line says it in one line
        code = _complain(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
