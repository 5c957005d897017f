"""What every invertible layer promises: both directions, each with the logarithm of its Jacobian determinant."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from nvp_studio.flow.reversible import constant_memory_forward


class Bijection(nn.Module):
    """An invertible, differentiable map of tensors of shape (N, C, H, W).

    Log-determinants have shape (N,), are in nats and belong to the direction that returns them.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x to y; return y and log|det dy/dx|."""
        raise NotImplementedError

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Map y back to x; return x and log|det dx/dy|."""
        raise NotImplementedError

    def undo(self, y: Tensor) -> Tensor:
        """The x of `inverse` alone."""
        return self.inverse(y)[0]

    def recompute(self, y: Tensor) -> Tensor:
        """Map y, which `forward` has just returned, back to its x in the mode that the layer is in."""
        return self.undo(y)


class Chain(Bijection):
    """Bijections one after another; the log-determinants add up (section 3.3).

    With `constant_memory`, gradients cost memory for one layer at a time instead of all (`reversible`).
    """

    constant_memory = False
    precision: torch.dtype | None = None
    """What the networks within compute in, None for the type of the values; how near a recomputed input can come."""

    def __init__(self, layers: Iterable[Bijection]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the layers first to last."""
        if self.constant_memory and len(self.layers) and torch.is_grad_enabled():
            layers = cast(Iterable[Bijection], self.layers)
            return constant_memory_forward(layers, x, self.precision or x.dtype)
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the layers last to first."""
        total = y.new_zeros(len(y))
        for layer in reversed(self.layers):
            assert isinstance(layer, Bijection)
            y, log_det = layer.inverse(y)
            total = total + log_det
        return y, total


def sum_per_image(values: Tensor) -> Tensor:
    """Sum everything but the first dimension: (N, ...) -> (N,)."""
    return values.flatten(1).sum(1)


def per_channel(values: Tensor) -> Tensor:
    """View (C,) so that it broadcasts over (N, C, H, W)."""
    return values.view(1, -1, 1, 1)


def constant_log_det(x: Tensor, log_det_per_pixel: Tensor) -> Tensor:
    """Log-determinant (N,) of a layer that maps every pixel of x (N, C, H, W) by the same C x C Jacobian."""
    return (
        (log_det_per_pixel * (x.shape[2] * x.shape[3])).expand(len(x)).to(torch.promote_types(x.dtype, torch.float32))
    )
