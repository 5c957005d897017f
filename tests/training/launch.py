"""Several processes of one launch, for tests: started with a launcher's environment, running a function of a module."""

import importlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import typer

from nvp_studio.cli import _complain
from nvp_studio.commands.together import together

ROOT = Path(__file__).resolve().parent.parent.parent
HANG_SECONDS = 240.0


def launch(count: int, function: str, *words: object) -> list[subprocess.CompletedProcess[str]]:
    """Run ``module:function(ranks, *words)`` as `count` processes to their ends."""
    processes = start(count, [sys.executable, "-m", "tests.training.launch", function, *map(str, words)])
    return [finish(process) for process in processes]


def start(count: int, command: list[str]) -> list[subprocess.Popen[str]]:
    """Start `count` processes of `command` that are to find each other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    return [
        subprocess.Popen(
            command,
            env=common | {"RANK": str(rank)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """What the process said, once it has ended."""
    out, err = process.communicate(timeout=HANG_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def main() -> None:
    """Run the function that the command line names, with the ranks of this launch, as a command would."""
    module, _, name = sys.argv[1].partition(":")
    try:
        with together() as ranks:
            getattr(importlib.import_module(module), name)(ranks, *sys.argv[2:])
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except Exception as error:  # the command line says it in one line
        sys.exit(_complain(error))


if __name__ == "__main__":
    main()
