"""Writing files atomically, so that a reader sees the old content or the new; opening only what is a regular file."""

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
"""Errors of file systems without hard links."""
_NO_FLUSHING = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""Errors of network and user file systems that cannot flush files, or folders."""
_NO_FLUSHING_FOLDERS = _NO_FLUSHING | {errno.EBADF, errno.EACCES, errno.EPERM}
"""Errors besides of file systems that give no handle on a folder, and of folders that may not be read."""
_OPEN_FILES_STAY = os.name == "nt"
"""Whether the system refuses to rename, replace and remove files that are open."""
_BUSY_SECONDS = 2.0


def write_whole(
    path: str | os.PathLike[str],
    data: bytes | bytearray | memoryview,
    *,
    keep: str | os.PathLike[str] | None = None,
    devices: bool = False,
) -> None:
    """Replace the file at `path` by `data` atomically and durably.

    The bytes go to a temporary name in the same folder, are flushed to disk, renamed over `path`, and the folder
    entry is flushed too. On any error the temporary file is removed, the old file stays and the `OSError` is raised.
    With `keep`, a path in the same folder, the previous file is kept under that name. It is linked there first and has
    both names until the new file replaces `path`, so that one of the two exists at any moment.

    A device or a pipe at `path` is never replaced: it is refused, or with `devices` it gets the data.
    """
    with stream_whole(path, keep=keep, devices=devices) as file:
        file.write(data)


@contextmanager
def stream_whole(
    path: str | os.PathLike[str], *, keep: str | os.PathLike[str] | None = None, devices: bool = False
) -> Iterator[BinaryIO]:
    """As `write_whole`, for content that is written piece by piece: the file appears when the block ends well."""
    target = Path(path)
    if target.exists() and not target.is_file() and not target.is_dir():
        if not devices:
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        with open(target, "wb") as file:
            yield file
        return
    temporary = _temporary(target)
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            flush_file(file.fileno())
        if keep is not None:
            _keep(target, Path(keep))
        replace_file(temporary, target)
    except BaseException:
        _remove(temporary)
        raise
    flush_folder(target.parent)


def replace_file(source: Path, target: Path) -> None:
    """Rename the file `source` to `target`, in whose place it comes; raises `OSError`.

    Windows refuses that while another process has one of them open, such as the window that reads a checkpoint or a
    virus scanner, so there it is tried again for `_BUSY_SECONDS`.
    """
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if not _OPEN_FILES_STAY or time.monotonic() > until:
                raise
        time.sleep(0.02)


def open_regular(path: str | os.PathLike[str], max_bytes: int | None = None) -> BufferedReader:
    """Open the regular file at `path` for reading.

    Raises `OSError` for a folder, for a pipe or device, which could block for ever, and for a file of more than
    `max_bytes`.
    """
    _check_regular(os.stat(path), path, max_bytes)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_regular(os.fstat(descriptor), path, max_bytes)  # it may have been replaced since
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_regular(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """Return the content of the regular file at `path`; `OSError` as `open_regular`."""
    with open_regular(path, max_bytes) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:  # it has grown since
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def remove_leftovers(folder: str | os.PathLike[str], but: Container[str] = ()) -> int:
    """Remove the temporary files that a killed process left in `folder`, and return their number.

    No other process may be writing into `folder`, except the files whose names are in `but`, which are left alone, like
    what cannot be removed.
    """
    removed = 0
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            match = _TEMPORARY.fullmatch(entry.name)
            if match and match[1] not in but and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    os.unlink(entry.path)
                    removed += 1
    return removed


def flush_file(descriptor: int) -> str:
    """Flush the content of an open file to disk, where it stays in a power cut.

    Returns why the file system cannot do that, such as "Invalid argument"; empty when it was done. Raises `OSError` for
    other errors, such as those of a disk that fails.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FLUSHING:
            raise
        return error.strerror or str(error)
    return ""


def flush_folder(folder: Path) -> str:
    """Flush the entries of `folder` to disk: a new file whose entry is not flushed may be gone after a power cut.

    Returns and raises as `flush_file`.
    """
    if os.name != "posix":
        return ""  # other systems give no handle on a folder
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            return flush_file(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_FLUSHING_FOLDERS:
            raise
        return error.strerror or str(error)


def _check_regular(status: os.stat_result, path: str | os.PathLike[str], max_bytes: int | None) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "a folder, not a file", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if max_bytes is not None and status.st_size > max_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def _keep(target: Path, kept: Path) -> None:
    """Link the file at `target`, if there is one, to `kept`, or move it there on a file system without links."""
    link = _temporary(kept)
    try:
        os.link(target, link)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with suppress(FileNotFoundError):
            replace_file(target, kept)
        return
    try:
        replace_file(link, kept)
    finally:
        _remove(link)  # which is still there when both were names of one file: then renaming does nothing


def _remove(path: Path) -> None:
    with suppress(OSError):
        os.unlink(path)
