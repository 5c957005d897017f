"""Answers to requests about known images: the neighbours of a picture, a map of many, single ones."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TypeVar

import numpy as np

from nvp_studio.data.options import Paced
from nvp_studio.explore.image_map import mapping, require_umap
from nvp_studio.explore.known_images import KnownImages, known_images
from nvp_studio.explore.larger import require_own_size
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.neighbours import Step, finding
from nvp_studio.explore.rendering import draw
from nvp_studio.image_batch import ImageBatch
from nvp_studio.worker.map_messages import KnownRead, MakeMap, MapMade, MapRequest, ReadKnown
from nvp_studio.worker.messages import Answer
from nvp_studio.worker.neighbour_messages import Comparing, FindNeighbours, NeighbourRequest, NeighboursFound
from nvp_studio.worker.stepped import stepped

Steps = Iterator[Answer | None]
Result = TypeVar("Result")
_TELL_SECONDS = 0.05


class Comparer:
    """Answers requests about known images, of which it keeps those that were used last."""

    def __init__(self) -> None:
        self._known: KnownImages | None = None
        self._key: tuple[str, str] = ("", "")
        """Digest of the model, and the data."""

    def steps(self, request: NeighbourRequest | MapRequest, model: OpenedModel) -> Steps:
        """The answers to a request about `model`."""
        match request:
            case FindNeighbours():
                return self._find(request, model)
            case MakeMap():
                return self._map(request, model)
            case ReadKnown():
                return self._read(request, model)

    def _find(self, request: FindNeighbours, model: OpenedModel) -> Steps:
        require_own_size(request.recipe)
        image = draw(model, [request.recipe]).images[0]
        known = yield from self._load(model, request.data)
        found = yield from _told(finding(model, known, image, request.space, request.count))
        yield NeighboursFound(
            title=known.title,
            space=found.space,
            images=ImageBatch.of(found.images),
            numbers=tuple(found.indices.tolist()),
            distances=tuple(found.distances.tolist()),
            percent=found.percent,
            held=len(found.held_distances),
            tested=known.tested,
            typical=float(np.median(found.held_distances)),
            near=found.near,
            known=found.known,
            searched=found.searched,
            total=len(known.train),
        )

    def _map(self, request: MakeMap, model: OpenedModel) -> Steps:
        if request.method == "umap":
            require_umap()
        known = yield from self._load(model, request.data)
        made = yield from _told(mapping(model, known, request.space, request.method, request.count))
        yield MapMade(
            title=known.title,
            request=request,
            numbers=tuple(made.numbers.tolist()),
            places=made.places.astype("<f4").tobytes(),
            thumbnails=ImageBatch.of(made.thumbnails),
            shares=made.shares,
            total=len(known.train),
        )

    def _read(self, request: ReadKnown, model: OpenedModel) -> Steps:
        known = yield from self._load(model, request.data)
        if not request.numbers or max(request.numbers) >= len(known.train):
            raise ValueError(f"{known.title} has {len(known.train)} training images, not one of that number")
        yield KnownRead(known.title, request.numbers, ImageBatch.of(known.train[list(request.numbers)]))

    def _load(self, model: OpenedModel, data: str) -> Generator[Comparing, None, KnownImages]:
        """The images of `data`, those of before where they are the same."""
        key = model.digest, data
        if self._known is not None and self._key == key:
            return self._known
        if self._known is not None:
            self._known.latents.close()
            self._known = None

        def work(report: Callable[[int, int], None]) -> KnownImages:
            return known_images(model, data, progress=Paced(lambda done, total, _: report(done, total)))

        yield Comparing("loading", 0, 0)
        with closing(stepped(work)) as steps:
            while True:
                try:
                    done, total = next(steps)
                except StopIteration as end:
                    known: KnownImages = end.value
                    self._known, self._key = known, key
                    return known
                yield Comparing("loading", done, total)


def _told(steps: Generator[Step, None, Result]) -> Generator[Comparing | None, None, Result]:
    """Tell of the steps, some times a second, and return what they return."""
    told, due = "", 0.0
    with closing(steps):
        while True:
            try:
                work, done, total = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            if work == told and time.monotonic() < due:
                yield None
                continue
            told, due = work, time.monotonic() + _TELL_SECONDS
            yield Comparing(work, done, total)
