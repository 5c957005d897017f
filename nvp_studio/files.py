"""Writing files whole: a reader sees the old content or the new, never a part, whatever happens in between."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_whole(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Replace the file at `path` by `data` atomically and durably.

    The bytes go to a temporary name in the same folder, are flushed to disk, renamed over `path`, and the folder
    entry is flushed too. On any error the temporary file is removed, the old file stays and the `OSError` is raised.
    """
    with stream_whole(path) as file:
        file.write(data)


@contextmanager
def stream_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """As `write_whole`, for content that is written piece by piece: the file appears when the block ends well."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # other systems give no handle on a folder
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
