"""Answers to requests: the part of the worker that computes with torch."""

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import torch

from nvp_studio.data.decoding import decoders
from nvp_studio.data.images import ImageError
from nvp_studio.device import choose_device, choose_threads
from nvp_studio.explore.grids import BATCH, corners_grid, drawing_sheet
from nvp_studio.explore.larger import at_size
from nvp_studio.explore.latents import chi_squared_percent
from nvp_studio.explore.model import OpenedModel, open_model, with_directions_of
from nvp_studio.explore.nudge import step_density
from nvp_studio.explore.pictures import reading_picture, save_picture, write_png
from nvp_studio.explore.redraw import RedrawStep, redrawing
from nvp_studio.explore.references import reference_names, sample_temperatures
from nvp_studio.explore.rendering import draw, draw_reduced, moved_by_scale
from nvp_studio.image_batch import ImageBatch
from nvp_studio.text import printable
from nvp_studio.worker.animation_messages import DrawFrames, ReadAnimation, SaveAnimation
from nvp_studio.worker.animator import animation_steps
from nvp_studio.worker.comparing import Comparer
from nvp_studio.worker.compiling import Compiling, OnCompiled, ignore
from nvp_studio.worker.directing import directing
from nvp_studio.worker.direction_messages import FindDirections, MakeDirection, Preview, ReadPictures
from nvp_studio.worker.inspect_messages import InspectRequest, Working
from nvp_studio.worker.inspecting import Inspector
from nvp_studio.worker.lab_messages import LabBuild, LabPush, LabRead, LabTrain
from nvp_studio.worker.laboratory import Laboratory
from nvp_studio.worker.map_messages import MakeMap, ReadKnown
from nvp_studio.worker.messages import (
    Answer,
    GridSaved,
    ModelInfo,
    ModelOpened,
    Nudge,
    OpenModel,
    Picture,
    PictureRead,
    PictureSaved,
    PictureScored,
    Probe,
    Probed,
    ReadPicture,
    Render,
    RenderSheet,
    SaveGrid,
    SavePicture,
    Sheet,
    Survey,
    Surveying,
    Welcome,
)
from nvp_studio.worker.neighbour_messages import FindNeighbours
from nvp_studio.worker.redraw_messages import Redraw, RedrawDone, RedrawProgress
from nvp_studio.worker.score_messages import DrawMaps, MapBits, ReadImages, ReadTable, Score, UseReference
from nvp_studio.worker.scoring import Scorer
from nvp_studio.worker.task_queue import Task

_CPU_BATCH = 8
_GPU_BATCH = 256
_MAX_RECIPES = 1024
"""Most pictures of a sheet, which are held in memory until it is complete."""
_NEWER_SECONDS = 0.03
"""How long a picture's score waits for a request of a newer picture: more than a slow mouse takes for its next event
(16 ms) and the window for the request. Without one the score is this much later."""
_COMPILING_SECONDS = 0.5
"""How long opening another model waits until it is compiled."""
_SCORE_SECONDS = 0.75
"""While newer pictures are requested all the time, one is scored after each such interval: of pictures of 30 ms fewer
than one in twenty waits for a score."""


class Service:
    """Answers requests, with the model that is open."""

    def __init__(
        self,
        device: str = "auto",
        threads: int | None = None,
        on_compiled: OnCompiled = ignore,
    ) -> None:
        """Choose device and threads; `ValueError` when there is no such device.

        `on_compiled` is called in another thread when a model has been compiled.
        """
        self._device = choose_device(device)
        torch.set_num_threads(choose_threads(threads))
        self._batch = _CPU_BATCH if self._device.type == "cpu" else _GPU_BATCH
        self._model: OpenedModel | None = None
        self._compiling: Compiling | None = None
        self._on_compiled = on_compiled
        self._scorer = Scorer()
        self._inspector = Inspector()
        self._laboratory = Laboratory()
        self._comparer = Comparer()
        self._scored_at = 0.0

    def welcome(self) -> Welcome:
        """The first message to the window."""
        return Welcome(
            torch_version=str(torch.__version__),
            device_name=_device_name(self._device),
            threads=torch.get_num_threads(),
        )

    def steps(self, task: Task) -> Iterator[Answer | None]:
        """The answers to a task's request; long ones yield None, or part of the answer, after each step.

        The model is the one open at this moment, also when another is opened before the last step.
        """
        request = task.ask.request
        if isinstance(request, InspectRequest):
            return self._inspect(self._opened(), request)
        match request:
            case OpenModel():
                return self._open(request)
            case Render():
                return self._render(self._opened(), request, task)
            case RenderSheet():
                return _sheet(self._opened(), request, self._batch)
            case LabBuild() | LabTrain() | LabPush() | LabRead():
                return self._laboratory.steps(request)
            case ReadPicture():
                return _read(self._opened(), request)
            case SavePicture():
                return _save(*self._compiled(), request)
            case Nudge():
                return _nudge(self._opened(), request)
            case Redraw():
                return _redraw(self._opened(), request)
            case FindNeighbours() | MakeMap() | ReadKnown():
                return self._comparer.steps(request, self._opened())
            case FindDirections() | Preview() | ReadPictures() | MakeDirection():
                return directing(self._opened(), request)
            case DrawFrames() | SaveAnimation() | ReadAnimation():
                return animation_steps(request, *self._compiled())
            case SaveGrid():
                return _save_grid(*self._compiled(), request)
            case Score() | ReadTable() | UseReference() | ReadImages() | MapBits() | DrawMaps():
                return self._scorer.steps(request, *self._compiled(), self._batch, task.cancelled.is_set)
            case Probe():
                return _probe(request)
            case Survey():
                return _survey(request)

    def _opened(self) -> OpenedModel:
        if self._model is None:
            raise ValueError("no model is open; open one first")
        return self._model

    def _compiled(self) -> tuple[OpenedModel, Compiling]:
        """The open model, and what compiles it."""
        model = self._opened()
        assert self._compiling is not None
        return model, self._compiling

    def _open(self, request: OpenModel) -> Iterator[Answer | None]:
        model = open_model(request.path, self._device)
        if request.keep_directions and self._model is not None:
            model = with_directions_of(model, self._model)
        before, self._compiling = self._compiling, Compiling(model, self._on_compiled)
        if before is not None:  # loops that are loaded take a moment: so all pictures of a recipe are the same
            before.cancel()
            self._compiling.wait(_COMPILING_SECONDS)
        self._model = model
        self._inspector = Inspector()  # the one before keeps pictures, and with them the model before
        yield ModelOpened(_model_info(model))
        decoders().keep_ready()  # for pictures that are dropped

    def _render(self, model: OpenedModel, request: Render, task: Task) -> Iterator[Answer | None]:
        """The picture as soon as it is decoded, then its score, which takes as long; none if a newer is requested."""
        model = at_size(model, request.recipe)
        drawing = draw(model, [request.recipe])
        base_coordinates = tuple(drawing.base_coordinates[0].tolist())
        lengths = tuple(drawing.squared_lengths[0].tolist())
        yield Picture(
            image=ImageBatch.of(drawing.images),
            base_coordinates=base_coordinates,
            moved=moved_by_scale(model, request.recipe),
            squared_lengths=lengths,
            length_percent=tuple(
                chi_squared_percent(length, scale.stop - scale.start)
                for length, scale in zip(lengths, model.flow.scales, strict=True)
            ),
        )
        overdue = time.monotonic() - self._scored_at > _SCORE_SECONDS
        if overdue or not task.cancelled.wait(_NEWER_SECONDS):
            yield PictureScored(float(model.flow.bits_per_dim(drawing.images)[0]))
            self._scored_at = time.monotonic()
        if self._compiling is not None:
            self._compiling.begin()

    def _inspect(self, model: OpenedModel, request: InspectRequest) -> Iterator[Answer | None]:
        """The answers of Inspect; the next request of a picture finds the model being compiled."""
        yield from self._inspector.steps(request, model)
        if self._compiling is not None:
            self._compiling.begin()


def _sheet(model: OpenedModel, request: RenderSheet, batch: int) -> Iterator[Answer | None]:
    """Pictures of several sizes are shown at the trained one."""
    recipes = request.recipes
    if len(recipes) > _MAX_RECIPES:
        raise ValueError(f"a sheet of {len(recipes):,} pictures is too large; the most is {_MAX_RECIPES:,}")
    mixed = len({recipe.enlarged for recipe in recipes}) > 1
    if mixed and request.scores:
        raise ValueError("pictures of several sizes are not scored together")
    sized = at_size(model, recipes[0]) if recipes and not mixed else model
    height, width, channels = sized.pixel_shape
    images = [np.empty((0, height, width, channels), np.uint8)]
    scores: list[float] = []
    for start in range(0, len(recipes), batch):
        some = recipes[start : start + batch]
        images.append(draw_reduced(model, some) if mixed else draw(model, some).images)
        if request.scores:
            scores += sized.flow.bits_per_dim(images[-1]).tolist()
        yield None
    yield Sheet(recipes, ImageBatch.of(np.concatenate(images)), tuple(scores))


def _read(model: OpenedModel, request: ReadPicture) -> Iterator[Answer | None]:
    try:
        file = yield from reading_picture(model, request.path, plain=request.plain)
    except ImageError as error:
        raise ImageError(f"{printable(os.path.basename(request.path))}: {error}") from error
    yield PictureRead(request.path, file.recipe, file.notes)


def _save(model: OpenedModel, compiling: Compiling, request: SavePicture) -> Iterator[Answer | None]:
    yield from compiling.waiting()  # so that the file has the pixels that its recipe gives later
    recipe = msgspec.structs.replace(request.recipe, checkpoint=model.digest)
    save_picture(request.path, draw(model, [recipe]).images[0], recipe, request.pixel_size)
    yield PictureSaved(request.path)


def _nudge(model: OpenedModel, request: Nudge) -> Iterator[Answer | None]:
    yield PictureRead("", step_density(model, request.recipe, request.space, request.up))


def _redraw(model: OpenedModel, request: Redraw) -> Iterator[Answer | None]:
    height, width, _ = model.pixel_shape
    if len(request.mask) != height * width:
        raise ValueError(f"the region has {len(request.mask)} pixels, the open model's pictures {height * width}")
    mask = np.frombuffer(request.mask, np.uint8).reshape(height, width) > 0
    for step in redrawing(model, request.recipe, mask, request.seed):
        if isinstance(step, RedrawStep):
            yield RedrawProgress(step.done, step.total, ImageBatch.of(step.image))
        else:
            yield RedrawDone(step.recipe, step.before, step.after, step.accepted)


def _save_grid(model: OpenedModel, compiling: Compiling, request: SaveGrid) -> Iterator[Answer | None]:
    yield from compiling.waiting()
    recipe = msgspec.structs.replace(request.recipe, checkpoint=model.digest)
    recipes = corners_grid(recipe, request.rows, request.columns)
    steps, done = drawing_sheet(model, recipes, request.columns, request.pixel_size), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            write_png(request.path, end.value, recipe)
            yield GridSaved(request.path)
            return
        done = min(done + BATCH, len(recipes))
        yield Working(done, len(recipes))


def _probe(request: Probe) -> Iterator[Answer | None]:
    from nvp_studio.training.probe import probe  # not needed by an explorer's start

    threads = torch.get_num_threads()
    try:
        found = probe(request.config, request.image_shape)
    finally:
        torch.set_num_threads(threads)
    yield Probed(*found)


def _survey(request: Survey) -> Iterator[Answer | None]:
    from nvp_studio.data.options import LoadOptions
    from nvp_studio.data.survey import survey_data  # the readers of all data sets: not needed by an explorer's start

    options = LoadOptions(request.image_size, request.channels, request.data_root, reading=request.reading)
    for step in survey_data(request.data, options):
        yield Surveying(step) if isinstance(step, int) else step


def _model_info(model: OpenedModel) -> ModelInfo:
    return ModelInfo(
        name=model.info.name,
        path=model.path,
        digest=model.digest,
        image_shape=model.image_shape,
        latent_shapes=tuple(scale.shape for scale in model.flow.scales),
        parameters=model.parameters,
        data_title=model.info.data.title,
        validation=model.info.validation,
        explained_variance=() if model.directions is None else model.directions.explained_variance,
        direction_names=() if model.directions is None else model.directions.names,
        preset=model.info.preset,
        flow=model.flow.config,
        reference=tuple(model.reference.tolist()),
        references=tuple(reference_names(model)),
        sample_temperatures=sample_temperatures(model),
        step=model.info.step,
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
