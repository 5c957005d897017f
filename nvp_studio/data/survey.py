"""What data hold, told before a run reads them: a report on a folder of images, a data file or a named set.

Image files are not read for it, but for the headers of some and for samples.
"""

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from nvp_studio.data import cifar, idx
from nvp_studio.data.advice import no_images_in
from nvp_studio.data.archives import Archive, opening
from nvp_studio.data.background import in_thread
from nvp_studio.data.catalogue import CATALOGUE, TOO_FEW, CatalogueEntry, load_data
from nvp_studio.data.dataset import SPLITS, DataError, Images, Labels
from nvp_studio.data.decode_child import Source
from nvp_studio.data.decoding import decoders
from nvp_studio.data.describe import describe, levels_of, sample_batch, shares, split_facts, spread
from nvp_studio.data.folders import Entry, check_has_images, outline
from nvp_studio.data.hugging_face import is_hugging_face
from nvp_studio.data.image_files import (
    ImageFile,
    ImageShape,
    common_shape,
    count_unread,
    deciding_reading,
    facts_of_images,
    files_of,
    read_rows,
)
from nvp_studio.data.images import ImageError, find_images
from nvp_studio.data.layout import NO_SUCH_FOLDER
from nvp_studio.data.left_out import LeftOutCount
from nvp_studio.data.numpy_folder import find_arrays
from nvp_studio.data.options import LoadOptions, Progress
from nvp_studio.data.reading import Reading, doubts_of
from nvp_studio.data.report import DataReport, LeftOut, SplitFacts
from nvp_studio.data.sources import is_image_archive
from nvp_studio.data.twins import equal_files
from nvp_studio.text import counted, one_line

_FIRST_HEADERS = 200
_HEADER_EVERY = 50
"""Headers are read of the first files, and then of every n-th."""
_MAX_FILE_BYTES = 256 * 2**20
"""Larger data files are left unread until a run needs them."""
_MAX_OUTLINED = 20_000
"""Splits and classes are estimated from this many names, spread evenly, so that no step takes long."""
_MAX_DECIDED = 200
"""Images whose values are looked at to decide the range of a folder's; a run looks at all."""
_EXAMPLES = 3
_USUAL_SIDE = 32
"""Side of samples of images that have no size in common and are given none."""
_reading = threading.Lock()

Result = TypeVar("Result")


def survey_data(spec: str, options: LoadOptions, patience: float = 0.02) -> Iterator[int | DataReport]:
    """Yield the number of images found so far each `patience` seconds, and at last the `DataReport`.

    `spec` and `options` are those of `load_data`. Raises `DataError` where there is no such set, folder or file, or the
    file is no data set, and `OSError` where a folder cannot be listed.
    """
    path = Path(os.path.expanduser(spec))
    if spec in CATALOGUE:
        yield from _survey_entry(CATALOGUE[spec], options, patience)
    elif not spec or not path.exists():
        raise DataError(f"there is no folder and no file {path}")
    elif is_image_archive(path):
        yield from _survey_archive(path, options, patience)
    elif (
        path.is_file()
        or is_hugging_face(spec)
        or idx.holds_idx(path)
        or cifar.find_cifar("cifar-10", path)
        or find_arrays(path)
    ):
        yield from _survey_files(path, options, patience)
    else:
        yield from _survey_images(path, options, patience)


def _survey_entry(entry: CatalogueEntry, options: LoadOptions, patience: float) -> Iterator[int | DataReport]:
    """Survey a set of the catalogue by reading it, unless it is large."""
    if entry.images * int(np.prod(entry.image_shape)) <= _MAX_FILE_BYTES:
        yield from _read(entry.name, options, patience)
        return
    facts = (SplitFacts(name=name, images=count) for name, count in zip(SPLITS, entry.counts, strict=True) if count)
    yield DataReport(
        title=entry.title,
        splits=tuple(facts),
        class_count=len(entry.label_names),
        image_shape=entry.image_shape,
        unread=True,
    )


def _survey_files(path: Path, options: LoadOptions, patience: float) -> Iterator[int | DataReport]:
    """Survey a data file, or a folder of them, by reading it, unless it is large."""
    files = [path] if path.is_file() else find_arrays(path) or [file for file in path.iterdir() if file.is_file()]
    if is_hugging_face(str(path)) or sum(file.stat().st_size for file in files) > _MAX_FILE_BYTES:
        yield DataReport(title=one_line(path.name), unread=True)
    else:
        yield from _read(str(path), options, patience)


def _read(spec: str, options: LoadOptions, patience: float) -> Iterator[int | DataReport]:
    """Survey data by reading them, in a thread; one that was given up ends before another begins."""

    def read(progress: Progress) -> DataReport:
        with _reading:
            return describe(
                load_data(
                    spec,
                    image_size=options.image_size,
                    channels=options.channels,
                    data_root=options.data_root,
                    progress=progress,
                    reading=options.reading,
                )
            )

    steps = in_thread(read, patience)
    with closing(steps):
        while True:
            try:
                next(steps)
            except StopIteration as end:
                yield end.value
                return
            yield 0


def _survey_archive(path: Path, options: LoadOptions, patience: float) -> Iterator[int | DataReport]:
    with (yield from opening(path)) as archive:
        check_has_images(archive)
        if archive.holds_arrays:
            yield from _survey_files(path, options, patience)
        else:
            yield from _survey_images(path, options, patience, archive)


def _listed(folder: Path, archive: Archive | None, unread: LeftOutCount) -> Iterator[ImageFile]:
    """The images of a folder or an archive; `unread` counts the other files."""
    if archive is not None:
        yield from files_of(archive)
        return
    for path in find_images([folder], partial(count_unread, folder, unread)):
        yield ImageFile(path, path.relative_to(folder).as_posix())


def _some_of(
    found: Iterator[ImageFile], files: list[ImageFile], looked_at: list[ImageFile]
) -> Iterator[Source | ImageError]:
    """The images whose headers are read, which are added to `looked_at`; all are added to `files`."""
    for file in found:
        files.append(file)
        stack = file.relative.lower().endswith((".tif", ".tiff"))  # perhaps
        if stack or len(files) <= _FIRST_HEADERS or (len(files) - 1) % _HEADER_EVERY == 0:
            looked_at.append(file)
            yield file.source


def _survey_images(
    folder: Path, options: LoadOptions, patience: float, archive: Archive | None = None
) -> Iterator[int | DataReport]:
    if archive is None:
        next(folder.iterdir(), None)  # says why where it cannot be listed
    files: list[ImageFile] = []
    shapes: Counter[tuple[int, int, int]] = Counter()
    looked: list[ImageFile] = []
    headers: dict[tuple[Path, str], tuple[ImageShape, str, int] | str] = {}
    unread = LeftOutCount() if archive is None else archive.unread
    until = time.monotonic() + patience
    with closing(decoders().headers(_some_of(_listed(folder, archive, unread), files, looked))) as found:
        for one in found:
            if one is not None:
                file = looked[len(headers)]
                headers[file.place] = one_line(f"{file.relative}: {one}") if isinstance(one, ImageError) else one
            if time.monotonic() > until:
                yield len(files)
                until = time.monotonic() + patience
    if options.reading.pages != "first":
        files = [page for file in files for page in file.pages(_pages(headers.get(file.place)))]
    every = 1 + len(files) // _MAX_OUTLINED
    outlined = outline(files[::every], options.reading)
    entries = outlined.entries
    left_out = [msgspec.structs.replace(one, count=one.count * every) for one in outlined.left_out]
    used = max(len(entries), len(files) - sum(one.count for one in left_out))
    report = _of_names(folder, entries, every, used, options.reading)
    doubts = [one for one in outlined.suspicions if every == 1 or one.kind != NO_SUCH_FOLDER]  # perhaps there is one
    if every == 1:
        equal = equal_files([(one.split, one.file.path) for one in entries if one.file.page is None and not archive])
        doubts += yield from _paced(equal, len(files), patience)
    looked_at = 0
    problems: list[str] = []
    readable: list[ImageFile] = []
    kinds: list[str] = []
    not_used = set() if every > 1 else {file.relative for file in files} - {one.file.relative for one in entries}
    for file in files:
        header = headers.get(file.place)
        if header is None or file.relative in not_used:
            continue
        looked_at += 1
        if isinstance(header, str):
            problems.append(header)
        else:
            shapes[header[0]] += 1
            readable.append(file)
            kinds.append(header[1])
    sizes = sorted({(width, height) for _, height, width in shapes}, key=lambda size: (size[0] * size[1], size))
    shape, problem = _shape(report.title, shapes, options, used, problems, unread.all())
    report = msgspec.structs.replace(
        report,
        image_shape=None if problem else shape,
        smallest=sizes[0] if sizes else None,
        largest=sizes[-1] if sizes else None,
        alike=len(sizes) <= 1,
        looked_at=looked_at,
        unreadable=len(problems),
        left_out=(*_left_out(problems, looked_at, used), *left_out, *unread.all()),
        problem=problem,
    )
    if shape is None:
        yield report
        return
    every = 1 + len(readable) // _MAX_DECIDED
    readable, kinds = readable[::every], kinds[::every]
    deciding = deciding_reading(
        kinds,
        lambda numbers, kind: facts_of_images((readable[number].source for number in numbers), kind),
        options.reading,
    )
    while True:
        try:
            next(deciding)
        except StopIteration as end:
            reading, suspicions = end.value
            break
        if time.monotonic() > until:
            yield len(files)
            until = time.monotonic() + patience
    report = msgspec.structs.replace(report, reading=reading, suspicions=(*doubts, *suspicions))
    chosen = deque(_chosen(entries))
    names, images, notes = [], [], Counter[str]()
    with closing(read_rows([entry.file for entry in chosen], shape, reading)) as rows:
        for row in rows:
            entry = None if row is None else chosen.popleft()
            if entry is not None and row is not None and row.pixels is not None:
                images.append(row.pixels)
                names.append(one_line(f"{entry.split}: {entry.file.relative}"))
                notes.update(row.notes)
            if time.monotonic() > until:
                yield len(files)
                until = time.monotonic() + patience
    yield _with_samples(report, images, names, notes)


def _paced(steps: Generator[None, None, Result], count: int, patience: float) -> Generator[int, None, Result]:
    """The result of a generator; yields `count` each `patience` seconds meanwhile."""
    until = time.monotonic() + patience
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if time.monotonic() > until:
            yield count
            until = time.monotonic() + patience


def _pages(header: tuple[ImageShape, str, int] | str | None) -> int:
    return header[2] if isinstance(header, tuple) else 1


def _of_names(folder: Path, entries: Sequence[Entry], every: int, images: int, reading: Reading) -> DataReport:
    """What the names of the files tell, of which every `every`-th is in `entries`."""
    names = sorted({one.label for one in entries if one.label is not None} if reading.labels != "none" else ())
    splits = []
    for split in SPLITS:
        own = [one for one in entries if one.split == split]
        if own:
            splits.append(split_facts(split, _labels(own, names), min(len(own) * every, images), names))
    return DataReport(
        title=one_line(Path(os.path.abspath(folder)).name),
        splits=tuple(splits),
        estimated=every > 1,
        class_count=len(names),
    )


def _labels(entries: Sequence[Entry], names: Sequence[str]) -> Labels | None:
    number = {name: index for index, name in enumerate(names)}
    labels = [number[one.label] for one in entries if one.label is not None] if names else []
    return np.array(labels, np.int64) if labels else None


def _shape(
    title: str,
    shapes: Counter[tuple[int, int, int]],
    options: LoadOptions,
    images: int,
    problems: Sequence[str],
    unread: Sequence[LeftOut],
) -> tuple[tuple[int, int, int] | None, str]:
    """The shape that images come to, at least for samples, and why no run can train on them."""
    if not images:
        return None, "; ".join(filter(None, ("there are no images in this folder", no_images_in(unread))))
    if not shapes:
        return None, f"none of the {counted(images, 'image')} here can be read ({problems[0]})"
    readable = images - len(problems)
    problem = TOO_FEW.format(title, readable) if readable == 1 else ""
    try:
        return common_shape(shapes, options), problem
    except DataError as error:
        return (max(shape[0] for shape in shapes), _USUAL_SIDE, _USUAL_SIDE), problem or str(error)


def _left_out(problems: Sequence[str], looked_at: int, images: int) -> tuple[LeftOut, ...]:
    if not problems:
        return ()
    part = "" if looked_at == images else f" of {looked_at:,} looked at"
    reason = f"cannot be read{part}"
    return (LeftOut(reason=reason, count=len(problems), examples=tuple(problems[:_EXAMPLES])),)


def _chosen(entries: Sequence[Entry]) -> list[Entry]:
    """Samples of all splits and classes."""
    names = sorted({one.label for one in entries if one.label is not None})
    by_split = [own for split in SPLITS if (own := [one for one in entries if one.split == split])]
    return [
        own[position]
        for own, share in zip(by_split, shares([len(own) for own in by_split]), strict=True)
        for position in spread(_labels(own, names), len(own), share)
    ]


def _with_samples(
    report: DataReport, images: Sequence[Images], names: Sequence[str], notes: Counter[str]
) -> DataReport:
    levels, suspicions = levels_of(images)
    problem = report.problem or ("" if images else "no image that was looked at can be read")
    return msgspec.structs.replace(
        report,
        levels=levels,
        suspicions=report.suspicions + doubts_of(notes) or suspicions,
        notes=tuple(f"{count} of {counted(len(images), 'sample')}: {note}" for note, count in notes.most_common()),
        samples=sample_batch(images),
        sample_names=tuple(names),
        problem=problem,
    )
