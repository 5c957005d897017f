"""Back-propagation through a chain of bijections without its activations: the inverse computes them again.

Plain autograd keeps every activation of every network s and t until the backward pass, so its memory grows with the
number of couplings. Here the forward pass keeps the chain's two ends alone. The backward pass walks from the last layer
to the first (Gomez et al. 2017, "The Reversible Residual Network"): recompute the layer's input from its output, run
that one layer again with gradients, pass its gradients on. Only one layer's activations exist at a time, and each layer
is computed three times instead of once.

Inverting in floating point is not exact. The chain's first end is kept to know how far the recomputed one is off. If
more than half of the digits are lost, as by an ill-conditioned 1x1 convolution or in a flow about to diverge, the walk
is taken again from the layers' inputs, kept on a second way forward. The gradients are right either way.

Batch normalization needs no exception. Inside a network it sees x1, which a coupling leaves as it is, so s and t come
out the same; between couplings `RunningBatchNorm.recompute` knows the averages that the forward pass used. Buffers are
set back for each recomputation and put right after it, so that running statistics take each batch in once.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.dropout import _DropoutNd

if TYPE_CHECKING:
    from nvp_studio.flow.bijection import Bijection


class _Step(NamedTuple):
    """A layer with its buffers before and after it was computed: running statistics, which training changes."""

    layer: "Bijection"
    before: list[Tensor]
    after: list[Tensor]


def constant_memory_forward(layers: Iterable["Bijection"], x: Tensor, precision: torch.dtype) -> tuple[Tensor, Tensor]:
    """Apply `layers` first to last to x (N, C, H, W): y and log|det dy/dx| (N,), differentiable once.

    What is kept for the backward pass is x, y and the layers' buffers, whatever the number of layers. `precision` is
    the shortest type that a layer computes in, half of whose digits an input must be recomputed to.
    """
    sequence = list(layers)
    parameters = dict.fromkeys(p for layer in sequence for p in layer.parameters() if p.requires_grad)
    result = _ReversibleChain.apply(sequence, precision, x, *parameters)  # type: ignore[no-untyped-call] # torch has no types here
    return cast(tuple[Tensor, Tensor], result)


def check_repeatable(module: nn.Module) -> None:
    """Raise `ValueError` when `module` holds a layer that computes another result when it is run again."""
    for name, part in module.named_modules():
        if isinstance(part, _DropoutNd) and part.p > 0:
            raise ValueError(f"constant memory computes each layer again, which {name} ({part}) makes another layer")


class _ReversibleChain(torch.autograd.Function):
    """Parameters are passed as inputs, so that autograd accumulates their gradients as it does any others."""

    @staticmethod
    def forward(
        ctx: Any, layers: Sequence["Bijection"], precision: torch.dtype, x: Tensor, *parameters: nn.Parameter
    ) -> tuple[Tensor, Tensor]:
        ctx.precision = precision
        y, log_det = x, x.new_zeros(len(x))
        ctx.steps = []
        for layer in layers:
            before = _copies(layer)
            y, change = layer(y)
            log_det = log_det + change
            ctx.steps.append(_Step(layer, before, _copies(layer)))
        # Saving the parameters costs nothing and lets autograd refuse a backward pass after they were changed in place.
        ctx.save_for_backward(x, y, *parameters)
        return y, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor | None, ...]:
        x, y, *parameters = ctx.saved_tensors
        walk = _Walk(grad_y, grad_log_det)
        found = y
        for step, found in zip(reversed(ctx.steps), _inputs_by_inverse(ctx.steps, y), strict=True):
            walk.go(step, found)
        if not _close(found, x, ctx.precision):
            walk = _Walk(grad_y, grad_log_det)
            for step, kept in zip(reversed(ctx.steps), reversed(_inputs_by_forward(ctx.steps, x)), strict=True):
                walk.go(step, kept)
        return None, None, walk.grad, *(walk.of_parameters.get(parameter) for parameter in parameters)


class _Walk:
    """Gradients on the way from the last layer to the first."""

    def __init__(self, grad: Tensor, grad_log_det: Tensor) -> None:
        self.grad = grad
        self.grad_log_det = grad_log_det
        self.of_parameters: dict[Tensor, Tensor] = {}

    def go(self, step: _Step, x: Tensor) -> None:
        """Pass the gradient from the output of a layer to its input x, and to its parameters."""
        x = x.detach().requires_grad_()
        parameters = [parameter for parameter in step.layer.parameters() if parameter.requires_grad]
        with torch.enable_grad(), _buffers(step.layer, step.before):
            pairs = zip(step.layer(x), (self.grad, self.grad_log_det), strict=True)
            outputs, grads = zip(*[pair for pair in pairs if pair[0].requires_grad], strict=True)
            found = torch.autograd.grad(outputs, (x, *parameters), grads, allow_unused=True)
        self.grad = torch.zeros_like(x) if found[0] is None else found[0]
        for parameter, grad in zip(parameters, found[1:], strict=True):
            if grad is not None:
                earlier = self.of_parameters.get(parameter)  # of a layer further on that shares it
                self.of_parameters[parameter] = grad if earlier is None else earlier + grad


def _inputs_by_inverse(steps: Sequence[_Step], y: Tensor) -> Iterator[Tensor]:
    """The input of each layer, last to first, recomputed from the output y of the last."""
    for step in reversed(steps):
        with torch.no_grad(), _buffers(step.layer, step.after):
            y = step.layer.recompute(y)
        yield y


@torch.no_grad()
def _inputs_by_forward(steps: Sequence[_Step], x: Tensor) -> list[Tensor]:
    """The input of each layer, first to last, from the input x of the first."""
    inputs: list[Tensor] = []
    for step in steps:
        inputs.append(x)
        with _buffers(step.layer, step.before):
            x, _ = step.layer(x)
    return inputs


def _close(found: Tensor, expected: Tensor, precision: torch.dtype) -> bool:
    """Whether half of the digits of `precision` agree, in units of the largest value or 1."""
    tolerance = torch.finfo(precision).eps ** 0.5 * expected.abs().amax().clamp(min=1)
    return bool((found - expected).abs().amax() <= tolerance)


def _copies(layer: "Bijection") -> list[Tensor]:
    """Copies of the buffers of a layer in training; in evaluation they do not change, and none are needed."""
    return [buffer.clone() for buffer in layer.buffers()] if layer.training else []


@contextmanager
def _buffers(layer: "Bijection", values: list[Tensor]) -> Iterator[None]:
    """Set the layer's buffers to `values` (none: leave them) and put them back at the end, whatever changed them."""
    if not values:
        yield
        return
    buffers = list(layer.buffers())
    now = [buffer.clone() for buffer in buffers]
    _set(buffers, values)
    try:
        yield
    finally:
        _set(buffers, now)


@torch.no_grad()
def _set(buffers: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)
