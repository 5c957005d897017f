"""Many image files as the rows of a prepared set: a key of the files, their shapes, their pixels read by threads."""

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from nvp_studio.data.dataset import DataError
from nvp_studio.data.images import ImageError, find_images, read_facts, read_header, read_image
from nvp_studio.data.left_out import LeftOutCount, why_unread
from nvp_studio.data.options import LoadOptions, Progress, no_progress
from nvp_studio.data.reading import UNDECIDED, Reading, Suspicion, ValueFacts
from nvp_studio.data.row_writer import Row
from nvp_studio.data.values import choose_all, is_decided, not_dark

ImageShape = tuple[int, int, int]
Result = TypeVar("Result")

_PREPARATION = 2
"""Increased when a change of the program gives other pixels for the same files."""
_MAX_THREADS = 8
_TELL_EVERY = 500


@dataclass(frozen=True)
class ImageFile:
    """An image file and its path relative to the folder that is read, with slashes on every system."""

    path: Path
    relative: str


def list_images(folder: Path, progress: Progress = no_progress, unread: LeftOutCount | None = None) -> list[ImageFile]:
    """Return all image files in `folder` and below, in a fixed order; `unread` counts the files that are not read."""
    files: list[ImageFile] = []
    for path in find_images([folder], None if unread is None else partial(count_unread, folder, unread)):
        files.append(ImageFile(path, path.relative_to(folder).as_posix()))
        if len(files) % _TELL_EVERY == 0:
            progress(0, 0, f"{len(files):,} images found")
    return files


def count_unread(folder: Path, unread: LeftOutCount, path: Path) -> None:
    """Count a file below `folder` that is not read, unless nobody would take it for an image."""
    if reason := why_unread(path.name):
        unread.add(reason, path.relative_to(folder).as_posix())


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


@dataclass
class Headers:
    """What the headers of image files say."""

    readable: list[ImageFile]
    kinds: list[str]
    """The kind of the numbers of each readable file."""
    shapes: Counter[ImageShape]
    problems: list[str]
    """What is wrong with the others."""


def read_headers(files: Sequence[ImageFile], progress: Progress = no_progress) -> Headers:
    """Return what the headers of `files` say."""
    headers = Headers([], [], Counter(), [])
    with closing(_mapped_in_order(_header, files)) as found:
        for done, (file, header) in enumerate(zip(files, found, strict=True), start=1):
            if isinstance(header, ImageError):
                headers.problems.append(f"{file.relative}: {header}")
            else:
                headers.readable.append(file)
                headers.kinds.append(header[1])
                headers.shapes[header[0]] += 1
            if done % _TELL_EVERY == 0:
                progress(done, len(files), "looking at the images")
    return headers


def decide_reading(
    kinds: Sequence[str],
    facts_of: Callable[[Sequence[int], str], Generator[ValueFacts | None, None, None]],
    reading: Reading,
    progress: Progress,
) -> tuple[Reading, list[Suspicion]]:
    """Decide what `reading` leaves open for images whose numbers are of these `kinds`, with the doubts about it.

    `facts_of` gives the facts of the images with some numbers, all of one kind, None for those that cannot be read. Of
    images with more than 8 bits all are decoded for it; of the others as many as it takes to find one that is not all
    dark, usually one.
    """
    facts: dict[str, ValueFacts] = {}
    done, total = 0, sum(kind not in ("", "bool", "8-bit") for kind in kinds)
    for kind in sorted(set(kinds) - {""}):
        facts[kind] = ValueFacts(kind=kind)
        if is_decided(reading, kind):
            continue
        with closing(facts_of([number for number, other in enumerate(kinds) if other == kind], kind)) as found:
            for one in found:
                facts[kind] += one or ValueFacts(kind=kind)
                if kind == "8-bit" and not_dark(facts[kind]):
                    break
                if kind != "8-bit":
                    done += 1
                    progress(done, total, "looking at the range of values")
    return choose_all(facts.values(), reading)


def file_facts(files: Sequence[ImageFile], kind: str) -> Generator[ValueFacts | None, None, None]:
    """The facts of each file, None of those that cannot be read; of bytes one by one, as few are looked at."""
    if kind == "8-bit":
        yield from map(_facts, files)
    else:
        yield from _mapped_in_order(_facts, files)


def common_shape(shapes: Counter[ImageShape], options: LoadOptions) -> ImageShape:
    """The shape that images of `shapes` come to; `DataError` where their sizes differ and none is asked for."""
    channels = options.channels or max(shape[0] for shape in shapes)
    if options.size is not None:
        return channels, *options.size
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


def read_rows(
    files: Sequence[ImageFile], image_shape: ImageShape, reading: Reading = UNDECIDED
) -> Generator[Row, None, None]:
    """Yield the files' images, read by `reading` and fitted to `image_shape`, in order; several at the same time."""

    def read(file: ImageFile) -> Row:
        try:
            image = read_image(file.path, image_shape, reading)
        except ImageError as error:
            return Row(None, problem=f"{file.relative}: {error}")
        return Row(image.pixels, tuple(map(without_size, image.notes)))

    return _mapped_in_order(read, files)


def _header(file: ImageFile) -> tuple[ImageShape, str] | ImageError:
    try:
        return read_header(file.path)
    except ImageError as error:
        return error


def _facts(file: ImageFile) -> ValueFacts | None:
    try:
        return read_facts(file.path)
    except ImageError:
        return None  # its row will say why


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
