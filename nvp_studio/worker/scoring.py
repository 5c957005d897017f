"""Answers to requests of the page Score: scores, references, images and maps of files."""

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from nvp_studio.checkpoints import find_checkpoint
from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.scored_files import DIGEST_BYTES, name_digest
from nvp_studio.explore.image_scores import Scoring
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.references import known_reference, make_reference, needed_reference, reference_names
from nvp_studio.explore.report_facts import report_facts, report_picture
from nvp_studio.explore.score import read_files, score_batches
from nvp_studio.explore.score_tables import read_table
from nvp_studio.flow.engine.ledger import Ledger, gradient
from nvp_studio.score_row import ScoreRow
from nvp_studio.scores.reference import OWN, NoReferenceError, Reference
from nvp_studio.text import shape_text
from nvp_studio.worker.compiling import Compiling
from nvp_studio.worker.messages import Answer
from nvp_studio.worker.score_messages import (
    BitsMapped,
    DrawMaps,
    ImagesRead,
    MakingReference,
    MapBits,
    MapsDrawn,
    ReadImages,
    ReadTable,
    ReferenceInfo,
    ReferenceReady,
    Score,
    ScoreDone,
    ScoreRequest,
    ScoreRows,
    TableRead,
    TableRows,
    UseReference,
)
from nvp_studio.worker.stepped import stepped

_READING_SECONDS = 0.05
"""A batch of files that took this long to read is scored before it is full."""
_TABLE_ROWS = 256
"""Rows of a table that are read at once."""
_COUNTING_SECONDS = 0.005
"""Time for counting files after each batch that was scored."""

Cancelled = Callable[[], bool]
Steps = Iterator[Answer | None]


class Scorer:
    """Answers requests about image files; keeps the reference that was used last."""

    def __init__(self) -> None:
        self._archives = Archives()
        self._reference: Reference | None = None
        self._second: tuple[tuple[str, int], OpenedModel] | None = None
        """The second model that was used last, with its file and when that was changed."""

    def steps(
        self, request: ScoreRequest, model: OpenedModel, compiling: Compiling, batch: int, cancelled: Cancelled
    ) -> Steps:
        """The answers to a request about `model`; `batch` images are scored at once."""
        match request:
            case Score():
                return self._score(request, model, compiling, batch, cancelled)
            case ReadTable():
                return self._read_table(request, model)
            case UseReference():
                return self._use(request, model, compiling, cancelled)
            case ReadImages():
                return self._read(request, model, cancelled)
            case MapBits():
                return self._map(request, model, cancelled)
            case DrawMaps():
                return self._draw(request, model, cancelled)

    def _score(
        self, request: Score, model: OpenedModel, compiling: Compiling, batch: int, cancelled: Cancelled
    ) -> Steps:
        yield from compiling.waiting()  # so that a file's score depends on no moment
        began = time.perf_counter()
        done = counted_so_far = 0
        counted = False
        reference = self._found(model, request.reference) if request.reference else None
        against = None
        if request.against:
            against = yield from self._compared(request.against, model)
        else:
            self._second = None
        known = {request.known[at : at + DIGEST_BYTES] for at in range(0, len(request.known), DIGEST_BYTES)}
        passed = 0

        def wanted(name: str) -> bool:
            nonlocal passed
            is_known = bool(known) and name_digest(name) in known
            passed += is_known
            return not is_known

        archives = self._archives
        counting = archives.find(request.paths)  # a second walk, ahead of the scoring: the total without keeping paths
        batches = score_batches(
            model,
            request.paths,
            batch_size=max(1, batch // max(1, request.samples)),
            cancelled=cancelled,
            patience=_READING_SECONDS,
            archives=archives,
            scoring=Scoring(request.samples, request.seed, request.weighted, reference, against=against),
            wanted=wanted,
        )
        try:
            for rows in batches:
                if not rows:
                    yield None
                    continue
                done += len(rows)
                more, counted = (0, True) if counted else _count_some(counting)
                counted_so_far += more
                total = max(counted_so_far, done + passed)
                yield ScoreRows(tuple(rows), done + passed, total, counted)
            if passed:
                yield ScoreRows((), done + passed, done + passed, counted=True)
        finally:
            archives.close(but_unpacked=True)  # an open file cannot be deleted on every system
        yield ScoreDone(time.perf_counter() - began)

    def _read_table(self, request: ReadTable, model: OpenedModel) -> Steps:
        rows: list[ScoreRow] = []
        taken = left = 0
        try:
            for row in read_table(request.path, model.digest, self._archives):
                if row is None:
                    left += 1
                else:
                    taken += 1
                    rows.append(row)
                if len(rows) == _TABLE_ROWS or (taken + left) % _TABLE_ROWS == 0:
                    yield TableRows(tuple(rows))
                    rows = []
        finally:
            self._archives.close(but_unpacked=True)
        yield TableRows(tuple(rows))
        yield TableRead(taken, left)

    def _use(self, request: UseReference, model: OpenedModel, compiling: Compiling, cancelled: Cancelled) -> Steps:
        if request.paths or request.name == OWN:
            yield from compiling.waiting()
            work = partial(_make, model, request, cancelled) if request.paths else partial(needed_reference, model)
            with closing(stepped(work)) as steps:
                while True:
                    try:
                        yield MakingReference(*next(steps))
                    except StopIteration as end:
                        self._reference = end.value
                        break
        yield ReferenceReady(_info(self._found(model, request.name)), tuple(reference_names(model)))

    def _read(self, request: ReadImages, model: OpenedModel, cancelled: Cancelled) -> Steps:
        rows = yield from self._rows(request.paths, model, cancelled)
        yield ImagesRead(tuple(rows))

    def _map(self, request: MapBits, model: OpenedModel, cancelled: Cancelled) -> Steps:
        reference = self._found(model, request.reference)
        (row,) = yield from self._rows((request.path,), model, cancelled)
        if row.pixels is None:
            raise ValueError(row.error)
        image = row.pixels.array()
        bits = Ledger(model.flow).bits(image)
        yield None
        gradients = model.flow.config.has_gradients
        slopes = np.abs(gradient(model.flow, image)[0]).sum(2) if gradients else np.empty(0, np.float32)
        layers = np.concatenate((bits.total, bits.by_scale[0]))
        yield BitsMapped(
            path=row.path,
            image=row.pixels,
            layers=_float32(layers),
            low=tuple(reference.maps.low.tolist()),
            high=tuple(reference.maps.high.tolist()),
            limit=_float32(reference.maps.limit),
            slopes=_float32(slopes),
        )

    def _draw(self, request: DrawMaps, model: OpenedModel, cancelled: Cancelled) -> Steps:
        reference = self._found(model, request.reference) if request.reference else None
        picture = report_picture(model, reference)
        pictures = []
        for path in request.paths:
            (row,) = yield from self._rows((path,), model, cancelled)
            pictures.append(b"" if row.pixels is None else picture(row.pixels.array()))
            yield None
        yield MapsDrawn(tuple(pictures), report_facts(model, reference))

    def _rows(
        self, paths: tuple[str, ...], model: OpenedModel, cancelled: Cancelled
    ) -> Generator[None, None, list[ScoreRow]]:
        """Rows of files, one for each path."""
        rows: list[ScoreRow] = []
        archives = self._archives
        try:
            with closing(read_files(model, paths, cancelled, archives)) as read:
                for row in read:
                    if row is not None:
                        rows.append(row)
                    yield None
        finally:
            archives.close(but_unpacked=True)
        return rows

    def _compared(self, name: str, model: OpenedModel) -> Generator[None, None, OpenedModel]:
        """The second model of this path or name; raises `ValueError` where its images have another shape."""
        file = find_checkpoint(name)
        now = (str(file), os.stat(file).st_mtime_ns if os.path.exists(file) else 0)
        if self._second is None or self._second[0] != now:
            self._second = (now, open_model(file, model.flow.device))
        _, second = self._second
        if second.image_shape != model.image_shape:
            theirs, ours = (shape_text(*shape) for shape in (second.image_shape, model.image_shape))
            raise ValueError(f"the second model is of images of {theirs}, the open one of {ours}")
        yield from Compiling(second).waiting()
        return second

    def _found(self, model: OpenedModel, name: str) -> Reference:
        kept = self._reference
        if kept is None or (kept.name, kept.model) != (name, model.digest):
            self._reference = kept = known_reference(model, name)
        if kept is None:
            raise NoReferenceError(f"the model has no reference called {name}")
        return kept


def _make(
    model: OpenedModel, request: UseReference, cancelled: Cancelled, progress: Callable[[int, int], None]
) -> Reference:
    progress(0, 0)
    return make_reference(model, request.paths, request.name, progress=progress, cancelled=cancelled)


def _info(reference: Reference) -> ReferenceInfo:
    return ReferenceInfo(
        name=reference.name,
        source=reference.source,
        images=reference.images,
        calibration=len(reference.judge.calibration),
        created=reference.created,
    )


def _float32(values: "np.typing.NDArray[np.floating]") -> bytes:
    return np.ascontiguousarray(values, np.float32).tobytes()


def _count_some(files: Iterator[Path | int]) -> tuple[int, bool]:
    """Count files for `_COUNTING_SECONDS`; returns how many, and whether those were the last."""
    until = time.monotonic() + _COUNTING_SECONDS
    count = 0
    for path in files:
        count += isinstance(path, Path)
        if time.monotonic() > until:
            return count, False
    return count, True
