"""Answers to requests about known images: the neighbours of a picture."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing

import numpy as np

from nvp_studio.data.options import Paced
from nvp_studio.explore.known_images import KnownImages, known_images
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.neighbours import finding
from nvp_studio.explore.rendering import draw
from nvp_studio.image_batch import ImageBatch
from nvp_studio.worker.messages import Answer
from nvp_studio.worker.neighbour_messages import Comparing, FindNeighbours, NeighbourRequest, NeighboursFound
from nvp_studio.worker.stepped import stepped

Steps = Iterator[Answer | None]


class Comparer:
    """Answers requests about known images, of which it keeps those that were used last."""

    def __init__(self) -> None:
        self._known: KnownImages | None = None
        self._key: tuple[str, str] = ("", "")
        """Digest of the model, and the data."""

    def steps(self, request: NeighbourRequest, model: OpenedModel) -> Steps:
        """The answers to a request about `model`."""
        return self._find(request, model)

    def _find(self, request: FindNeighbours, model: OpenedModel) -> Steps:
        image = draw(model, [request.recipe]).images[0]
        known = yield from self._load(model, request.data)
        steps = finding(model, known, image, request.space, request.count)
        while True:
            try:
                work, done, total = next(steps)
            except StopIteration as end:
                found = end.value
                break
            yield Comparing(work, done, total)
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
