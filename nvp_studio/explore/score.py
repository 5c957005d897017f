"""Scores of image files: a stream of rows that holds one batch of images in memory, however many files there are."""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.decode_child import Source
from nvp_studio.data.decoding import decoders
from nvp_studio.data.images import ImageError, ReadImage
from nvp_studio.data.scored_files import content_of_source
from nvp_studio.explore.image_scores import Scoring, score_images
from nvp_studio.explore.model import OpenedModel
from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import MAX_SAMPLES, ScoreRow
from nvp_studio.text import error_line, printable

_MOST_PASSED = 4096
"""Files that are passed over before others may have their turn."""


def score_files(
    model: OpenedModel,
    paths: Iterable[str | os.PathLike[str]],
    samples: int = 1,
    seed: int = 0,
    batch_size: int = 64,
    cancelled: Callable[[], bool] = lambda: False,
    archives: Archives | None = None,
    scoring: Scoring | None = None,
) -> Iterator[ScoreRow]:
    """Yield the score of every image file under `paths` (files, folders and archives), in the order they are found.

    A file that cannot be read or scored gives a row with the reason. `samples` are the dequantization samples of the
    bound; a `scoring` says these and more, and then holds instead. Ends early once `cancelled()` is true. `archives`
    that are given stay open.
    """
    for batch in score_batches(model, paths, samples, seed, batch_size, cancelled, archives=archives, scoring=scoring):
        yield from batch


def score_batches(
    model: OpenedModel,
    paths: Iterable[str | os.PathLike[str]],
    samples: int = 1,
    seed: int = 0,
    batch_size: int = 64,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    patience: float = math.inf,
    archives: Archives | None = None,
    scoring: Scoring | None = None,
    wanted: Callable[[str], bool] = lambda name: True,
) -> Iterator[list[ScoreRow]]:
    """As `score_files`, batch by batch; a batch that took `patience` seconds to read is scored before it is full.

    Files whose names are not `wanted` are passed over.
    While a file is decoded or an archive opened that takes long, empty batches are yielded, some fifty times a second.
    """
    scoring = scoring or Scoring(samples, seed)
    if not 1 <= scoring.samples <= MAX_SAMPLES:
        raise ValueError(f"samples must be at least 1 and at most {MAX_SAMPLES}, not {scoring.samples}")
    if batch_size < 1:
        raise ValueError(f"batch size must be at least 1, not {batch_size}")
    rows: list[ScoreRow] = []
    began = time.monotonic()
    with closing(read_files(model, paths, cancelled, archives, wanted)) as read:
        for row in read:
            if row is not None:
                rows.append(row)
            if rows and (len(rows) >= batch_size or time.monotonic() - began >= patience):
                yield _scored(model, rows, scoring)
                rows, began = [], time.monotonic()
            elif row is None:
                yield []
    if rows and not cancelled():
        yield _scored(model, rows, scoring)


def read_files(
    model: OpenedModel,
    paths: Iterable[str | os.PathLike[str]],
    cancelled: Callable[[], bool] = lambda: False,
    archives: Archives | None = None,
    wanted: Callable[[str], bool] = lambda name: True,
) -> Generator[ScoreRow | None]:
    """Yield a row with the pixels of every image file under `paths`, or with the reason why it has none; no scores.

    While a file is decoded or an archive opened that takes long, None is yielded, some fifty times a second.
    """
    with nullcontext(archives) if archives is not None else Archives() as opened:
        found = _Found(opened, paths, wanted)
        while found.more and not cancelled():
            with closing(decoders().read(found.sources(), model.image_shape, model.reading, cancelled)) as images:
                for image in images:
                    yield None if image is None else _row(*found.names.popleft(), image)
            if found.more:
                yield None


class _Found:
    """The files to score; their names for a person and digests of contents are kept until their rows are made."""

    def __init__(
        self, archives: Archives, paths: Iterable[str | os.PathLike[str]], wanted: Callable[[str], bool]
    ) -> None:
        self.names: deque[tuple[str, str]] = deque()
        self.more = True
        self._archives, self._wanted = archives, wanted
        self._found = archives.find(os.fspath(path) for path in paths)

    def sources(self) -> Iterator[Source | ImageError]:
        """Sources up to where something takes long; whether there are `more` is known at the end."""
        passed = 0
        for path in self._found:
            if not isinstance(path, Path):
                return
            name = printable(str(path))
            if not self._wanted(name):
                passed += 1
                if passed == _MOST_PASSED:
                    return
                continue
            source = self._archives.source(path)
            self.names.append((name, content_of_source(source)))  # before it is read: it may change meanwhile
            yield source
        self.more = False


def _row(name: str, content: str, image: ReadImage | ImageError) -> ScoreRow:
    row = ScoreRow(path=name, label_name=Path(name).parent.name, content=content)
    if isinstance(image, ImageError):
        return replace(row, error=error_line(image))
    return replace(row, pixels=ImageBatch.of(image.pixels[np.newaxis]), notes=image.notes)


def _scored(model: OpenedModel, rows: list[ScoreRow], scoring: Scoring) -> list[ScoreRow]:
    """The rows with the scores of those that have pixels."""
    images = [row.pixels.array() for row in rows if row.pixels is not None]
    if not images:
        return rows
    try:
        scored = score_images(model, np.concatenate(images), scoring, [row for row in rows if row.pixels is not None])
    except (ValueError, RuntimeError) as error:
        if len(rows) == 1:
            return [replace(rows[0], error=f"cannot be scored: {error_line(error)}")]
        return [row for single in rows for row in _scored(model, [single], scoring)]
    remaining = iter(scored)
    return [row if row.pixels is None else next(remaining) for row in rows]
