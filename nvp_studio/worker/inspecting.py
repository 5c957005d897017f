"""Answers to requests of the page Inspect: pictures at every layer, and the health of the layers."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nvp_studio.explore.followed import FollowedPicture
from nvp_studio.explore.health import examine
from nvp_studio.explore.inspection import channel_images, inspection_of
from nvp_studio.explore.larger import require_own_size
from nvp_studio.explore.ledger_baseline import known_baseline, needed_baseline
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.receptive import ReceptiveFields
from nvp_studio.explore.rendering import check_recipe, draw
from nvp_studio.flow.engine.walk import Walk
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Image, Recipe
from nvp_studio.worker.inspect_messages import (
    BaselineFound,
    CellInspected,
    ChannelsInspected,
    Examine,
    Examined,
    FieldFound,
    FindBaseline,
    FindField,
    Inspect,
    InspectCell,
    InspectChannels,
    Inspected,
    InspectRequest,
    Working,
)
from nvp_studio.worker.messages import Answer
from nvp_studio.worker.stepped import stepped

Result = TypeVar("Result")
Steps = Iterator[Answer | None]
_KEPT = 2
"""Pictures that are kept on their way through the model."""
_KEPT_BYTES = 128 * 2**20
"""A picture that takes more is led through the model again for every question."""


class Inspector:
    """Answers requests of the page Inspect; keeps the pictures that were asked about last."""

    def __init__(self) -> None:
        self._kept: dict[Recipe, FollowedPicture] = {}
        self._walk: tuple[OpenedModel, Walk] | None = None
        self._fields: ReceptiveFields | None = None
        self._compiled = False

    def steps(self, request: InspectRequest, model: OpenedModel) -> Steps:
        """The answers to a request about `model`."""
        if model.flow.compiled != self._compiled:  # which may have changed a picture by a grey level
            self._kept, self._fields, self._compiled = {}, None, model.flow.compiled
        match request:
            case Inspect():
                return self._inspect(request, model)
            case InspectCell():
                return self._cell(request, model)
            case InspectChannels():
                return self._channels(request, model)
            case FindBaseline():
                return self._baseline(request, model)
            case FindField():
                return self._field(request, model)
            case Examine():
                return self._examine(request, model)

    def _inspect(self, request: Inspect, model: OpenedModel) -> Steps:
        yield Inspected(inspection_of(self._followed(request.recipe, model)))

    def _cell(self, request: InspectCell, model: OpenedModel) -> Steps:
        followed = self._followed(request.recipe, model)
        cells = followed.cells(request.position - 1, request.row, request.column)
        yield CellInspected(request.position, request.row, request.column, cells)

    def _channels(self, request: InspectChannels, model: OpenedModel) -> Steps:
        images = channel_images(self._followed(request.recipe, model), request.position, request.aspect)
        yield ChannelsInspected(request.position, request.aspect, images)

    def _followed(self, recipe: Recipe, model: OpenedModel) -> FollowedPicture:
        """The picture of a recipe at every layer, kept for the next question about it."""
        kept = self._kept.pop(recipe, None)
        if kept is None or kept.model is not model:
            kept = FollowedPicture(model, _pixels(model, recipe), self._walk_of(model))
        if kept.size <= _KEPT_BYTES:
            self._kept[recipe] = kept
        self._kept = {key: one for key, one in list(self._kept.items())[-_KEPT:] if one.model is model}
        return kept

    def _walk_of(self, model: OpenedModel) -> Walk:
        if self._walk is None or self._walk[0] is not model:
            self._walk = model, Walk(model.flow)
        return self._walk[1]

    def _baseline(self, request: FindBaseline, model: OpenedModel) -> Steps:
        found = known_baseline(model)
        if found is None and request.measure:
            found = yield from _working(partial(needed_baseline, model))
        yield BaselineFound(found)

    def _field(self, request: FindField, model: OpenedModel) -> Steps:
        fields = self._fields
        if fields is None or fields.model is not model or fields.recipe != request.recipe:
            fields = self._fields = ReceptiveFields(model, request.recipe)
        values = fields.field(request.scale, request.channel, request.row, request.column, request.direction)
        yield FieldFound(request, ImageBatch.of(_pixels(model, request.recipe)[np.newaxis]), values.tobytes())

    def _examine(self, request: Examine, model: OpenedModel) -> Steps:
        images = None if request.recipe is None else _pixels(model, request.recipe)[np.newaxis]
        yield Examined((yield from _working(partial(examine, model, images))))


def _pixels(model: OpenedModel, recipe: Recipe) -> npt.NDArray[np.uint8]:
    """The picture (H, W, C) of a recipe: an image that nothing was done to as it is, which need not be decoded."""
    require_own_size(recipe)
    base = recipe.base
    if isinstance(base, Image) and recipe == Recipe(checkpoint=recipe.checkpoint, base=base):
        check_recipe(model, recipe)
        return np.frombuffer(base.pixels, np.uint8).reshape(base.shape)
    drawn: npt.NDArray[np.uint8] = draw(model, [recipe]).images[0]
    return drawn


def _working(work: Callable[[Callable[[int, int], None]], Result]) -> Generator[Answer | None, None, Result]:
    """`Working` at each step of `work`, and what it returns."""
    with closing(stepped(work)) as steps:
        while True:
            try:
                yield Working(*next(steps))
            except StopIteration as end:
                result: Result = end.value
                return result
