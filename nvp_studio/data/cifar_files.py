"""The files of CIFAR-10 and CIFAR-100: found in a folder or a gzipped tar file, and their binary records read."""

import gzip
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from nvp_studio.data.arrays import reason_of
from nvp_studio.data.dataset import DataError, Images, Labels, Split

# The largest archive has 187 MB unpacked.
_MOST_ARCHIVE_BYTES = 256 * 2**20
_MOST_NAME_BYTES = 2**16
_MOST_MEMBERS = 100
_PIXEL_BYTES = 3 * 32 * 32


@dataclass(frozen=True)
class CifarFormat:
    """What tells CIFAR-10 and CIFAR-100 apart.

    A record of the binary files has `label_bytes` labels, of which the last is used and is below `classes`, and then
    the C, H, W bytes of the pixels. Files are taken whose names match `names`; one of more than `most_bytes`, or
    `most_binary_bytes` where it is a binary file of a folder, is refused.
    """

    title: str
    label_bytes: int
    classes: int
    names: re.Pattern[str]
    most_bytes: int
    most_binary_bytes: int

    @property
    def record_bytes(self) -> int:
        """The size of an image with its labels."""
        return self.label_bytes + _PIXEL_BYTES

    def read_files(self, place: Path) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of every file at `place`: of a folder, of an archive, or the file alone."""
        try:
            if is_archive(place):
                yield from self._archive_members(place)
                return
            files = [place]
            if place.is_dir():
                files = sorted(file for file in place.iterdir() if self.names.fullmatch(file.name) and file.is_file())
            for file in files:
                most = self.most_binary_bytes if file.suffix.lower() == ".bin" else self.most_bytes
                self._check_size(file.stat().st_size, file.name, most)
                yield file.name, file.read_bytes()
        except OSError as error:
            raise DataError(f"{place.name} cannot be read: {reason_of(error)}") from error

    def binary_split(self, content: bytes, name: str) -> Split:
        """The images and labels of a binary file; raises `DataError`."""
        if not content or len(content) % self.record_bytes:
            raise DataError(f"{name} is not a file of {self.title}: its size is no multiple of {self.record_bytes}")
        records = np.frombuffer(content, np.uint8).reshape(-1, self.record_bytes)
        planes = records[:, self.label_bytes :].reshape(-1, 3, 32, 32)
        images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        return self.split(images, records[:, self.label_bytes - 1].astype(np.int64), name)

    def split(self, images: Images, labels: Labels, name: str) -> Split:
        """The split of these images; `DataError` for a label that is none."""
        if not 0 <= labels.min() <= labels.max() < self.classes:
            raise DataError(f"{name} is not a file of {self.title}: it has a label {labels.max()}")
        return Split(images, labels)

    def _archive_members(self, path: Path) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of the files in a gzipped tar file; nothing is written to disk."""
        try:
            with (
                _LimitedGzip(path) as stream,
                tarfile.open(fileobj=stream, mode="r|", tarinfo=_PlainMember) as archive,
            ):
                for count, member in enumerate(archive):
                    if count >= _MOST_MEMBERS:
                        raise DataError(f"{path.name} has more than {_MOST_MEMBERS} files; it is not {self.title}")
                    name = member.name.rpartition("/")[2]
                    if not member.isreg() or not self.names.fullmatch(name):
                        continue
                    self._check_size(member.size, name, self.most_bytes)
                    file = archive.extractfile(member)
                    yield name, b"" if file is None else file.read()
                while stream.read(2**16):  # its checksum comes last
                    pass
        except DataError:
            raise
        except Exception as error:  # damaged headers fail in many ways
            raise DataError(f"{path.name} is not a sound tar.gz file: {reason_of(error)}") from error

    def _check_size(self, size: int, name: str, most: int) -> None:
        if size > most:
            raise DataError(f"{name} has {size:,} bytes; no file of {self.title} has more than {most:,}")


def is_archive(path: Path) -> bool:
    """Whether the name is that of a gzipped tar file."""
    return path.name.lower().endswith((".tar.gz", ".tgz"))


class _PlainMember(tarfile.TarInfo):
    """A member of a tar file; names and notes before it are read into memory whole, so these must be short."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the member that a block of 512 bytes describes."""
        member = super().frombuf(buf, encoding, errors)
        if member.type not in tarfile.REGULAR_TYPES and member.size > _MOST_NAME_BYTES:
            raise ValueError(f"it has a name or a note of {member.size:,} bytes")
        return member


class _LimitedGzip(gzip.GzipFile):
    """A gzipped file that is not unpacked beyond `_MOST_ARCHIVE_BYTES`, whatever is in it."""

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes."""
        if self.tell() + (size or 0) > _MOST_ARCHIVE_BYTES:
            raise DataError(f"{Path(self.name).name} holds more than {_MOST_ARCHIVE_BYTES:,} bytes; it is not CIFAR")
        return super().read(size)
