"""Downloading a published file: only when asked, resumed where it was interrupted, and verified before it is used."""

import hashlib
import shutil
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nvp_studio.data.arrays import reason_of
from nvp_studio.data.background import while_told
from nvp_studio.data.dataset import DataError
from nvp_studio.data.options import Progress, no_progress
from nvp_studio.files import replace_file

if TYPE_CHECKING:
    from http.client import HTTPResponse

SECONDS = 30.0
"""Time after which a server that sends nothing is given up."""
TRIES = 3
_PIECE = 2**18
_SPARE_BYTES = 64 * 2**20
_OK, _PARTIAL, _RANGE_REFUSED = 200, 206, 416


@dataclass(frozen=True)
class RemoteFile:
    """A published file; `size` in bytes and `md5` (hexadecimal) are None where they are not known."""

    url: str
    md5: str | None = None
    size: int | None = None

    @property
    def name(self) -> str:
        """The file's name, the last part of the address."""
        return urlsplit(self.url).path.rpartition("/")[2]


def size_of(file: RemoteFile) -> int | None:
    """The size in bytes, asked of the server where it is not known; None when the server does not say."""
    if file.size is not None:
        return file.size
    from http.client import HTTPException

    try:
        with closing(_request(file, method="HEAD")) as answer:
            return _whole_size(answer, 0)
    except (OSError, HTTPException, ValueError) as error:
        raise _failure(file, error) from error


def download(file: RemoteFile, folder: Path, progress: Progress = no_progress) -> Path:
    """Download `file` into `folder` and return its path; a file that is there is verified instead.

    What has arrived is kept in NAME.part when the connection breaks or `progress` raises, and the next call goes on
    from there. A file whose checksum is not the published one is removed. Raises `DataError`, in one line.
    """
    from http.client import HTTPException

    target = folder / file.name
    if target.exists():
        if _has_published_digest(target, file, progress):
            return target
        raise DataError(f"{target} is not the published file: its MD5 is not {file.md5}; remove it and download again")
    part = folder / f"{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {reason_of(error)}") from error
    for left in reversed(range(TRIES)):
        before = _size_on_disk(part)
        try:
            _fetch(file, part, progress)
            break
        except DataError:
            raise
        except (OSError, HTTPException, ValueError) as error:
            # Tried again only after bytes have arrived: a connection that cannot be made is told at once.
            if not left or _size_on_disk(part) <= before:
                raise _failure(file, error, part) from error
    if not _has_published_digest(part, file, progress):
        part.unlink()
        raise DataError(f"{file.name} arrived damaged: its MD5 is not {file.md5}; it was removed, try again")
    replace_file(part, target)
    return target


def _fetch(file: RemoteFile, part: Path, progress: Progress) -> None:
    """Download what `part` lacks, and append it."""
    done = _size_on_disk(part)
    words = f"waiting for {urlsplit(file.url).netloc}"
    with closing(while_told(lambda: _request(file, first=done), progress, words)) as answer:
        if answer.status == _RANGE_REFUSED:  # it is whole already, or longer than the file
            if _whole_size(answer, 0) == done:
                return
            part.unlink()
            raise ConnectionError("the server has another file now; try again")
        if answer.status == _OK:  # this server knows no parts
            done = 0
        total = _whole_size(answer, done)
        _check_room(part, (total or 0) - done)
        with open(part, "r+b" if done else "wb") as target:
            target.seek(done)
            while piece := answer.read(_PIECE):
                target.write(piece)
                done += len(piece)
                progress(done, total or 0, f"downloading {file.name}")
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done:,} of {total:,} bytes")


def _request(file: RemoteFile, *, method: str = "GET", first: int = 0) -> "HTTPResponse":
    if urlsplit(file.url).scheme not in ("http", "https"):
        raise ValueError(f"{file.url} is no web address")
    headers = {"User-Agent": "nvp-studio", "Accept-Encoding": "identity"}
    if first:
        headers["Range"] = f"bytes={first}-"
    # Not needed by the window, which reads the catalogue: its imports take a twentieth of a second.
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        answer: HTTPResponse = urlopen(Request(file.url, headers=headers, method=method), timeout=SECONDS)
    except HTTPError as error:
        if error.code != _RANGE_REFUSED or not first:
            raise
        refused: HTTPResponse = error.fp  # type: ignore[assignment] # an HTTPResponse, by its documentation
        return refused
    return answer


def _whole_size(answer: "HTTPResponse", done: int) -> int | None:
    """The size of the whole file by the answer's headers; `done` bytes of it are here already."""
    span = answer.headers.get("Content-Range", "")
    whole = span.rpartition("/")[2]
    if whole.isdigit():
        return int(whole)
    length = answer.headers.get("Content-Length", "")
    return done + int(length) if length.isdigit() and not span else None


def _check_room(part: Path, wanted: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted + _SPARE_BYTES > free:
        raise DataError(f"{wanted:,} bytes are to be downloaded but {part.parent} has only {free:,} free")


def _has_published_digest(path: Path, file: RemoteFile, progress: Progress) -> bool:
    """Whether the file at `path` has the published checksum, or there is none to compare with."""
    if file.md5 is None:
        return True

    def digest() -> str:
        with open(path, "rb") as content:
            return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

    return while_told(digest, progress, f"checking {file.name}") == file.md5


def _size_on_disk(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _failure(file: RemoteFile, error: Exception, part: Path | None = None) -> DataError:
    host = urlsplit(file.url).netloc
    reason = getattr(error, "reason", error)  # of a connection that was not made, what the system says
    words = reason_of(reason) if isinstance(reason, Exception) else str(reason)
    kept = _size_on_disk(part) if part is not None else 0
    rest = f" ({kept:,} bytes are kept, the next download goes on from there)" if kept else ""
    return DataError(
        f"{file.name} cannot be downloaded from {host}: {words}{rest}; without a connection, put the file from "
        f"{file.url} into place by hand"
    )
