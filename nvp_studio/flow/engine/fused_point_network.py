"""A `PointNetwork` as one autograd function with its gradient written out: small networks spend more time in autograd
than in their products.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from nvp_studio.flow.networks import INPUT_CLAMP
from nvp_studio.flow.point_network import LEAK, PointNetwork

_leaky_backward = torch.ops.aten.leaky_relu_backward


def run_fused(network: nn.Module, x1: Tensor) -> Tensor:
    """A `Coupling.run_network` for point networks: the same values, and gradients that are differentiable once."""
    assert isinstance(network, PointNetwork)
    maps = (network.enter, network.widen, network.narrow, network.leave)
    weights = [tensor for each in maps for tensor in (each.weight, each.bias)]
    output: Tensor = _PointNetworkFunction.apply(x1.flatten(1), *weights)  # type: ignore[no-untyped-call]
    return torch.unflatten(output, 1, (-1, 1, 1))


class _PointNetworkFunction(torch.autograd.Function):
    """(x (N, inputs), weight and bias of enter, widen, narrow and leave) -> (N, outputs)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        """The outputs."""
        enter, enter_bias, widen, widen_bias, narrow, narrow_bias, leave, leave_bias = weights
        clamped = x.clamp(-INPUT_CLAMP, INPUT_CLAMP)
        first = functional.leaky_relu_(torch.addmm(enter_bias, clamped, enter.t()), LEAK)
        middle = functional.leaky_relu_(torch.addmm(widen_bias, first, widen.t()), LEAK)
        last = functional.leaky_relu_(torch.addmm(narrow_bias, middle, narrow.t()).add_(first), LEAK)
        ctx.save_for_backward(x, clamped, first, middle, last, enter, widen, narrow, leave)
        return torch.addmm(leave_bias, last, leave.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        """Gradients of x and of the weights; a leaky ReLU's slope is told by the sign of its output."""
        x, clamped, first, middle, last, enter, widen, narrow, leave = ctx.saved_tensors
        to_last = _leaky_backward(grad @ leave, last, LEAK, True)
        to_middle = _leaky_backward(to_last @ narrow, middle, LEAK, True)
        to_first = _leaky_backward(torch.addmm(to_last, to_middle, widen), first, LEAK, True)
        to_x = (to_first @ enter).masked_fill_(x != clamped, 0)
        return (
            to_x,
            to_first.t() @ clamped,
            to_first.sum(0),
            to_middle.t() @ first,
            to_middle.sum(0),
            to_last.t() @ middle,
            to_last.sum(0),
            grad.t() @ last,
            grad.sum(0),
        )
