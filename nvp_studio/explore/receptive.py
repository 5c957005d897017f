"""Receptive fields, by gradient: which pixels a latent changes, and which pixels reach it."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.explore.ledger import dequantized
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import draw, latent
from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.engine.jacobian import DecoderJacobian
from nvp_studio.recipe import Recipe

Direction = Literal["decoder", "encoder"]
"""Which pixels a latent changes, or which pixels reach it."""


class ReceptiveFields:
    """Those of latents of one picture; what all of them need is computed once."""

    def __init__(self, model: OpenedModel, recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe
        self._decoder: DecoderJacobian | None = None
        self._encoder: tuple[Tensor, Tensor] | None = None

    def field(self, scale: int, channel: int, row: int, column: int, direction: Direction) -> npt.NDArray[np.float32]:
        """The field of a latent, (H, W): root of the sum of squares over the colour channels.

        `scale` counts from 0, finest first; `channel`, `row` and `column` are those of its latents. Of the decoder,
        grey levels for each unit of the latent; of the encoder, units of the latent for each grey level of a pixel.
        Raises `ValueError` for a latent that is not there, and where the gradient is not finite.
        """
        scales = self.model.flow.scales
        if not 0 <= scale < len(scales):
            raise ValueError(f"there is no scale {scale + 1}; the model has {len(scales)}")
        channels, height, width = scales[scale].shape
        if not (0 <= channel < channels and 0 <= row < height and 0 <= column < width):
            raise ValueError(
                f"scale {scale + 1} has {channels} channels of {width}x{height} latents: there is none in channel "
                f"{channel + 1} at x {column}, y {row}"
            )
        number = scales[scale].start + (channel * height + row) * width + column
        changes = self._changed_by(number) if direction == "decoder" else self._reaching(number)
        values = changes.view(self.model.image_shape).double().square().sum(0).sqrt()
        if not torch.isfinite(values).all():
            raise ValueError("the gradient is not finite here")
        field: npt.NDArray[np.float32] = values.to("cpu", torch.float32).numpy()
        return field

    def _changed_by(self, number: int) -> Tensor:
        if self._decoder is None:
            self._decoder = DecoderJacobian(self.model.flow, latent(self.model, self.recipe), block=1)
        dimensions = self.model.flow.config.dimensions
        unit = torch.zeros(1, dimensions, dtype=self.model.flow.latent_dtype, device=self.model.flow.device)
        unit[0, number] = 1
        return LEVELS * self._decoder.times(unit)[0]

    def _reaching(self, number: int) -> Tensor:
        flow = self.model.flow
        with torch.inference_mode(False), torch.enable_grad():
            if self._encoder is None:
                images = draw(self.model, [self.recipe]).images
                x = dequantized(flow, images, 0, 0).to(flow.latent_dtype).clone().requires_grad_()
                self._encoder = x, flow.body(flow.preprocessing(x)[0])[0]
            x, z = self._encoder
            return torch.autograd.grad(z[0, number], x, retain_graph=True)[0][0] / LEVELS
