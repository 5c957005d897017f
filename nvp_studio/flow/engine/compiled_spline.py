"""The spline transform in training by compiled loops: an autograd function of what `kernels.spline_gradients` computes.

It keeps its inputs alone for the backward pass, which computes the bins again.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nvp_studio.flow.engine.kernels.compiling import Array
from nvp_studio.flow.engine.kernels.spline_gradients import spline_backward, spline_forward
from nvp_studio.flow.engine.kernels.threads import in_threads


class CompiledSpline(torch.autograd.Function):
    """(x (N, C, H, W), params (N, 3 K + 3, C, H, W), scale (C,)) -> y and log dy/dx, of one type, on the CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, params: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """The values; shapes as x."""
        ctx.save_for_backward(x, params, scale)
        values, rows, factors = _arrays(x, params, scale)
        y, log_derivative = x.new_empty(x.shape), x.new_empty(x.shape)
        out, logs = _rows(y), _rows(log_derivative)
        in_threads(lambda some: spline_forward(values[some], rows[some], factors, out[some], logs[some]), len(x))
        return y, log_derivative

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_derivative: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of x, of the parameters and of the scale."""
        x, params, scale = ctx.saved_tensors
        values, rows, factors = _arrays(x, params, scale)
        grad_x, grad_params = x.new_empty(x.shape), params.new_empty(params.shape)
        to_x, to_params = _rows(grad_x), grad_params.flatten(2).numpy()
        by_y, by_log = _rows(grad_y), _rows(grad_log_derivative)
        by_scale: dict[int, Array] = {}

        def work(some: slice) -> None:
            by_scale[some.start] = np.zeros_like(factors)
            spline_backward(
                values[some],
                rows[some],
                factors,
                by_y[some],
                by_log[some],
                to_x[some],
                to_params[some],
                by_scale[some.start],
            )

        in_threads(work, len(x))
        parts = torch.from_numpy(np.stack([by_scale[start] for start in sorted(by_scale)]))  # added in their order
        return grad_x, grad_params, parts.sum(0).view(len(scale), -1).sum(1)


def _arrays(x: Tensor, params: Tensor, scale: Tensor) -> tuple[Array, Array, Array]:
    """Values (N, D), parameters (N, 3 K + 3, D), and the scale of each value, (D,)."""
    factors: Array = scale.detach().repeat_interleave(x.shape[2] * x.shape[3]).numpy()
    return _rows(x), params.detach().contiguous().flatten(2).numpy(), factors


def _rows(tensor: Tensor) -> Array:
    rows: Array = tensor.detach().contiguous().flatten(1).numpy()
    return rows
