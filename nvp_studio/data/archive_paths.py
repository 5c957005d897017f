"""Members of archives as paths below these, such as photos.zip/cat/1.png, wherever files are named one by one."""

import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Self

from nvp_studio.data.archives import Archive, finished, is_archive_name, opening
from nvp_studio.data.arrays import reason_of
from nvp_studio.data.dataset import DataError
from nvp_studio.data.decode_child import Source
from nvp_studio.data.images import ImageError, find_images

_MAX_OPEN = 4


def split_archive(path: Path) -> tuple[Path, str] | None:
    """The archive that a path leads into, with the name of the member; None where it leads into none."""
    for parent in path.parents:
        if _is_archive(parent):
            return parent, path.relative_to(parent).as_posix()
    return None


def _is_archive(path: Path) -> bool:
    return is_archive_name(path.name) and path.is_file()


class Archives:
    """The archives whose members are read; those that were used last stay open."""

    def __init__(self) -> None:
        self._open: dict[tuple[Path, int, int], Archive] = {}
        """By path, size and time of change, those used last at the end."""
        self._refused: dict[Path, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def find(self, paths: Iterable[str | os.PathLike[str]]) -> Generator[Path | int]:
        """As `find_images`, with the images in archives among `paths`, and numbers while the index of one is read.

        An archive that cannot be read, or has no images, is yielded itself.
        """
        for path in map(Path, paths):
            if not _is_archive(path):
                yield from find_images([path])
                continue
            archive = yield from self._opening(path)
            names = [] if archive is None or archive.holds_arrays else archive.names
            if archive is not None and not names:
                self._refused[path] = "there are no images in it"
            yield from map(path.joinpath, names) if names else [path]

    def source(self, path: Path) -> Source | ImageError:
        """What the decoder takes for a path, or why there is nothing."""
        found = (path, "") if path in self._refused else split_archive(path)
        if found is None:
            return path
        place, member = found
        archive = finished(self._opening(place)) if member else None
        return ImageError(self._refused[place]) if archive is None else archive.read(member)

    def close(self, *, but_unpacked: bool = False) -> None:
        """Close the archives, but perhaps not the last of those that were unpacked, whose own files are not in use."""
        unpacked = [key for key, archive in self._open.items() if archive.unpacked] if but_unpacked else []
        for key in list(self._open):
            if key not in unpacked[-1:]:
                self._open.pop(key).close()

    def _opening(self, path: Path) -> Generator[int, None, Archive | None]:
        """The archive at `path`, None where it cannot be read."""
        try:
            status = path.stat()
            key = (path, status.st_size, status.st_mtime_ns)
            archive = self._open.pop(key, None)
            if archive is None:
                archive = yield from opening(path)
        except (DataError, OSError) as error:
            self._refused[path] = reason_of(error)
            return None
        self._open[key] = archive
        while len(self._open) > _MAX_OPEN:
            self._open.pop(next(iter(self._open))).close()
        return archive
