"""A picture on its way through a flow, kept so that questions about single layers and values are answered quickly."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.explore.cells import CURVE_RANGE, Cell
from nvp_studio.explore.inspected import Aspect
from nvp_studio.explore.ledger import dequantized
from nvp_studio.explore.model import OpenedModel
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.dequantization import LEVELS, levels_of
from nvp_studio.flow.engine.walk import Stage, Walk, kept_of
from nvp_studio.flow.mixture import MixtureTransform
from nvp_studio.flow.spline import knots, spline
from nvp_studio.flow.transforms import SplineTransform

_CURVE_POINTS = 121
_PROBABLE = 0.02
"""The probability of a grey level from which on its ends are told, and the curve within it is drawn."""
_WITHIN_LEVEL = 16


class FollowedPicture:
    """The stages of an 8-bit image (H, W, C), dequantized by the noise of its score with seed 0."""

    def __init__(self, model: OpenedModel, pixels: npt.NDArray[np.uint8], walk: Walk | None = None) -> None:
        """`walk` is one through the model's flow, which is made where it is not given."""
        self.model = model
        self.pixels = pixels
        images = np.ascontiguousarray(pixels[np.newaxis])
        walk = Walk(model.flow) if walk is None else walk
        self.stages: list[Stage] = list(walk.stages(dequantized(model.flow, images, 0, 0)))
        self._params: tuple[int, Tensor] | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes, at most."""
        values = self.stages[0].tensor
        coupled = sum(stage.parameters is not None for stage in self.stages)
        return (2 * len(self.stages) + 3 * coupled) * values.numel() * values.element_size()

    def before(self, index: int) -> Tensor:
        """What the stage `index` was given, (1, C', H', W')."""
        if not index:
            return self.stages[0].tensor
        last = self.stages[index - 1]
        return kept_of(self.before(index - 1), last) if last.kind == "prior" else last.tensor

    def channels(self, index: int, aspect: Aspect) -> Tensor:
        """An aspect of the stage `index` in the shape of its tensor, (C', H', W').

        The mask is 1 where values stay. Raises `ValueError` where the stage is no coupling and has values alone, and
        for the shifts of a mixture, which has none.
        """
        stage = self.stages[index]
        if aspect == "values":
            return stage.tensor[0]
        parameters = stage.parameters
        if parameters is None:
            raise ValueError(f"{stage.name} is no coupling: it has neither mask nor parameters")
        if aspect == "shifts" and isinstance(stage.layer, Coupling) and isinstance(stage.layer.law, MixtureTransform):
            raise ValueError(f"{stage.name} is a mixture over grey levels: it has no shifts")
        if aspect == "log-derivatives":
            laid = parameters.log_derivative
        elif aspect == "shifts":
            laid = parameters.shift
        elif aspect == "mask":
            laid = parameters.stays
        else:
            laid = torch.where(parameters.stays > 0, stage.values, torch.nan)
        return stage.places.gather(laid)[0]

    @torch.no_grad()
    def cells(self, index: int, row: int, column: int) -> tuple[Cell, ...]:
        """What the stage `index` did to the values at a pixel, one for each colour channel.

        Raises `ValueError` for a place outside of the picture and a stage that is not there.
        """
        height, width, channels = self.pixels.shape
        if not (0 <= row < height and 0 <= column < width):
            raise ValueError(f"the picture of {width}x{height} pixels has none at x {column}, y {row}")
        if not 0 <= index < len(self.stages):
            raise ValueError(f"there is no layer {index + 1}; the last is {len(self.stages)}")
        return tuple(self._cell(index, channel, row, column) for channel in range(channels))

    def _cell(self, index: int, channel: int, row: int, column: int) -> Cell:
        stage = self.stages[index]
        layer, parameters = stage.layer, stage.parameters
        after = float(stage.values[0, channel, row, column])
        if not isinstance(layer, Coupling) or parameters is None:
            return _unmapped("value", after)
        stays = parameters.stays[0, channel, row, column]
        if stays.isnan() or stays > 0:
            return _unmapped("left" if stays.isnan() else "stays", after)
        before = self.before(index)
        place = int(stage.places.order[channel, row, column])
        numbers = torch.arange(before[0].numel(), dtype=torch.float64, device=before.device).view(before.shape)
        _, changing = layer.mask.split(numbers)
        number = int((changing.flatten() == place).nonzero()[0])
        params = self._parameters(index, layer)
        if isinstance(layer.law, MixtureTransform):
            slope = float(parameters.log_derivative[0, channel, row, column].exp())
            return _level_cell(layer.law, layer.mask.split(before)[1], params, number, slope, after)
        s, t = (one.flatten()[number].double() for one in layer.law.log_scale_and_shift(params))
        x = torch.linspace(-CURVE_RANGE, CURVE_RANGE, _CURVE_POINTS, dtype=torch.float64, device=before.device)
        value = before.flatten()[place].double()
        knots_x = knots_y = x[:0]
        if isinstance(layer.law, SplineTransform):
            own = layer.law.params_by_value(params).flatten(2)[:, :-2, number].double().view(1, -1, 1, 1, 1)
            knots_x, q = (one.flatten() for one in knots(own))
            knots_y = q * torch.exp(s) + t
            x = torch.cat((x, knots_x)).sort().values
            y = spline(x.view(1, 1, 1, -1), own.expand(-1, -1, 1, 1, len(x)))[0].flatten() * torch.exp(s) + t
        else:
            y = x * torch.exp(s) + t
        return Cell(
            state="changes",
            before=float(value),
            after=after,
            slope=float(parameters.log_derivative[0, channel, row, column].exp()),
            scale=float(s),
            shift=float(t),
            x=tuple(x.tolist()),
            y=tuple(y.tolist()),
            knots_x=tuple(knots_x.tolist()),
            knots_y=tuple(knots_y.tolist()),
        )

    def _parameters(self, index: int, layer: Coupling) -> Tensor:
        """The output of a coupling's network, kept for the next question about it."""
        if self._params is None or self._params[0] != index:
            x1, _ = layer.mask.split(self.before(index))
            self._params = index, layer.params(x1)
        return self._params[1]


def _level_cell(law: MixtureTransform, values: Tensor, params: Tensor, number: int, slope: float, after: float) -> Cell:
    """The cell of value `number` of the values (1, G * C, H, W) that a mixture transformed by its parameters."""
    _, channels, height, width = values.shape
    channel, place = divmod(number, height * width)
    pixel, colour = divmod(channel, law.colours)
    pixels = channels // law.colours
    of_pixel = values.reshape(pixels, law.colours, -1)[pixel, :, place].double()
    own = params.reshape(-1, pixels, height * width)[:, pixel, place].double()

    def mapped(x: Tensor) -> Tensor:
        given = of_pixel.repeat(len(x), 1)
        given[:, colour] = x
        z, _ = law(given.view(*given.shape, 1, 1), own.view(1, -1, 1, 1).expand(len(x), -1, 1, 1))
        result: Tensor = z[:, colour, 0, 0]
        return result

    edges = torch.arange(LEVELS + 1, dtype=torch.float64, device=values.device) / LEVELS
    ends = mapped(edges)
    shares = torch.special.ndtr(ends).diff()
    probable = shares >= _PROBABLE
    knots = torch.cat((probable, probable[-1:])) | torch.cat((probable[:1], probable))
    steps = torch.arange(1, _WITHIN_LEVEL, dtype=torch.float64, device=values.device) / (_WITHIN_LEVEL * LEVELS)
    within = (edges[:-1][probable].unsqueeze(1) + steps).flatten()
    x, order = torch.cat((edges, within)).sort()
    y = torch.cat((ends, mapped(within)))[order]
    return Cell(
        state="changes",
        before=float(of_pixel[colour]),
        after=after,
        slope=slope,
        scale=0,
        shift=0,
        x=tuple(x.tolist()),
        y=tuple(y.tolist()),
        knots_x=tuple(edges[knots].tolist()),
        knots_y=tuple(ends[knots].tolist()),
        components=law.components,
        probability=float(shares[int(levels_of(of_pixel[colour]))]),
    )


def _unmapped(state: Literal["stays", "left", "value"], value: float) -> Cell:
    return Cell(state=state, before=value, after=value, slope=1, scale=0, shift=0, x=(), y=(), knots_x=(), knots_y=())
