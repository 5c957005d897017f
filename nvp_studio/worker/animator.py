"""Answers to requests of Explore's animations."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from nvp_studio.explore.animating import BATCH, check_animation, drawing_frames
from nvp_studio.explore.animation import Animation
from nvp_studio.explore.animation_files import reading_animation, write_animation
from nvp_studio.explore.model import OpenedModel
from nvp_studio.files import write_whole
from nvp_studio.image_batch import ImageBatch
from nvp_studio.worker.animation_messages import (
    AnimationProgress,
    AnimationRead,
    AnimationRequest,
    AnimationSaved,
    DrawFrames,
    FramesDone,
    FramesDrawn,
    ReadAnimation,
    SaveAnimation,
)
from nvp_studio.worker.compiling import Compiling
from nvp_studio.worker.messages import Answer
from nvp_studio.worker.stepped import stepped

_TOLD_SECONDS = 0.1
"""Between two answers that tell the progress."""


def animation_steps(request: AnimationRequest, model: OpenedModel, compiling: Compiling) -> Iterator[Answer | None]:
    """The answers to a request, one after each step."""
    match request:
        case DrawFrames():
            return _draw(request, model)
        case SaveAnimation():
            return _save(request, model, compiling)
        case ReadAnimation():
            return _read(request)


def _draw(request: DrawFrames, model: OpenedModel) -> Iterator[Answer | None]:
    if max(request.numbers, default=0) >= request.animation.frames:
        raise ValueError(f"the animation has {request.animation.frames:,} frames")
    for start, images in drawing_frames(model, request.animation, request.numbers, _batch(model)):
        yield FramesDrawn(start, ImageBatch.of(images))
    yield FramesDone()


def _save(request: SaveAnimation, model: OpenedModel, compiling: Compiling) -> Iterator[Answer | None]:
    animation = _of_model(request.animation, model)
    if Path(request.path).suffix.lower() == ".json":
        check_animation(model, animation)
        write_whole(request.path, animation.to_json().encode())
        yield AnimationSaved(request.path)
        return

    yield from compiling.waiting()  # so that the pixels of a film depend on no moment

    def write(report: Callable[[int, int], None]) -> None:
        write_animation(request.path, model, animation, request.pixel_size, report, _batch(model))

    told = 0.0
    with closing(stepped(write)) as steps:
        for done, total in steps:
            if time.monotonic() - told > _TOLD_SECONDS:
                told = time.monotonic()
                yield AnimationProgress(done, total)
            else:
                yield None
    yield AnimationSaved(request.path)


def _batch(model: OpenedModel) -> int:
    """Frames that are decoded in one step: compiled loops decode them one by one, and a drag waits for a step."""
    return 1 if model.flow.device.type == "cpu" else BATCH


def _of_model(animation: Animation, model: OpenedModel) -> Animation:
    """The animation with the open model named as that of its keyframes."""
    keyframes = tuple(msgspec.structs.replace(recipe, checkpoint=model.digest) for recipe in animation.keyframes)
    return msgspec.structs.replace(animation, keyframes=keyframes)


def _read(request: ReadAnimation) -> Iterator[Answer | None]:
    animation = yield from reading_animation(request.path)
    yield AnimationRead(request.path, animation)
