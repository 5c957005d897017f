"""Many image files as the rows of a prepared set: a key of the files, their shapes, their pixels read by threads."""

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from nvp_studio.data.dataset import DataError
from nvp_studio.data.images import ImageError, find_images, image_header, read_image
from nvp_studio.data.options import LoadOptions, Progress, no_progress
from nvp_studio.data.row_writer import Row

ImageShape = tuple[int, int, int]
Result = TypeVar("Result")

_PREPARATION = 1
"""Increased when a change of the program gives other pixels for the same files."""
_MAX_THREADS = 8
_TELL_EVERY = 500


@dataclass(frozen=True)
class ImageFile:
    """An image file and its path relative to the folder that is read, with slashes on every system."""

    path: Path
    relative: str


def list_images(folder: Path, progress: Progress = no_progress) -> list[ImageFile]:
    """Return all image files in `folder` and below, in a fixed order."""
    files: list[ImageFile] = []
    for path in find_images([folder]):
        files.append(ImageFile(path, path.relative_to(folder).as_posix()))
        if len(files) % _TELL_EVERY == 0:
            progress(0, 0, f"{len(files):,} images found")
    return files


def listing_key(files: Sequence[ImageFile], *settings: object) -> str:
    """A digest (hexadecimal) of the files' names, sizes and times of change, and of `settings`."""
    digest = hashlib.sha256(repr((_PREPARATION, *settings)).encode())
    for file in files:
        try:
            status = os.stat(file.path)
            facts = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            facts = "none"
        digest.update(os.fsencode(file.relative) + b"\0" + facts.encode() + b"\n")
    return digest.hexdigest()


def read_headers(
    files: Sequence[ImageFile], progress: Progress = no_progress
) -> tuple[list[ImageFile], Counter[ImageShape], list[str]]:
    """Return the files whose header can be read, a count of their shapes, and what is wrong with the others."""
    readable: list[ImageFile] = []
    shapes: Counter[ImageShape] = Counter()
    problems: list[str] = []
    with closing(_mapped_in_order(_header, files)) as headers:
        for done, (file, shape) in enumerate(zip(files, headers, strict=True), start=1):
            if isinstance(shape, ImageError):
                problems.append(f"{file.relative}: {shape}")
            else:
                readable.append(file)
                shapes[shape] += 1
            if done % _TELL_EVERY == 0:
                progress(done, len(files), "looking at the images")
    return readable, shapes, problems


def common_shape(shapes: Counter[ImageShape], options: LoadOptions) -> ImageShape:
    """The shape that images of `shapes` come to; `DataError` where their sizes differ and none is asked for."""
    channels = options.channels or max(shape[0] for shape in shapes)
    if options.image_size is not None:
        return channels, options.image_size, options.image_size
    sizes = Counter[tuple[int, int]]()
    for (_, height, width), count in shapes.items():
        sizes[height, width] += count
    if len(sizes) > 1:
        height, width = sizes.most_common(1)[0][0]
        raise DataError(
            f"the images have {len(sizes)} different sizes, most often {width}x{height}; "
            "choose an image size, such as 32"
        )
    return channels, *next(iter(sizes))


def read_rows(files: Sequence[ImageFile], image_shape: ImageShape) -> Generator[Row, None, None]:
    """Yield the files' images, fitted to `image_shape`, in their order; several are read at the same time."""

    def read(file: ImageFile) -> Row:
        try:
            image = read_image(file.path, image_shape)
        except ImageError as error:
            return Row(None, problem=f"{file.relative}: {error}")
        return Row(image.pixels, tuple(map(without_size, image.notes)))

    return _mapped_in_order(read, files)


def _header(file: ImageFile) -> ImageShape | ImageError:
    try:
        return image_header(file.path)
    except ImageError as error:
        return error


def _mapped_in_order(call: Callable[[ImageFile], Result], files: Sequence[ImageFile]) -> Generator[Result, None, None]:
    """Yield `call(file)` in order, computed some files ahead by threads; decoders release the interpreter's lock."""
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    waiting: deque[Future[Result]] = deque()
    pending = iter(files)
    with ThreadPoolExecutor(threads, "images") as pool:
        try:
            waiting.extend(pool.submit(call, file) for file in islice(pending, 4 * threads))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(call, file) for file in islice(pending, 1))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)


def without_size(note: str) -> str:
    """Turn "resized from 640x480" to "resized", so that a folder's notes can be counted."""
    return note.partition(" from ")[0]
