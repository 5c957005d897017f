"""MATLAB files, read by SciPy in a process of its own.

SciPy's reader trusts what a file says: a damaged one can end the process (SciPy 1.17.1 indexes a C array by the type
number of an element), and a small one can be unpacked to gigabytes that its arrays do not have.
"""

import os
import subprocess
import sys
import time
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from nvp_studio.data.arrays import reading
from nvp_studio.data.dataset import MAX_DATA_BYTES, DataError
from nvp_studio.data.options import Progress, no_progress
from nvp_studio.text import one_line

EXTRA = "pip install 'nvp-studio[mat]'"
SECONDS = 300.0
"""Time after which the process that reads is ended."""
_POLL_SECONDS = 0.1
# The bound on memory: two gigabytes of addresses for Python, SciPy and their libraries, and a few copies of the arrays.
_CODE = """
import contextlib, math, sys
import numpy, scipy.io
path, most, *names = sys.argv[1:]
try:
    total = 0
    for name, shape, kind in scipy.io.whosmat(path):
        if name in names and not (kind in ("double", "single") or "int" in kind):
            sys.exit(f"{name} is not an array of numbers")
        if name in names:
            total += math.prod(shape) * numpy.dtype(kind).itemsize
            if total > int(most):
                sys.exit(f"{name} is too large")
    with contextlib.suppress(ImportError, OSError, ValueError):  # not every system has such bounds
        import resource
        bound, hard = resource.getrlimit(resource.RLIMIT_AS)
        bounds = [one for one in (2**31 + 4 * total, bound, hard) if one != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    for name, array in scipy.io.loadmat(path, variable_names=names).items():
        if name in names:
            numpy.save(name + ".npy", array, allow_pickle=False)
except MemoryError:
    sys.exit("it takes more memory than its arrays have")
except Exception as error:
    sys.exit(str(error) or "damaged or of an unsupported kind")
"""


def read_mat(path: Path, names: Collection[str], progress: Progress = no_progress) -> dict[str, npt.NDArray[Any]]:
    """Return those arrays of `names` that the file holds, as it stores them; raises `DataError`.

    A file that crashes the reader ends the other process alone. `progress` is called while it reads.
    """
    if find_spec("scipy") is None:
        raise DataError(f"{path.name} is read by the library scipy, which is not installed: {EXTRA}")
    command = [sys.executable, "-P", "-c", _CODE, str(path.resolve()), str(MAX_DATA_BYTES), *names]
    with reading(path.name), TemporaryDirectory(prefix="nvp-studio-") as folder:
        with subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each thread takes addresses
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=True,  # Ctrl+C ends this process's reading, which ends the other
        ) as process:
            try:
                reason = _wait(process, path.name, progress)
            finally:
                process.kill()
        if process.returncode:
            raise DataError(f"{path.name} cannot be read: {reason}")
        places = {name: Path(folder, f"{name}.npy") for name in names}
        return {name: np.load(place, allow_pickle=False) for name, place in places.items() if place.exists()}


def _wait(process: "subprocess.Popen[bytes]", name: str, progress: Progress) -> str:
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
        return f"SciPy crashed on it with status {process.returncode}"
    raise DataError(f"{name} cannot be read: SciPy did not finish in {SECONDS:.0f} seconds")
