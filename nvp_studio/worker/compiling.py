"""Compiling the loops of the open model while the worker answers requests.

The first picture does not wait for it. Where the loops were compiled on this machine before, a thread loads them, in
half a second. Else a process of low priority compiles them first, in some ten seconds, and leaves them on the disk: a
thread that compiles would keep pictures waiting, for only one thread of a Python process runs at a time.
"""

import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import nvp_studio
from nvp_studio.checkpoints import load
from nvp_studio.explore.model import OpenedModel
from nvp_studio.worker.compiling_messages import Compiled

OnCompiled = Callable[[Compiled], object]

_BEGIN_SECONDS = 2.0
"""How long a first picture is waited for."""
_WAITING_SECONDS = 0.02
"""How long what waits for the end lets a picture wait."""
_SWITCH_SECONDS = 0.0005
"""How long the thread that loads may keep the others waiting; Python's own 5 ms are as much as half a picture takes."""
_CODE = """
import sys
sys.path.append(sys.argv[1])  # last: the package is found without, where it is installed
from nvp_studio.priority import yield_to_others
yield_to_others()  # before torch is imported
from nvp_studio.worker.compiling import main
main(sys.argv[2])
"""


def ignore(told: Compiled) -> None:
    """Tell nobody."""


class Compiling:
    """Compiles a model in a thread, from `begin` on, and lets the model's flow use the result once it is there."""

    def __init__(self, model: OpenedModel, on_compiled: OnCompiled = ignore) -> None:
        """`on_compiled` is called in the thread, once the flow uses the result."""
        self._model, self._on_compiled = model, on_compiled
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._cancelled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="compiling", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Begin now: the first picture is out."""
        self._wanted.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Begin, and wait for the end; returns whether it has come."""
        self.begin()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def waiting(self) -> Iterator[None]:
        """Steps until the end has come: for what must not depend on the moment that it is computed at."""
        while not self.wait(_WAITING_SECONDS):
            yield None

    def cancel(self) -> None:
        """Begin nothing any more, for the model is not open any more; end the process, if there is one."""
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.kill()
        self._wanted.set()

    def _run(self) -> None:
        self._wanted.wait(_BEGIN_SECONDS)
        flow = self._model.flow
        usual = sys.getswitchinterval()
        try:
            if self._cancelled or not flow.can_compile:
                return
            sys.setswitchinterval(_SWITCH_SECONDS)
            if flow.must_compile():
                self._compile_in_process()
            if not self._cancelled:
                flow.compile()
            if flow.compiled and not self._cancelled:
                self._on_compiled(Compiled(self._model.digest))
        except Exception:  # pictures come without it as well
            traceback.print_exc()
        finally:
            sys.setswitchinterval(usual)

    def _compile_in_process(self) -> None:
        place = str(Path(nvp_studio.__file__).resolve().parents[1])
        with self._lock:
            if self._cancelled:
                return
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, place, self._model.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )
        with self._process as process:
            process.wait()


def main(path: str) -> None:
    """Compile the model at `path`, in a process of its own that ends with the one that started it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    load(path).compile()


def _end_with_parent() -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(1)
