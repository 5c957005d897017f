"""Reads hostile files in a process of its own: how long each took, what memory it took, and what was said of it.

``python -m tests.hostile.child MODEL``; on stdin a line ``[kind, path]`` in JSON for each file, on stdout one
``[seconds of computing, kilobytes, words]`` for each. An error that is not meant for people comes as a traceback.
"""

import json
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from nvp_studio.checkpoints import load
from nvp_studio.commands.pictures import _read_latents
from nvp_studio.data import load_data
from nvp_studio.data.images import read_image
from nvp_studio.data.mat_file import read_mat
from nvp_studio.explore.model import open_model
from nvp_studio.explore.pictures import _MAX_RECIPE_BYTES
from nvp_studio.explore.rendering import latent
from nvp_studio.files import read_regular
from nvp_studio.recipe import Recipe
from nvp_studio.worker.service import Service

MEMORY_BYTES = 200 * 10**6
HANG_SECONDS = 60


def main() -> None:
    """Read what is named on stdin."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a hang ends the process, which names the file it was at
    model = open_model(sys.argv[1])
    Service("cpu", 1)  # whatever that imports, a worker has it
    read_image(sys.argv[2], (1, 8, 8))
    readers: dict[str, Callable[[Path], object]] = {
        "model": load,
        "data": lambda path: load_data(str(path)),
        "image": lambda path: read_image(path, (1, 8, 8)),
        "recipe": lambda path: latent(model, Recipe.from_json(read_regular(path, _MAX_RECIPE_BYTES))),
        "mat": lambda path: read_mat(path, ("X", "y")),
        "latents": lambda path: _read_latents(model, path, force=False),
    }
    load(sys.argv[1])
    for line in sys.stdin:
        kind, path = json.loads(line)
        signal.alarm(HANG_SECONDS)
        print(json.dumps(measure(readers[kind], Path(path))), flush=True)
        signal.alarm(0)


def measure(read: Callable[[Path], object], path: Path) -> tuple[float, int, str]:
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest use of memory starts again from here
    with _limited_memory():
        started = time.process_time()
        words = refusal(read, path)
        seconds = time.process_time() - started
    return seconds, _status("VmHWM") - before, words


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """What was said of the file; empty when it was taken."""
    try:
        read(path)
    except Exception as error:
        # CheckpointError, DataError and ImageError are ValueErrors; any other kind is no reason for a person.
        meant = isinstance(error, ValueError) and not isinstance(error, UnicodeError)
        return str(error) if meant or type(error).__name__ == "CommandError" else traceback.format_exc()
    return ""


class _limited_memory:  # noqa: N801 - a context manager
    """Whatever more address space than the bound is asked for is not given."""

    def __enter__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") * 1024 + MEMORY_BYTES, self._before[1]))

    def __exit__(self, *exception: object) -> None:
        resource.setrlimit(resource.RLIMIT_AS, self._before)


def _status(name: str) -> int:
    """A figure of this process in kilobytes."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0])


if __name__ == "__main__":
    main()
