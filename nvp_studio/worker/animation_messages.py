"""The messages of Explore's tool that animates the way between pictures."""

from typing import Annotated

import msgspec

from nvp_studio.explore.animation import MOST_FRAMES, Animation
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import PathText

FrameNumber = Annotated[int, msgspec.Meta(ge=0, lt=MOST_FRAMES)]


class DrawFrames(msgspec.Struct, frozen=True, tag="draw-frames"):
    """Decode these frames, in this order: `FramesDrawn` after some of them, then `FramesDone`."""

    animation: Animation
    numbers: Annotated[tuple[FrameNumber, ...], msgspec.Meta(max_length=MOST_FRAMES)]


class FramesDrawn(msgspec.Struct, frozen=True, tag="frames-drawn"):
    """Of `DrawFrames`: the pictures of `numbers` from the place `start` on."""

    start: int
    images: ImageBatch


class FramesDone(msgspec.Struct, frozen=True, tag="frames-done"):
    """All frames of a `DrawFrames` were sent."""


class SaveAnimation(msgspec.Struct, frozen=True, tag="save-animation"):
    """Write an animation as a film, or as itself where `path` ends in .json: `AnimationProgress`, `AnimationSaved`."""

    animation: Animation
    path: PathText
    pixel_size: int = 1
    """Side of the square that each pixel becomes."""


class AnimationProgress(msgspec.Struct, frozen=True, tag="animation-progress"):
    """Of `SaveAnimation`."""

    done: int
    total: int


class AnimationSaved(msgspec.Struct, frozen=True, tag="animation-saved"):
    """Answer to `SaveAnimation`."""

    path: PathText


class ReadAnimation(msgspec.Struct, frozen=True, tag="read-animation"):
    """Read an animation from its .json file, or from a film that holds it: answered by `AnimationRead`."""

    path: PathText


class AnimationRead(msgspec.Struct, frozen=True, tag="animation-read"):
    """Answer to `ReadAnimation`."""

    path: PathText
    animation: Animation


AnimationRequest = DrawFrames | SaveAnimation | ReadAnimation
AnimationAnswer = FramesDrawn | FramesDone | AnimationProgress | AnimationSaved | AnimationRead
