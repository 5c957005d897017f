"""Many image files as the rows of a prepared set: a key of the files, their shapes, their pixels."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from nvp_studio.data.archives import Archive
from nvp_studio.data.dataset import DataError
from nvp_studio.data.decode_child import Page, Source
from nvp_studio.data.decoding import decoders
from nvp_studio.data.images import ImageError, find_images
from nvp_studio.data.left_out import LeftOutCount, why_unread
from nvp_studio.data.options import LoadOptions, Paced, Progress, no_progress
from nvp_studio.data.reading import UNDECIDED, Reading, Suspicion, ValueFacts
from nvp_studio.data.row_writer import Row
from nvp_studio.data.values import choose_all, doubts_about_depths, is_decided, not_dark

ImageShape = tuple[int, int, int]
FactsOf = Callable[[Sequence[int], str], Generator[ValueFacts | ImageError | None, None, None]]
Decided = tuple[Reading, list[Suspicion]]

_PREPARATION = 2
"""Increased when a change of the program gives other pixels for the same files."""


@dataclass(frozen=True)
class ImageFile:
    """An image file, or a page of one, and its path relative to the folder that is read, with slashes everywhere.

    Of a member of an archive, `path` is that of the archive, and `member` its name in it.
    """

    path: Path
    relative: str
    page: int | None = None
    archive: Archive | None = None
    member: str = ""

    @property
    def source(self) -> Source | ImageError:
        """What the decoder takes, which is the content of a member, or why that cannot be read."""
        whole = self.path if self.archive is None else self.archive.read(self.member)
        return whole if self.page is None or isinstance(whole, ImageError) else Page(whole, self.page)

    @property
    def place(self) -> tuple[Path, str]:
        """What stands for the file, of which this may be a page."""
        return self.path, self.member

    def pages(self, count: int) -> "list[ImageFile]":
        """The pages of a file that has so many, or the file itself if it has one."""
        if count == 1:
            return [self]
        return [replace(self, relative=f"{self.relative}#{page:03}", page=page) for page in range(count)]


def files_of(archive: Archive) -> list[ImageFile]:
    """The image files in an archive, in order."""
    return [ImageFile(archive.path, name, archive=archive, member=name) for name in archive.names]


def list_images(folder: Path, progress: Progress = no_progress, unread: LeftOutCount | None = None) -> list[ImageFile]:
    """Return all image files in `folder` and below, or the file itself, in order; `unread` counts what is not read."""
    files: list[ImageFile] = []
    tell = Paced(progress)
    start = len(str(folder / "x")) - 1

    def on_other(path: Path) -> None:
        if unread is not None:
            count_unread(folder, unread, path)
        tell(0, 0, f"{len(files):,} images found")

    for path in find_images([folder], on_other):
        relative = str(path)[start:].replace(os.sep, "/")  # much faster than `relative_to`
        files.append(ImageFile(path, relative or path.name))
        tell(0, 0, f"{len(files):,} images found")
    return files


def count_unread(folder: Path, unread: LeftOutCount, path: Path) -> None:
    """Count a file below `folder` that is not read, unless nobody would take it for an image."""
    if reason := why_unread(path.name):
        unread.add(reason, path.relative_to(folder).as_posix())


def listing_key(files: Sequence[ImageFile], *settings: object, progress: Progress = no_progress) -> str:
    """A digest (hexadecimal) of the files' names, sizes and times of change, and of `settings`."""
    digest = hashlib.sha256(repr((_PREPARATION, *settings)).encode())
    tell = Paced(progress)
    for done, file in enumerate(files):
        tell(done, len(files), "looking for changes")
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


def read_headers(files: Sequence[ImageFile], progress: Progress = no_progress, *, all_pages: bool = False) -> Headers:
    """Return what the headers of `files` say, with all pages of TIFF stacks as files of their own if so asked."""
    headers = Headers([], [], Counter(), [])
    with closing(headers_of((file.source for file in files), len(files), progress)) as found:
        for file, header in zip(files, found, strict=True):
            if isinstance(header, ImageError):
                headers.problems.append(f"{file.relative}: {header}")
            else:
                shape, kind, count = header
                pages = file.pages(count if all_pages else 1)
                headers.readable += pages
                headers.kinds += [kind] * len(pages)
                headers.shapes[shape] += len(pages)
    return headers


def headers_of(
    sources: Iterable[Source | ImageError], count: int, progress: Progress
) -> Generator[tuple[ImageShape, str, int] | ImageError, None, None]:
    """Yield what `read_header` says of each of the `count` sources, or why nothing, and tell of it."""
    decoders().start(count)
    tell = Paced(progress)
    done = 0
    with closing(decoders().headers(sources)) as found:
        for header in found:
            tell(done, count, "looking at the images")
            if header is not None:
                done += 1
                yield header


def decide_reading(kinds: Sequence[str], facts_of: FactsOf, reading: Reading, progress: Progress) -> Decided:
    """As `deciding_reading`, in one call."""
    steps = deciding_reading(kinds, facts_of, reading)
    while True:
        try:
            progress(*next(steps), "looking at the range of values")
        except StopIteration as end:
            decided: Decided = end.value
            return decided


def deciding_reading(
    kinds: Sequence[str], facts_of: FactsOf, reading: Reading
) -> Generator[tuple[int, int], None, Decided]:
    """Decide what `reading` leaves open for images whose numbers are of these `kinds`; returns it with the doubts.

    `facts_of` gives the facts of the images with some numbers, all of one kind, or why there are none, and None while
    the next is decoded. Of images with more than 8 bits all are decoded for it; of the others as many as it takes to
    find one that is not all dark, usually one. Yields how many of how many are done, (0, 0) while one is decoded.
    """
    facts: dict[str, ValueFacts] = {}
    stated = Counter[int]()
    done, total = 0, sum(kind not in ("", "bool", "8-bit") for kind in kinds)
    for kind in sorted(set(kinds) - {""}):
        facts[kind] = ValueFacts(kind=kind)
        if is_decided(reading, kind):
            continue
        with closing(facts_of([number for number, other in enumerate(kinds) if other == kind], kind)) as found:
            for one in found:
                if one is None:
                    yield 0, 0
                    continue
                if isinstance(one, ValueFacts):  # otherwise its row will say why
                    facts[kind] += one
                    stated[one.declared] += kind == "16-bit"
                if kind == "8-bit" and not_dark(facts[kind]):
                    break
                if kind != "8-bit":
                    done += 1
                    yield done, total
    decided, suspicions = choose_all(facts.values(), reading)
    return decided, [*suspicions, *doubts_about_depths(Counter(kinds), +stated, decided)]


def facts_of_images(
    sources: Iterable[Source | ImageError], kind: str
) -> Generator[ValueFacts | ImageError | None, None, None]:
    """The facts of each image, or why there are none, and None while the next is decoded; of bytes one by one."""
    if kind == "8-bit":  # of which few are looked at
        for source in sources:
            yield from decoders().facts([source])
    else:
        yield from decoders().facts(sources)


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
) -> Generator[Row | None, None, None]:
    """Yield the files' images, read by `reading` and fitted to `image_shape`, in order, as `decoded_rows` does."""
    return decoded_rows((file.source for file in files), (file.relative for file in files), image_shape, reading)


def decoded_rows(
    sources: Iterable[Source | ImageError], names: Iterable[str], image_shape: ImageShape, reading: Reading
) -> Generator[Row | None, None, None]:
    """Yield the images of `sources`, of which problems are told by `names`, and None while the next one is decoded."""
    remaining = iter(names)
    with closing(decoders().read(sources, image_shape, reading)) as images:
        for image in images:
            if image is None:
                yield None
                continue
            name = next(remaining)
            if isinstance(image, ImageError):
                yield Row(None, problem=f"{name}: {image}")
            else:
                yield Row(image.pixels, tuple(map(without_size, image.notes)))


def without_size(note: str) -> str:
    """Turn "resized from 640x480" to "resized", so that a folder's notes can be counted."""
    return note.partition(" from ")[0]
