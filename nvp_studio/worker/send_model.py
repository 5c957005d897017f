"""``nvp-studio worker --send-model``: the model of a run as bytes on stdout, for a window on another machine."""

import hashlib
import os
import shutil
import sys
from contextlib import ExitStack, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import msgspec

from nvp_studio.files import open_regular
from nvp_studio.text import error_line
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import MODEL_FILES, RECORD, default_runs_folder

OPTION = "--send-model"
MAX_MODEL_BYTES = 4 * 2**30
"""Largest model file that is sent, which is the largest that is read."""
_MAX_FOLDER_BYTES = 65536
_CHUNK = 2**20


class ModelHeader(msgspec.Struct, frozen=True):
    """First line of the output, as JSON. The `size` bytes of the file follow, unless there is an `error`."""

    size: int = 0
    sha256: str = ""
    """Of the file, hexadecimal."""
    error: str = ""
    """Why no file follows, in one line."""


def main() -> int:
    """Send the model of the run folder that is named on stdin; returns the exit status."""
    folder = sys.stdin.buffer.read(_MAX_FOLDER_BYTES).decode("utf-8", "replace")
    with suppress(BrokenPipeError), os.fdopen(os.dup(sys.stdout.fileno()), "wb") as output:
        send_model(folder, output)
        return 0
    return 1  # the window cancelled the copy


def send_model(folder: str, output: BinaryIO) -> None:
    """Write a `ModelHeader` and the best model of the run in `folder`, or its last, to `output`.

    `folder` must be a run in this machine's runs folder, and no link in it is followed. Whatever is wrong with it is
    written as the header's `error`.
    """
    with ExitStack() as opened:
        try:
            file = opened.enter_context(open_model(Path(folder).resolve()))
            size = os.fstat(file.fileno()).st_size
            if not 0 < size <= MAX_MODEL_BYTES:
                raise RunError(f"the model file has {size:,} bytes; the most is {MAX_MODEL_BYTES:,}")
            header = ModelHeader(size, hashlib.file_digest(file, "sha256").hexdigest())
            file.seek(0)
        except (RunError, OSError, ValueError) as error:  # ValueError: a null character in the path
            header = ModelHeader(error=error_line(error))
        output.write(msgspec.json.encode(header) + b"\n")
        if not header.error:
            shutil.copyfileobj(file, output, _CHUNK)


def open_model(folder: Path) -> BufferedReader:
    """Open the best model of the run in `folder`, a real path, or its last.

    Raises `RunError` when it is no run of the runs folder, when there is no model yet or a link in its place, and
    `OSError` when it cannot be read. A file that is replaced while it is read stays the one that was opened.
    """
    if folder.parent != default_runs_folder().resolve() or not (folder / RECORD).is_file():
        raise RunError(f"{folder} is no run of the runs folder there")
    for name in MODEL_FILES:
        path = folder / "checkpoints" / name
        if path.resolve() != path:
            raise RunError(f"{path} is a link")
        try:
            return open_regular(path)
        except FileNotFoundError:
            continue
    raise RunError("there is none yet; it comes with the first checkpoint")
