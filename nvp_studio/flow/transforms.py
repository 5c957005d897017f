"""What a coupling does to each value of x2: a strictly increasing map whose parameters the coupling's network gives.

For x2 of shape (N, C, H, W) the parameters are a tensor (N, params_per_value * C, H, W): all channels of the first
parameter, then all channels of the second, and so on.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from nvp_studio.flow import spline
from nvp_studio.flow.bijection import per_channel


class ElementwiseTransform(nn.Module):
    """A strictly increasing map of each value, or of each given others of the same pixel.

    Log-derivatives have the values' shape, are in nats and belong to the direction that returns them.
    """

    params_per_value: int
    """How many outputs of the network describe the map of one value, where values are mapped one by one."""
    recomputable = True
    """Whether a small error of a value changes gradients little; else it may be in another grey level."""

    def outputs(self, changes: int) -> int:
        """How many outputs of the network describe the maps of so many values."""
        return self.params_per_value * changes

    def log_scale_and_shift(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """The s and t of every value, both of the values' shape."""
        raise NotImplementedError

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (N, C, H, W) by `params` (N, params_per_value * C, H, W); return y and log dy/dx."""
        raise NotImplementedError

    def inverse_with_log_derivative(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Map y back; return x and log dx/dy."""
        raise NotImplementedError

    def inverse(self, y: Tensor, params: Tensor) -> Tensor:
        """Map y back to x."""
        return self.inverse_with_log_derivative(y, params)[0]


class AffineTransform(ElementwiseTransform):
    """y = x * exp(s) + t with s = a * tanh(output), a a learned factor for each channel (section 4.1).

    |s| <= |a| keeps the inverse well conditioned.
    """

    params_per_value = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def log_scale_and_shift(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Return s and t, both of the values' shape."""
        s, t = params.chunk(2, 1)
        return per_channel(self.scale) * torch.tanh(s), t

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """y = x * exp(s) + t (equation 5)."""
        s, t = self.log_scale_and_shift(params)
        return x * torch.exp(s) + t, s

    def inverse_with_log_derivative(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """x = (y - t) * exp(-s) (equation 8)."""
        s, t = self.log_scale_and_shift(params)
        return (y - t) / torch.exp(s), -s


class SplineTransform(ElementwiseTransform):
    """y = q(x) * exp(s) + t, q a monotone rational-quadratic spline (`spline`; Durkan et al. 2019, section 3.1).

    s = a * tanh(output) as in the affine transform; t = B tanh(output / B) stays within the range [-B, B] of the
    spline. The parameters of a value are those of the spline, then those of s and t.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.params_per_value = spline.spline_params(bins) + 2
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """The spline, then the affine map."""
        spline_params, s, t = self._divide(params)
        q, log_derivative = spline.spline(x, spline_params)
        return q * torch.exp(s) + t, log_derivative + s

    def inverse_with_log_derivative(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of the affine map, then that of the spline."""
        spline_params, s, t = self._divide(params)
        x, log_derivative = spline.inverse_spline((y - t) / torch.exp(s), spline_params)
        return x, log_derivative - s

    def log_scale_and_shift(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """The s and t of the affine map after the spline, both of the values' shape."""
        _, s, t = self._divide(params)
        return s, t

    def params_by_value(self, params: Tensor) -> Tensor:
        """(N, params_per_value * C, H, W) -> (N, params_per_value, C, H, W)."""
        count, channels, height, width = params.shape
        return params.view(count, self.params_per_value, channels // self.params_per_value, height, width)

    def _divide(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The spline's parameters (N, params, C, H, W), s and t (N, C, H, W)."""
        by_value = self.params_by_value(params)
        s = per_channel(self.scale) * torch.tanh(by_value[:, -2])
        return by_value[:, :-2], s, spline.BOUND * torch.tanh(by_value[:, -1] / spline.BOUND)


def elementwise_transform(kind: Literal["affine", "spline"], channels: int, bins: int) -> ElementwiseTransform:
    """The transform of `kind` for x2 of so many channels, with so many bins if it is a spline."""
    return SplineTransform(channels, bins) if kind == "spline" else AffineTransform(channels)
