"""The frames of an animation: from keyframes to latents, and from latents to pictures."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.explore.animation import Animation
from nvp_studio.explore.latents import between, on_spline
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import check_recipe, decoded, latent

Pixels = npt.NDArray[np.uint8]

BATCH = 8


def check_animation(model: OpenedModel, animation: Animation) -> None:
    """Raise `ValueError` with a one-line reason when `model` cannot decode a keyframe, or there are too few of them."""
    if not animation.complete:
        raise ValueError("an animation needs at least two keyframes")
    for number, recipe in enumerate(animation.keyframes, 1):
        try:
            check_recipe(model, recipe)
        except ValueError as error:
            raise ValueError(f"keyframe {number}: {error}") from error


class FrameLatents:
    """The latents of an animation's frames; those of keyframes are computed when they are first needed."""

    def __init__(self, model: OpenedModel, animation: Animation) -> None:
        """Raises `ValueError` as `check_animation`."""
        check_animation(model, animation)
        self._model, self._animation = model, animation
        self._keyframes: dict[int, Tensor] = {}
        self._recipes = animation.corner_recipes() if animation.path == "corners" else []

    @torch.inference_mode()
    def __call__(self, frame: int) -> Tensor:
        """The latent z (1, D) of a frame, counted from 0."""
        animation, scales = self._animation, self._model.flow.scales
        if animation.path == "corners":
            return latent(self._model, self._recipes[frame])
        leg, share = animation.position(frame)
        if share == 0:
            return self._keyframe(leg)
        if animation.path == "sphere":
            return between(self._keyframe(leg), self._keyframe(leg + 1), share, scales)
        before, a, b, after = (self._point(leg + step) for step in (-1, 0, 1, 2))
        return on_spline((before, a, b, after), share, scales, keep_length=animation.keep_length)

    def _point(self, number: int) -> Tensor:
        """A keyframe's latent; beyond the ends of an open path the reflection of the neighbour at the end."""
        last = len(self._animation.keyframes) - 1
        if self._animation.loop or 0 <= number <= last:
            return self._keyframe(number)
        end, inner = (0, 1) if number < 0 else (last, last - 1)
        return 2 * self._keyframe(end) - self._keyframe(inner)

    def _keyframe(self, number: int) -> Tensor:
        recipes = self._animation.keyframes
        number %= len(recipes)
        if number not in self._keyframes:
            self._keyframes[number] = latent(self._model, recipes[number])
        return self._keyframes[number]


def drawing_frames(
    model: OpenedModel, animation: Animation, numbers: Sequence[int] | None = None, batch: int = BATCH
) -> Iterator[tuple[int, Pixels]]:
    """Decode frames, all in their order or those with these numbers: (place in the order, pictures (N, H, W, C)).

    `batch` frames are decoded at once; how many has no effect on them once the model is compiled (`Inference.compile`).
    Raises `ValueError` when the model cannot decode a keyframe or a frame.
    """
    latents = FrameLatents(model, animation)
    wanted: Sequence[int] = range(animation.frames) if numbers is None else numbers
    for start in range(0, len(wanted), batch):
        z = torch.cat([latents(frame) for frame in wanted[start : start + batch]])
        yield start, decoded(model, z)


def animate(model: OpenedModel, animation: Animation) -> Pixels:
    """All frames of an animation, (F, H, W, C), by the compiled model as in the window; errors as `drawing_frames`."""
    model.flow.compile()
    height, width, channels = model.pixel_shape
    frames = np.empty((animation.frames, height, width, channels), np.uint8)
    for start, images in drawing_frames(model, animation):
        frames[start : start + len(images)] = images
    return frames
