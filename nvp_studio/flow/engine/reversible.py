"""Back-propagation through a chain of bijections without its activations: the inverse computes them again.

Plain autograd keeps every activation of every network s and t until the backward pass, so its memory grows with the
number of couplings. Here the forward pass keeps the chain's two ends alone. The backward pass goes from the last layer
to the first (Gomez et al. 2017, "The Reversible Residual Network"): recompute the layer's input from its output, run
that one layer again with gradients, pass its gradients on. Only one layer's activations exist at a time, and each layer
is computed three times instead of once.

Inverting in floating point is not exact. The input of the chain is kept, to measure how far the recomputed one is off.
If more than half of the digits are lost, as by an ill-conditioned 1x1 convolution or in a flow about to diverge, the
backward pass is repeated from layers' inputs that a second forward pass keeps. The gradients are right either way.

Where a layer is not `recomputable`, as couplings of mixtures, whose networks see the level that a value is in, the
inputs of all layers are kept. They are few there, and small beside what the networks compute.

Batch normalization is no special case. Inside a network it sees x1, which a coupling leaves as it is, so s and t come
out the same; between couplings `RunningBatchNorm.recompute` uses the averages of the forward pass. Buffers are set back
for each recomputation and restored after it, so that running statistics are updated once for each batch.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nvp_studio.flow.bijection import Bijection, Chain


class ReversibleChain(Chain):
    """A `Chain` that keeps no activations for the backward pass; differentiable once.

    `precision` is the shortest type that a layer computes in (None: that of the values), half of whose digits an input
    must be recomputed to.
    """

    def __init__(self, layers: Iterable[Bijection], precision: torch.dtype | None = None) -> None:
        super().__init__(layers)
        self.precision = precision

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `Chain.forward`. What is kept is x, y and the layers' buffers, whatever the number of layers.

        Of layers that are not recomputable it is their inputs too.
        """
        if not (len(self.layers) and torch.is_grad_enabled()):
            return super().forward(x)
        layers = list(self)
        parameters = dict.fromkeys(p for layer in layers for p in layer.parameters() if p.requires_grad)
        precision = self.precision or x.dtype
        result = _ReversibleFunction.apply(layers, precision, x, *parameters)  # type: ignore[no-untyped-call]
        return cast(tuple[Tensor, Tensor], result)


class _Step(NamedTuple):
    """A layer with its buffers before and after it was computed: running statistics, which training changes."""

    layer: Bijection
    before: list[Tensor]
    after: list[Tensor]


class _ReversibleFunction(torch.autograd.Function):
    """Takes the parameters as inputs, so that autograd accumulates their gradients as it does any others."""

    @staticmethod
    def forward(
        ctx: Any, layers: Sequence[Bijection], precision: torch.dtype, x: Tensor, *parameters: nn.Parameter
    ) -> tuple[Tensor, Tensor]:
        ctx.precision = precision
        y, log_det = x, x.new_zeros(len(x))
        ctx.steps = []
        inputs: list[Tensor] = []
        for layer in layers:
            before = _copies(layer)
            inputs.append(y)
            y, change = layer(y)
            log_det = log_det + change
            ctx.steps.append(_Step(layer, before, _copies(layer)))
        # Saving the parameters costs nothing and lets autograd refuse a backward pass after they were changed in place.
        ctx.kept = 0 if all(layer.recomputable for layer in layers) else len(inputs)
        ctx.save_for_backward(x, y, *inputs[: ctx.kept], *parameters)
        return y, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor | None, ...]:
        x, y, *rest = ctx.saved_tensors
        inputs, parameters = rest[: ctx.kept], rest[ctx.kept :]
        gradients = _Gradients(grad_y, grad_log_det)
        if not inputs:
            recomputed = gradients.pass_through_all(ctx.steps, _inputs_by_inverse(ctx.steps, y))
            if not _close(recomputed, x, ctx.precision):
                inputs = _inputs_by_forward(ctx.steps, x)
                gradients = _Gradients(grad_y, grad_log_det)
        if inputs:
            gradients.pass_through_all(ctx.steps, reversed(inputs))
        return None, None, gradients.grad, *(gradients.of_parameters.get(parameter) for parameter in parameters)


class _Gradients:
    """The gradients as they are passed from the last layer to the first."""

    def __init__(self, grad: Tensor, grad_log_det: Tensor) -> None:
        self.grad = grad
        self.grad_log_det = grad_log_det
        self.of_parameters: dict[Tensor, Tensor] = {}

    def pass_through_all(self, steps: Sequence[_Step], inputs: Iterable[Tensor]) -> Tensor:
        """Pass the gradient through the layers, last to first, given their inputs in this order; return the last."""
        for step, x in zip(reversed(steps), inputs, strict=True):
            self.pass_through(step, x)
        return x

    def pass_through(self, step: _Step, x: Tensor) -> None:
        """Pass the gradient from the output of a layer to its input x, and to its parameters."""
        x = x.detach().requires_grad_()
        parameters = [parameter for parameter in step.layer.parameters() if parameter.requires_grad]
        with torch.enable_grad(), _buffers(step.layer, step.before):
            pairs = zip(step.layer(x), (self.grad, self.grad_log_det), strict=True)
            outputs, grads = zip(*[pair for pair in pairs if pair[0].requires_grad], strict=True)
            grad_x, *rest = torch.autograd.grad(outputs, (x, *parameters), grads, allow_unused=True)
        self.grad = torch.zeros_like(x) if grad_x is None else grad_x
        for parameter, grad in zip(parameters, rest, strict=True):
            if grad is not None:
                earlier = self.of_parameters.get(parameter)  # of a later layer that shares it
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


def _close(recomputed: Tensor, expected: Tensor, precision: torch.dtype) -> bool:
    """Whether half of the digits of `precision` agree, in units of the largest value or 1."""
    tolerance = torch.finfo(precision).eps ** 0.5 * expected.abs().amax().clamp(min=1)
    return bool((recomputed - expected).abs().amax() <= tolerance)


def _copies(layer: Bijection) -> list[Tensor]:
    """Copies of the buffers of a layer in training mode; in evaluation mode they do not change, and none are made."""
    return [buffer.clone() for buffer in layer.buffers()] if layer.training else []


@contextmanager
def _buffers(layer: Bijection, values: list[Tensor]) -> Iterator[None]:
    """Set the layer's buffers to `values` (none: leave them) and restore them at the end."""
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
