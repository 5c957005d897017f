"""What every invertible layer offers: both directions, and the logarithm of the Jacobian determinant."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn


class Bijection(nn.Module):
    """An invertible, differentiable map of tensors of shape (N, C, H, W).

    Log-determinants have shape (N,), are in nats and belong to the direction that returns them.
    """

    recomputable = True
    """Whether a small error of `recompute` changes gradients little. Else `engine.reversible` keeps x."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x to y; return y and log|det dy/dx|."""
        raise NotImplementedError

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Map y back to x; return x and log|det dx/dy|."""
        raise NotImplementedError

    def inverse(self, y: Tensor) -> Tensor:
        """Map y back to x, without the log-determinant."""
        return self.inverse_with_log_det(y)[0]

    def recompute(self, y: Tensor) -> Tensor:
        """Map y, which `forward` has just returned, back to its x in the mode that the layer is in.

        Other than `inverse`, it must work in training mode too; `engine.reversible` needs it.
        """
        return self.inverse(y)


class Chain(Bijection):
    """Bijections one after another; the log-determinants add up (section 3.5)."""

    def __init__(self, layers: Iterable[Bijection]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def __iter__(self) -> Iterator[Bijection]:
        return iter(self.layers)  # type: ignore[arg-type] # torch types them as modules

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the layers first to last."""
        total = x.new_zeros(len(x))
        for layer in self:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Invert the layers last to first."""
        total = y.new_zeros(len(y))
        for layer in reversed(list(self)):
            y, log_det = layer.inverse_with_log_det(y)
            total = total + log_det
        return y, total

    def inverse(self, y: Tensor) -> Tensor:
        """Invert the layers last to first, without log-determinants."""
        for layer in reversed(list(self)):
            y = layer.inverse(y)
        return y


def sum_per_image(values: Tensor) -> Tensor:
    """Sum everything but the first dimension: (N, ...) -> (N,)."""
    return values.flatten(1).sum(1)


def per_channel(values: Tensor) -> Tensor:
    """View (C,) so that it broadcasts over (N, C, H, W)."""
    return values.view(1, -1, 1, 1)


def constant_log_det(x: Tensor, log_det_per_pixel: Tensor) -> Tensor:
    """Log-determinant (N,) of a layer that maps every pixel of x (N, C, H, W) by the same C x C Jacobian."""
    log_det = log_det_per_pixel * (x.shape[2] * x.shape[3])
    return log_det.expand(len(x)).to(torch.promote_types(x.dtype, torch.float32))
