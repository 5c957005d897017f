"""The model of a run on another machine, brought here by its worker and written beside the runs of this one."""

import hashlib
import os
import queue
import re
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import platformdirs
from PySide6.QtCore import QCoreApplication, QObject, Signal

from nvp_studio.files import remove_leftovers, stream_whole
from nvp_studio.locks import LockFile
from nvp_studio.state.engine import Engine
from nvp_studio.state.paths import MODEL_SUFFIX
from nvp_studio.text import one_line
from nvp_studio.worker.client import CrashReport
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

VIEW = "fetch-model"
_MOST_NAME = 60
_LOCK = ".lock"


def models_folder() -> Path:
    """Where models from other machines are kept, in a folder for each machine.

    The folder that the environment names in NVP_STUDIO_MODELS, else one in the user's data folder.
    """
    named = os.environ.get("NVP_STUDIO_MODELS")
    return Path(named) if named else platformdirs.user_data_path("nvp-studio") / "models"


def model_path(host: str, folder: str) -> Path:
    """Where the model of the run in `folder` on `host` is kept, whatever these words are made of."""
    run = re.split(r"[\\/]", folder.rstrip("\\/"))[-1]
    return models_folder() / _file_name(host) / (_file_name(run) + MODEL_SUFFIX)


class ModelFetch(QObject):
    """Brings one model at a time here, through the trainer, whatever that does meanwhile.

    It ends with `fetched`, `failed`, or without a word after `cancel`; only the first leaves a file.
    """

    progressed = Signal()
    """`done` or `size` is another."""
    fetched = Signal(str)
    """The path of the whole file."""
    failed = Signal(str)
    """Why it was given up, in one line."""

    _written = Signal(object)
    """`_Writer`: a part is in the file."""
    _closed = Signal(object, str)
    """(`_Writer`, why its file is not there; nothing when it is)."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self.active = False
        self.done = 0
        """Bytes in the file."""
        self.size: int | None = None
        """Bytes of the whole file; None until the machine has said so."""
        self._host = ""
        self._folder = ""
        self._stamp: int | None = None
        self._received = 0
        self._all_here = False
        """Whether only the disk is waited for."""
        self._writer: _Writer | None = None
        trainer = engine.trainer
        trainer.message.connect(self._on_message)
        trainer.crashed.connect(self._on_crashed)
        trainer.state_changed.connect(self._on_trainer_state_changed)
        self._written.connect(self._on_written)
        self._closed.connect(self._on_closed)

    def start(self, folder: str) -> None:
        """Bring the model of the run in `folder` on the machine that runs are trained on; ignored while one comes."""
        if self.active:
            return
        self.active, self._host, self._folder = True, self._engine.trainer_host, folder
        self.done, self.size, self._received, self._stamp = 0, None, 0, None
        self._all_here = False
        if self._engine.ensure_trainer().state != "restarting":
            self._ask()

    def cancel(self) -> None:
        """Give it up."""
        if self.active:
            self._end()

    def _ask(self) -> None:
        folder = self._folder
        self._stamp = self._engine.trainer.ask(VIEW, lambda view, stamp: FetchModel(view, stamp, folder))

    def _end(self) -> None:
        """Nothing more is awaited; a file that is not whole goes."""
        self.active = False
        self._engine.trainer.cancel(VIEW)
        writer, self._writer = self._writer, None
        if writer is not None:
            self.destroyed.disconnect(writer.give_up)
            writer.give_up()

    def _fail(self, reason: str) -> None:
        if self.active:
            self._end()
            self.failed.emit(reason)

    # What the trainer says

    def _on_message(self, message: Answer) -> None:
        if not self.active or getattr(message, "view", None) != VIEW or getattr(message, "stamp", None) != self._stamp:
            return
        match message:
            case ModelFound(size=size) if self._writer is None:
                self._on_found(size)
            case ModelPart(data=data) if self._writer is not None and self._expects(len(data)):
                self._received += len(data)
                self._writer.add(data)
            case ModelSent(size=size, sha256=sha256) if (
                self._writer is not None and size == self.size == self._received
            ):
                self._all_here = True
                self._writer.finish(sha256)
            case Failed(reason=reason):
                self._fail(one_line(reason))
            case Cancelled():
                self._fail(self._tr("{0} has given it up").format(self._host))
            case _:
                self._fail(self._tr("{0} sent something else than it had said").format(self._host))

    def _expects(self, count: int) -> bool:
        """Whether a part of so many bytes fits to what was announced, and to what was asked for so far."""
        assert self.size is not None
        received = self._received + count
        ahead = received - self.done
        return 0 < count <= PART_BYTES and received <= self.size and ahead <= PARTS_AHEAD * PART_BYTES

    def _on_found(self, size: int) -> None:
        if not 0 < size <= MOST_MODEL_BYTES:
            most = MOST_MODEL_BYTES // 2**30
            self._fail(self._tr("it is said to have {0:,} bytes, the most is {1} GiB").format(size, most))
            return
        self.size = size
        self._writer = _Writer(self, model_path(self._host, self._folder), size)
        self.destroyed.connect(self._writer.give_up)
        self._writer.start()
        self.progressed.emit()

    def _on_crashed(self, report: CrashReport) -> None:
        if not self._all_here:
            self._fail(report.reason)

    def _on_trainer_state_changed(self, state: str) -> None:
        if state == "ready" and self.active and self._stamp is None:
            self._ask()
        elif state in ("stopped", "failed") and not self._all_here:
            self._fail(self._tr("the engine is off"))

    # What the disk says

    def said_written(self, writer: "_Writer") -> None:
        """Called by the writer's thread after each part."""
        self._written.emit(writer)

    def said_closed(self, writer: "_Writer", problem: str) -> None:
        """Called by the writer's thread at its end."""
        self._closed.emit(writer, problem)

    def _on_written(self, writer: "_Writer") -> None:
        if writer is not self._writer or self.size is None or self._stamp is None:
            return
        self.done = min(writer.written, self._received)
        self._engine.trainer.send(FetchMore(VIEW, self._stamp))
        self.progressed.emit()

    def _on_closed(self, writer: "_Writer", problem: str) -> None:
        if writer is not self._writer:
            return
        if problem:
            self._fail(problem)
        else:
            self._end()
            self.fetched.emit(str(writer.path))

    def _tr(self, text: str) -> str:
        return QCoreApplication.translate("ModelFetch", text)


class _GivenUpError(Exception):
    """Nobody wants the file any more."""


class _Writer:
    """Writes parts into a file, which appears when all are there, by a thread: a disk may take its time."""

    def __init__(self, fetch: ModelFetch, path: Path, size: int) -> None:
        self.path = path
        self.written = 0
        """Bytes written so far."""
        self._fetch = fetch
        self._size = size
        self._parts: queue.SimpleQueue[bytes | str | None] = queue.SimpleQueue()
        self._given_up = False

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="model file", daemon=True).start()

    def add(self, part: bytes) -> None:
        """Write these bytes next."""
        self._parts.put(part)

    def finish(self, sha256: str) -> None:
        """There are no more; this is their digest."""
        self._parts.put(sha256)

    def give_up(self, *_: object) -> None:
        """Leave no file, unless it is whole already."""
        self._given_up = True
        self._parts.put(None)

    def _run(self) -> None:
        problem = ""
        try:
            self._write()
        except _GivenUpError:
            return
        except OSError as error:
            problem = one_line(f"{self.path.parent}: {error.strerror or error}")
        with suppress(RuntimeError):  # the window is gone
            self._fetch.said_closed(self, problem)

    def _write(self) -> None:
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        with LockFile(folder / _LOCK) as lock:
            with suppress(OSError):  # a file system without locks: what another process left stays
                if lock.try_lock():
                    remove_leftovers(folder)
            free = shutil.disk_usage(folder).free
            if free < self._size:
                raise OSError(f"it takes {megabytes(self._size)} MB, and {megabytes(free)} MB are free")
            with stream_whole(self.path) as file:
                digest = hashlib.sha256()
                while not isinstance(part := self._parts.get(), str):
                    if part is None or self._given_up:
                        raise _GivenUpError
                    file.write(part)
                    digest.update(part)
                    self.written += len(part)
                    with suppress(RuntimeError):
                        self._fetch.said_written(self)
                if self._given_up:
                    raise _GivenUpError
                if part != digest.hexdigest():
                    raise OSError("what arrived has another digest than what was sent; try again")


def megabytes(count: int) -> str:
    """A number of bytes in megabytes, with as many digits as say something."""
    return f"{count / 1e6:,.1f}" if count < 100e6 else f"{count / 1e6:,.0f}"


def _file_name(text: str) -> str:
    """The text as a name of a file or folder; what had to be changed for that is kept apart by a digest."""
    name = re.sub(r"[^A-Za-z0-9_.@-]+", "-", text).strip("-.")[:_MOST_NAME]
    if name == text and name:
        return name
    return f"{name or 'run'}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"
