"""The model of a run on its way to the window: read and sent by a thread of its own, so that training goes on."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from nvp_studio.files import open_regular
from nvp_studio.text import one_line
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import MODEL_FILES, RECORD, default_runs_folder
from nvp_studio.worker.messages import (
    MOST_MODEL_BYTES,
    PART_BYTES,
    PARTS_AHEAD,
    Answer,
    Cancelled,
    Failed,
    FetchModel,
    FetchMore,
    ModelFound,
    ModelPart,
    ModelSent,
)

Send = Callable[[Answer], None]


class ModelSender:
    """Sends one model at a time; a newer request takes the place of the one before, which ends with `Cancelled`.

    It reads the models of the runs that were allowed, and of those in the runs folder: after a lost connection it is
    another process that is asked for what the one before has trained.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._allowed: set[str] = set()
        self._sending: _Sending | None = None

    def allow(self, folder: str) -> None:
        """Let the model of the run in `folder` be fetched."""
        self._allowed.add(os.path.realpath(folder))

    def start(self, request: FetchModel) -> None:
        """Begin to send what is asked for."""
        if self._sending is not None:
            self._sending.give_up()
        self._sending = _Sending(request, self._send, self._is_allowed)

    def proceed(self, message: FetchMore) -> None:
        """Send a part more."""
        if self._sending is not None and self._sending.answers(message):
            self._sending.proceed()

    def cancel(self, view: str) -> None:
        """Send no more of what `view` asked for."""
        if self._sending is not None and self._sending.request.view == view:
            self._sending.give_up()

    def _is_allowed(self, folder: Path) -> bool:
        if str(folder) in self._allowed:
            return True
        return folder.parent == default_runs_folder().resolve() and (folder / RECORD).is_file()


class _Sending:
    """One request; whatever becomes of it, its last answer is `ModelSent`, `Cancelled` or `Failed`."""

    def __init__(self, request: FetchModel, send: Send, is_allowed: Callable[[Path], bool]) -> None:
        self.request = request
        self._send = send
        self._is_allowed = is_allowed
        self._room = threading.Semaphore(PARTS_AHEAD)
        self._given_up = False
        threading.Thread(target=self._run, name="model", daemon=True).start()

    def answers(self, message: FetchMore) -> bool:
        """Whether the message is about this request."""
        return (message.view, message.stamp) == (self.request.view, self.request.stamp)

    def proceed(self) -> None:
        """Let another part go."""
        self._room.release()

    def give_up(self) -> None:
        """End before the next part."""
        self._given_up = True
        self._room.release()

    def _run(self) -> None:
        view, stamp = self.request.view, self.request.stamp
        answer: Answer
        try:
            answer = self._send_model()
        except Exception as error:  # whatever goes wrong, the window is told
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            answer = Failed(view, stamp, one_line(reason))
        self._send(answer)

    def _send_model(self) -> Answer:
        view, stamp = self.request.view, self.request.stamp
        folder = Path(self.request.folder).resolve()
        if not self._is_allowed(folder):
            raise RunError(f"{folder} is no run of this engine")
        with open_model_file(folder) as file:
            size = os.fstat(file.fileno()).st_size
            if not 0 < size <= MOST_MODEL_BYTES:
                raise RunError(f"the model file has {size:,} bytes; the most is {MOST_MODEL_BYTES:,}")
            self._send(ModelFound(view, stamp, size))
            digest = hashlib.sha256()
            left = size
            while left:
                self._room.acquire()
                if self._given_up:
                    return Cancelled(view, stamp)
                part = file.read(min(PART_BYTES, left))
                if not part:
                    raise RunError("the model file was cut short while it was read")
                digest.update(part)
                left -= len(part)
                self._send(ModelPart(view, stamp, part))
        return ModelSent(view, stamp, size, digest.hexdigest())


def open_model_file(folder: Path) -> BinaryIO:
    """Open the best model of the run in `folder`, a real path, or its last; what leads out of it is not followed.

    Raises `RunError` when there is none yet, `OSError` when it cannot be read. A file that is replaced while it is read
    stays the one that was opened.
    """
    for name in MODEL_FILES:
        path = folder / "checkpoints" / name
        if path.resolve() != path:
            raise RunError(f"{path} is a link")
        try:
            return open_regular(path)
        except FileNotFoundError:
            continue
    raise RunError("there is none yet; it comes with the first checkpoint")
