"""Archives of images, zip, tar and tar.gz: an index of their members, which are read one by one.

No member is ever written under its name. A tar.gz file, which can be read only from its start to its end, is unpacked
once into another file (`unpacked.py`).
"""

import gzip
import io
import os
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Self, TypeVar

from nvp_studio.data.arrays import reading, reason_of
from nvp_studio.data.cifar_files import PlainMember
from nvp_studio.data.dataset import DataError
from nvp_studio.data.images import EXTENSIONS, MAX_FILE_BYTES, ImageError
from nvp_studio.data.left_out import LeftOutCount, why_unread
from nvp_studio.data.numpy_files import open_member
from nvp_studio.data.options import Progress, no_progress
from nvp_studio.data.unpacked import Unpacked, unpacked_folder
from nvp_studio.files import open_regular

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_MEMBERS = 1_000_000
_MAX_DIRECTORY_BYTES = 48 * 2**20
"""Of the directory of a zip file, which is read at once; one of a million short names has as many."""
_SPARE_BYTES = 64 * 2**20
"""Free disk space that is left to others."""
_PIECE_BYTES = 2**20
_PATIENCE_SECONDS = 0.02

Result = TypeVar("Result")
Place = zipfile.ZipInfo | tuple[int, int]
"""Where a member is: its entry of a zip file, or offset and size in a file."""


def is_archive_name(name: str) -> bool:
    """Whether a file of this name may be an archive of images."""
    return name.lower().endswith(SUFFIXES)


def open_archive(path: Path, progress: Progress = no_progress) -> "Archive":
    """Open an archive and read its index; raises `DataError`."""
    return finished(opening(path), lambda count: progress(0, 0, f"{count:,} files found in {path.name}"))


def finished(steps: Generator[int, None, Result], tell: Callable[[int], object] = lambda count: None) -> Result:
    """The result of a generator, each step of which is told."""
    while True:
        try:
            tell(next(steps))
        except StopIteration as end:
            result: Result = end.value
            return result


def opening(path: Path) -> Generator[int, None, "Archive"]:
    """As `open_archive`, but yields how many files were found, some fifty times a second."""
    with ExitStack() as stack, reading(path.name):
        file = stack.enter_context(open_regular(path))
        if not os.fstat(file.fileno()).st_size:
            raise DataError(f"the file {path.name} is empty")
        kind = _Zip if path.name.lower().endswith(".zip") else _Tar
        archive = stack.enter_context(kind(path, file))
        until = time.monotonic() + _PATIENCE_SECONDS
        for _ in archive.index():
            if archive.count > MAX_MEMBERS:
                raise DataError(f"{path.name} has more than {MAX_MEMBERS:,} files; unpack it and give the folder")
            if time.monotonic() > until:
                yield archive.count
                until = time.monotonic() + _PATIENCE_SECONDS
        archive.finish()
        stack.pop_all()
    return archive


class Archive:
    """An archive that is open, whose members are known by their names."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self.names: list[str] = []
        """The members that are image files, or, where there is none of these, .npy files: paths below the archive, in
        the order of a folder. A folder that all members are in is left out of them."""
        self.unread = LeftOutCount()
        """The other members, unless nobody would take them for images."""
        self.others: list[str] = []
        """The first of all other members."""
        self.count = 0
        self.unpacked = False
        """Whether it was unpacked: its file is not in use, and opening it again would take long."""
        self._file: IO[bytes] = file
        self._places: dict[str, Place] = {}
        self._tops: set[str] = set()
        self._last: tuple[str, bytes] = ("", b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def holds_arrays(self) -> bool:
        """Whether it has .npy files and no images."""
        return bool(self.names) and self.names[0].lower().endswith(".npy")

    def index(self) -> Generator[None]:
        """Find all members, one at each step."""
        raise NotImplementedError

    def finish(self) -> None:
        """Make the names of the members that were found."""
        arrays = [name for name in self._places if name.lower().endswith(".npy")]
        if len(arrays) < len(self._places):
            for name in arrays:
                self._count_unread(name)
                del self._places[name]
        if len(self._tops) == 1 and "" not in self._tops:
            self._places = {name.partition("/")[2]: place for name, place in self._places.items()}
        self.names = sorted(self._places, key=lambda name: name.split("/"))

    def read(self, name: str) -> bytes | ImageError:
        """The content of a member, or why it cannot be read."""
        if name == self._last[0]:  # for each page of a file
            return self._last[1]
        place = self._places.get(name)
        if place is None:
            return ImageError("it is not in the archive")
        size = place.file_size if isinstance(place, zipfile.ZipInfo) else place[1]
        if size > MAX_FILE_BYTES:
            return ImageError(f"too large: {size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
        try:
            with reading(name):
                content = self._content(place, size)
        except (DataError, NotImplementedError) as error:
            return ImageError(f"damaged or not supported: {reason_of(error)}")
        if len(content) < size:
            return ImageError("the archive ends within it")
        self._last = (name, content)
        return content

    def content(self, name: str) -> tuple[IO[bytes], int]:
        """As `read`, as a file with its size; raises `DataError`."""
        content = self.read(name)
        if isinstance(content, ImageError):
            raise DataError(f"{name} in {self.path.name}: {content}")
        return io.BytesIO(content), len(content)

    def close(self) -> None:
        """Close its file."""
        self._file.close()

    def _content(self, place: Place, size: int) -> bytes:
        raise NotImplementedError

    def _is_wanted(self, name: str) -> bool:
        """Count a member, and say whether it has an image or an array and is to be added."""
        self.count += 1
        parts = name.split("/")
        if any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts):
            return False
        self._tops.add(parts[0] if len(parts) > 1 else "")
        if ".." in parts:
            self.unread.add("names that lead out of the archive", name)
        elif os.path.splitext(parts[-1])[1].lower() in EXTENSIONS | {".npy"}:
            return True
        else:
            self._count_unread(name)
        return False

    def _count_unread(self, name: str) -> None:
        if len(self.others) < 3:
            self.others.append(name)
        if reason := why_unread(name.rpartition("/")[2]):
            self.unread.add(reason, name)

    def _add(self, name: str, place: Place) -> None:
        if name in self._places:
            self.unread.add("another file of the same name follows in the archive", name)
        self._places[name] = place


class _Zip(Archive):
    """A zip file."""

    def index(self) -> Generator[None]:
        _check_directory(self._file, self.path.name)
        self._archive = zipfile.ZipFile(self._file)
        items = self._archive.infolist()
        if sum(item.compress_size for item in items) > os.fstat(self._file.fileno()).st_size:
            raise DataError(f"the files in {self.path.name} have more bytes than itself; it is damaged or made to harm")
        for item in items:
            name = _clean(_zip_name(item))
            if not item.is_dir() and self._is_wanted(name):
                if item.flag_bits & 1:
                    self.unread.add("encrypted files are not read: unpack them with their password", name)
                elif stat.S_ISLNK(item.external_attr >> 16):
                    self.unread.add("links to other files", name)
                else:
                    self._add(name, item)
            yield

    def _content(self, place: Place, size: int) -> bytes:
        assert isinstance(place, zipfile.ZipInfo)
        with open_member(self._archive, place, self.path.name) as file:
            return file.read(size)  # without a size it would unpack more than the member should have


class _Tar(Archive):
    """A tar file, plain or gzipped."""

    _copy: Unpacked | None = None

    def close(self) -> None:
        """Close its file, and remove what it was unpacked to, if that is not kept."""
        super().close()
        if self._copy is not None:
            self._copy.close()

    def index(self) -> Generator[None]:
        start = self._file.read(2)
        self._file.seek(0)
        try:
            yield from self._unpack() if start == b"\x1f\x8b" else self._index()
        except (DataError, OSError):
            raise
        except Exception as error:  # damaged headers fail in many ways
            raise DataError(f"{self.path.name} is not a sound tar file: {reason_of(error)}") from error

    def _index(self) -> Generator[None]:
        with tarfile.open(fileobj=self._file, mode="r:", tarinfo=PlainMember) as archive:
            while (member := _next(archive)) is not None:
                if self._takes(member):
                    self._add(_clean(member.name), (member.offset_data, member.size))
                yield

    def _unpack(self) -> Generator[None]:
        """Copy the images of a gzipped file into another, unless that was done before."""
        packed = self._file
        self._copy = copy = Unpacked(self.path, packed)
        self.unpacked = True
        if (found := copy.find()) is not None:
            packed.close()
            index, self._file = found
            self._places = {name: (offset, size) for name, offset, size in index.places}
            self._tops, self.others, self.count = set(index.tops), index.others, index.count
            self.unread = LeftOutCount(index.unread)
            yield
            return
        self._file = unpacked = copy.begin()
        with packed, gzip.GzipFile(fileobj=packed) as stream:
            with tarfile.open(fileobj=stream, mode="r|", bufsize=_PIECE_BYTES, tarinfo=PlainMember) as archive:
                while (member := _next(archive)) is not None:
                    if self._takes(member):
                        self._add(_clean(member.name), (unpacked.tell(), member.size))
                        if member.size <= MAX_FILE_BYTES:
                            self._check_room(member.size)
                            yield from _copy(archive.extractfile(member), unpacked)
                    yield
            while stream.read(_PIECE_BYTES):  # its checksum comes last
                yield
        index = copy.index(
            places=[(name, *place) for name, place in self._places.items() if isinstance(place, tuple)],
            tops=sorted(self._tops),
            unread=self.unread.all(),
            others=self.others,
            count=self.count,
        )
        self._file = copy.keep(unpacked, index)

    def _takes(self, member: tarfile.TarInfo) -> bool:
        wanted = not member.isdir() and self._is_wanted(_clean(member.name))
        if wanted and not member.isreg():
            self.unread.add("links to other files", member.name)
        return wanted and member.isreg() and not member.issparse()

    def _check_room(self, size: int) -> None:
        folder = unpacked_folder()
        if size + _SPARE_BYTES > shutil.disk_usage(folder).free:
            raise DataError(
                f"there is no room to unpack {self.path.name} in {folder}; make room, or name another folder in "
                "NVP_STUDIO_CACHE"
            )

    def _content(self, place: Place, size: int) -> bytes:
        assert isinstance(place, tuple)
        self._file.seek(place[0])
        return self._file.read(size)


def _next(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    member = archive.next()
    known: Any = archive  # which keeps all members, in a list that its types do not name
    known.members.clear()
    return member


def _copy(source: IO[bytes] | None, target: IO[bytes]) -> Generator[None]:
    while source is not None and (piece := source.read(_PIECE_BYTES)):
        target.write(piece)
        yield


def _clean(name: str) -> str:
    """A member's name with slashes alone, which do not stand at its ends."""
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _zip_name(item: zipfile.ZipInfo) -> str:
    """The name of a member, which is often UTF-8 without saying so."""
    if item.flag_bits & 0x800:
        return item.filename
    try:
        return item.filename.encode("cp437").decode()
    except UnicodeError:
        return item.filename


def _check_directory(file: IO[bytes], name: str) -> None:
    """Refuse a zip file whose directory would take much memory; what is damaged is left to the library."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**16 - 22))
    end = file.read()
    place = end.rfind(b"PK\5\6")
    directory = int.from_bytes(end[place + 12 : place + 16], "little") if place >= 0 else 0
    if directory == 2**32 - 1 and (wide := end.rfind(b"PK\6\6", 0, place)) >= 0:
        directory = int.from_bytes(end[wide + 40 : wide + 48], "little")
    file.seek(0)
    if directory > _MAX_DIRECTORY_BYTES:
        raise DataError(f"{name} has too many files; unpack it and give the folder")
