"""The model of a run on another machine, copied over ssh and written beside the runs of this one."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec
import platformdirs

from nvp_studio.files import remove_leftovers, stream_whole
from nvp_studio.locks import LockFile
from nvp_studio.state.paths import MODEL_SUFFIX
from nvp_studio.state.remote import remote_program, remote_reason, with_option
from nvp_studio.text import error_line, one_line
from nvp_studio.worker.send_model import MAX_MODEL_BYTES, OPTION, ModelHeader

_CHUNK = 2**20
_MAX_HEADER_BYTES = 10_000
_EXIT_SECONDS = 5.0
"""How long a process may take to end after the end of its output."""
_TAIL_BYTES = 4096
_MAX_NAME = 60
_LOCK = ".lock"


def models_folder() -> Path:
    """Where models from other machines are kept, in a folder for each machine.

    The folder that the environment names in NVP_STUDIO_MODELS, else one in the user's data folder.
    """
    named = os.environ.get("NVP_STUDIO_MODELS")
    return Path(named) if named else platformdirs.user_data_path("nvp-studio") / "models"


def model_path(host: str, folder: str) -> Path:
    """Where the model of the run in `folder` on `host` is kept, whatever characters these contain."""
    run = re.split(r"[\\/]", folder.rstrip("\\/"))[-1]
    return models_folder() / _file_name(host) / (_file_name(run) + MODEL_SUFFIX)


class _CopyError(Exception):
    """Why a copy was given up, for a person."""


class ModelCopy:
    """A copy of one model: a process whose output is the model, and a thread that writes it into a file.

    The file appears under its name when it is complete and has the digest that was sent. A slow disk holds up the
    sender, since no more is read than has been written.
    """

    def __init__(self, host: str, command: str, folder: str) -> None:
        """Of the run in `folder` on `host`, where `command` starts a worker."""
        self.path = model_path(host, folder)
        self.done = 0
        """Bytes in the file."""
        self.size: int | None = None
        """Bytes of the whole file; None until the other machine has sent it."""
        self.over = False
        self.problem = ""
        """Why there is no file, in one line; empty when there is one."""
        self._host = host
        self._program = remote_program(host, with_option(command, OPTION))
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="model copy", daemon=True).start()

    def cancel(self) -> None:
        """End the process, and with it the thread; what is there of the file is removed."""
        self._cancelled.set()
        if self._process is not None:
            self._process.kill()

    def _run(self) -> None:
        try:
            self._receive()
        except _CopyError as error:
            self.problem = one_line(error)
        except OSError as error:
            self.problem = one_line(f"{error.filename or self.path.parent}: {error.strerror or error}")
        except Exception as error:  # without a reason the copy would count as complete
            self.problem = error_line(error)
        finally:
            self.over = True

    def _receive(self) -> None:
        with tempfile.TemporaryFile() as stderr, self._start_process(stderr) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                self._check_cancelled()
                with suppress(OSError), process.stdin:  # a process that has ended reads nothing
                    process.stdin.write(self._folder.encode("utf-8", "replace"))
                header = self._read_header(process, stderr)
                self.size = header.size
                self._write_file(process.stdout, header)
            finally:
                process.kill()

    def _start_process(self, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            self._process = subprocess.Popen(
                self._program,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise _CopyError(f"cannot start {self._program[0]}: {error.strerror}") from error
        return self._process

    def _read_header(self, process: subprocess.Popen[bytes], stderr: IO[bytes]) -> ModelHeader:
        assert process.stdout is not None
        line = process.stdout.readline(_MAX_HEADER_BYTES)
        self._check_cancelled()
        try:
            header = msgspec.json.decode(line, type=ModelHeader)
        except (msgspec.DecodeError, UnicodeDecodeError):
            code = None
            if not line:
                with suppress(subprocess.TimeoutExpired):
                    code = process.wait(_EXIT_SECONDS)
            raise _CopyError(remote_reason(self._host, code, bool(line), _last_lines(stderr))) from None
        if header.error:
            raise _CopyError(header.error)
        if not 0 < header.size <= MAX_MODEL_BYTES:
            most = MAX_MODEL_BYTES // 2**30
            raise _CopyError(f"it is said to have {header.size:,} bytes, the most is {most} GiB")
        return header

    def _write_file(self, source: IO[bytes], header: ModelHeader) -> None:
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        with LockFile(folder / _LOCK) as lock:
            with suppress(OSError):  # a file system without locks: what another process left stays
                if lock.try_lock():
                    remove_leftovers(folder)
            free = shutil.disk_usage(folder).free
            if free < header.size:
                raise _CopyError(f"{folder}: it takes {megabytes(header.size)} MB, and {megabytes(free)} MB are free")
            digest = hashlib.sha256()
            with stream_whole(self.path) as file:
                while self.done < header.size:
                    chunk = source.read(min(_CHUNK, header.size - self.done))
                    self._check_cancelled()
                    if not chunk:
                        done, size = megabytes(self.done), megabytes(header.size)
                        raise _CopyError(f"the connection to {self._host} ended after {done} of {size} MB; try again")
                    file.write(chunk)
                    digest.update(chunk)
                    self.done += len(chunk)
                if digest.hexdigest() != header.sha256:
                    raise _CopyError("what arrived has another digest than what was sent; try again")
                self._check_cancelled()

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise _CopyError("cancelled")


def _last_lines(stderr: IO[bytes]) -> list[str]:
    stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _TAIL_BYTES))
    return [line for line in stderr.read().decode("utf-8", "replace").splitlines() if line.strip()]


def megabytes(count: int) -> str:
    """A number of bytes in megabytes, with three significant digits or more."""
    return f"{count / 1e6:,.1f}" if count < 100e6 else f"{count / 1e6:,.0f}"


def _file_name(text: str) -> str:
    """The text as a name of a file or folder; texts that had to be changed for that are told apart by a digest."""
    name = re.sub(r"[^A-Za-z0-9_.@-]+", "-", text).strip("-.")[:_MAX_NAME]
    if name == text and name:
        return name
    return f"{name or 'run'}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"
