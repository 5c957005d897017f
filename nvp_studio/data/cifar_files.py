"""The files of CIFAR-10 and CIFAR-100, found in a folder or a gzipped tar file."""

import gzip
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from nvp_studio.data.arrays import check_size, reading, reason_of
from nvp_studio.data.dataset import DataError
from nvp_studio.data.images import EXTENSIONS

# The largest archive has 187 MB unpacked, its largest file 154 MB.
_MAX_ARCHIVE_BYTES = 256 * 2**20
_MAX_FILE_BYTES = 160 * 2**20
_MAX_NAME_BYTES = 2**16
_MAX_MEMBERS = 100
_LOOKED_AT_BYTES = 32 * 2**20
_BATCH = re.compile(r".*\.bin|(data_batch_\d|test_batch)(\.png)?")
_OTHERS = EXTENSIONS | {".npy"}


def is_archive(path: Path) -> bool:
    """Whether the name is that of a gzipped tar file."""
    return path.name.lower().endswith((".tar.gz", ".tgz"))


def holds_batches(path: Path) -> bool:
    """Whether a gzipped tar file may be CIFAR's: a batch comes before any image, or it is too damaged to tell."""
    try:
        with _LimitedGzip(path) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=PlainMember) as archive:
            stream.most_bytes = _LOOKED_AT_BYTES
            for count, member in enumerate(archive):
                name = member.name.rpartition("/")[2]
                if _BATCH.fullmatch(name):
                    return True
                if count >= _MAX_MEMBERS or Path(name).suffix.lower() in _OTHERS:
                    break
    except DataError:  # the first batch would have come before so many bytes
        return False
    except Exception:  # damaged headers fail in many ways, of which the reader tells
        return True
    return False


def read_files(place: Path, names: re.Pattern[str], title: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files at `place`: of a folder or an archive those by `names`, or the file alone.

    Nothing is written to disk. Raises `DataError`, also for files larger than those of the set `title`.
    """
    with reading(place.name):
        if is_archive(place):
            yield from _archive_members(place, names, title)
            return
        files = [place]
        if place.is_dir():
            files = sorted(file for file in place.iterdir() if names.fullmatch(file.name) and file.is_file())
        for file in files:
            size = file.stat().st_size
            if file.suffix.lower() == ".bin":
                check_size(size, file.name)  # people make longer ones
            else:
                _check_file_size(size, file.name, title)
            yield file.name, file.read_bytes()


def _archive_members(path: Path, names: re.Pattern[str], title: str) -> Iterator[tuple[str, bytes]]:
    try:
        with (
            _LimitedGzip(path) as stream,
            tarfile.open(fileobj=stream, mode="r|", tarinfo=PlainMember) as archive,
        ):
            for count, member in enumerate(archive):
                if count >= _MAX_MEMBERS:
                    raise DataError(f"{path.name} has more than {_MAX_MEMBERS} files; it is not {title}")
                name = member.name.rpartition("/")[2]
                if not member.isreg() or not names.fullmatch(name):
                    continue
                _check_file_size(member.size, name, title)
                file = archive.extractfile(member)
                yield name, b"" if file is None else file.read()
            while stream.read(2**16):  # its checksum comes last
                pass
    except DataError:
        raise
    except Exception as error:  # damaged headers fail in many ways
        raise DataError(f"{path.name} is not a sound tar.gz file: {reason_of(error)}") from error


def _check_file_size(size: int, name: str, title: str) -> None:
    if size > _MAX_FILE_BYTES:
        raise DataError(f"{name} has {size:,} bytes; no file of {title} has more than {_MAX_FILE_BYTES:,}")


class PlainMember(tarfile.TarInfo):
    """A member of a tar file; names and notes before it are read into memory whole, so these must be short."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the member that a block of 512 bytes describes."""
        member = super().frombuf(buf, encoding, errors)
        if member.type not in tarfile.REGULAR_TYPES and member.size > _MAX_NAME_BYTES:
            raise ValueError(f"it has a name or a note of {member.size:,} bytes")
        return member

    def _proc_gnusparse_10(self, *_: object) -> None:
        """Refuse a sparse file, whose map would be read into memory whole."""
        raise ValueError("it has a sparse file")


class _LimitedGzip(gzip.GzipFile):
    """A gzipped file that is not unpacked beyond `most_bytes`, whatever is in it."""

    most_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes."""
        most = self.most_bytes or _MAX_ARCHIVE_BYTES
        if self.tell() + (size or 0) > most:
            raise DataError(f"{Path(self.name).name} holds more than {most:,} bytes; it is not CIFAR")
        return super().read(size)
