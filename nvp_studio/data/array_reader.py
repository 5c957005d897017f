"""Arrays of MATLAB's and HDF5's files, read in a process of its own (`array_process`) that has limits and may crash."""

import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

import nvp_studio
from nvp_studio.data.array_process import FoundArray, Task
from nvp_studio.data.arrays import reading
from nvp_studio.data.dataset import MAX_DATA_BYTES, DataError
from nvp_studio.data.options import Progress, no_progress
from nvp_studio.text import one_line

Library = Literal["scipy", "h5py"]

EXTRAS: dict[Library, str] = {
    "scipy": "pip install 'nvp-studio[mat]'",
    "h5py": "pip install 'nvp-studio[hdf5]'",
}
SECONDS = 300.0
"""Time after which the process that reads is ended."""
_POLL_SECONDS = 0.1
# The path of this package comes last: it is found without, where it is installed.
_CODE = "import sys; sys.path.append(sys.argv[1]); from nvp_studio.data.array_process import main; main()"


def list_arrays(path: Path, library: Library, progress: Progress = no_progress) -> list[FoundArray]:
    """What the file holds; raises `DataError`."""
    with _read(Task(library, str(path.resolve()), MAX_DATA_BYTES), path.name, progress) as folder:
        return msgspec.json.decode(Path(folder, "arrays.json").read_bytes(), type=list[FoundArray])


def read_arrays(
    path: Path, library: Library, names: Collection[str], progress: Progress = no_progress
) -> dict[str, npt.NDArray[Any]]:
    """Return those arrays of `names` that the file holds, as it stores them; raises `DataError`.

    A file that crashes the reader ends the other process alone. `progress` is called while it reads.
    """
    with _read(Task(library, str(path.resolve()), MAX_DATA_BYTES, tuple(names)), path.name, progress) as folder:
        found = msgspec.json.decode(Path(folder, "names.json").read_bytes(), type=list[str])
        places = (Path(folder, f"{number}.npy") for number in range(len(found)))
        return {name: np.load(place, allow_pickle=False) for name, place in zip(found, places, strict=True)}


@contextmanager
def _read(task: Task, name: str, progress: Progress) -> Iterator[str]:
    """The folder into which the process has written."""
    library = task.library
    if find_spec(library) is None:
        raise DataError(f"{name} is read by the library {library}, which is not installed: {EXTRAS[library]}")
    root = Path(nvp_studio.__file__).resolve().parent.parent
    command = [sys.executable, "-P", "-c", _CODE, str(root), msgspec.json.encode(task).decode()]
    with reading(name), TemporaryDirectory(prefix="nvp-studio-") as folder:
        with subprocess.Popen(
            command,
            cwd=folder,
            # Each thread takes addresses; HDF5 looks for no other code.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=True,  # Ctrl+C ends this process's reading, which ends the other
        ) as process:
            try:
                reason = _wait(process, library, name, progress)
            finally:
                process.kill()
        if process.returncode:
            raise DataError(f"{name} cannot be read: {reason}")
        yield folder


def _wait(process: "subprocess.Popen[bytes]", library: Library, name: str, progress: Progress) -> str:
    """Return why the process failed, if it did, in one line; raises `DataError` when it takes too long."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        progress(0, 0, f"reading {name}")
        try:
            said = process.communicate(timeout=_POLL_SECONDS)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            continue
        if process.returncode == 1:  # the status of `sys.exit(text)`
            return one_line(said, 200)
        return f"{library} crashed on it with status {process.returncode}"
    raise DataError(f"{name} cannot be read: {library} did not finish in {SECONDS:.0f} seconds")
