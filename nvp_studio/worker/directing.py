"""Answers about directions: steps of a worker between which short requests are served."""

from collections.abc import Iterator

import numpy as np

from nvp_studio.explore.local_directions import STEPS, finding_local_directions
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.own_directions import making_direction, reading_pictures
from nvp_studio.explore.rendering import draw_reduced
from nvp_studio.image_batch import ImageBatch
from nvp_studio.worker.direction_messages import (
    DirectionAnswer,
    DirectionMade,
    DirectionRequest,
    DirectionsFound,
    FindDirections,
    MakeDirection,
    PicturesRead,
    Preview,
    Previewed,
    ReadPictures,
)
from nvp_studio.worker.inspect_messages import Working

_AT_ONCE = 2
"""Pictures of a step of previews: a drag that begins waits for no more."""


def directing(model: OpenedModel, request: DirectionRequest) -> Iterator[DirectionAnswer | Working | None]:
    """The answers to a request about directions; None after steps that have none."""
    match request:
        case FindDirections():
            return _find(model, request)
        case Preview():
            return _preview(model, request)
        case ReadPictures():
            return _read(model, request)
        case MakeDirection():
            return _make(model, request)


def _find(model: OpenedModel, request: FindDirections) -> Iterator[DirectionsFound | Working | None]:
    steps, done = finding_local_directions(model, request.recipe), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            yield DirectionsFound(end.value.moves, end.value.grey_levels)
            return
        done += 1
        yield Working(done, max(done, STEPS))


def _preview(model: OpenedModel, request: Preview) -> Iterator[Previewed | None]:
    height, width, channels = model.pixel_shape
    images = [np.empty((0, height, width, channels), np.uint8)]
    for start in range(0, len(request.recipes), _AT_ONCE):
        images.append(draw_reduced(model, request.recipes[start : start + _AT_ONCE]))
        yield None
    yield Previewed(ImageBatch.of(np.concatenate(images)))


def _read(model: OpenedModel, request: ReadPictures) -> Iterator[PicturesRead | None]:
    recipes = yield from reading_pictures(model, request.paths)
    yield PicturesRead(recipes)


def _make(model: OpenedModel, request: MakeDirection) -> Iterator[DirectionMade | Working | None]:
    steps = making_direction(model, request.name, request.a, request.b)
    while True:
        try:
            done, total = next(steps)
        except StopIteration as end:
            yield DirectionMade(end.value)
            return
        yield Working(done, total)
