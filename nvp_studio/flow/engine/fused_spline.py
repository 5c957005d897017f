"""The spline transform in few operations: the same function as `transforms.SplineTransform`, faster and more exact.

Forward is one autograd function with its gradient written out. Only the parameters of three bins matter to a value,
apart from the sizes of the bins, which a softmax ties together; autograd would walk a hundred tensors for what takes a
few products more. The inverse has fewer operations than the paper's form, and computes no log-derivative when none is
asked for.

Here the parameters have the shape (N, 3 K + 3, C, H, W): those of `spline`, then those of s and t. Positions and sizes
of bins are in units of the whole spline: 0 to 1 instead of -B to B.
"""

import functools
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from nvp_studio.flow.bijection import per_channel
from nvp_studio.flow.spline import BOUND, MIN_HEIGHT, MIN_WIDTH
from nvp_studio.flow.transforms import SplineTransform


class FusedSplineTransform(SplineTransform):
    """A `SplineTransform` computed by this module; `of` makes one that shares the parameters of another.

    Values may have a wider type than the parameters: both directions then follow the same map to the rounding of the
    values.
    """

    @classmethod
    def of(cls, transform: SplineTransform) -> Self:
        """The fused form of `transform`, with the same parameter tensors."""
        fused = cls.__new__(cls)
        torch.nn.Module.__init__(fused)
        fused.params_per_value = transform.params_per_value
        fused.scale = transform.scale
        return fused.train(transform.training)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """As `SplineTransform.forward`; differentiable once.

        By compiled loops on the CPU, in float32, where gradients are wanted. Without them the bins are those that the
        inverse computes, to the last digit, which constant memory relies on: it keeps values without gradients, and
        gets those before them by the inverse.
        """
        arguments = x, self.params_by_value(params), self.scale
        function = _compiled_function() if _is_compiled(*arguments) else None
        pair: tuple[Tensor, Tensor] = (function or _SplineFunction).apply(*arguments)  # type: ignore[no-untyped-call]
        return pair

    def inverse_with_log_derivative(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """As `SplineTransform.inverse_with_log_derivative`."""
        x, xi, root, left, right, slope, s = _inverse(y, self.params_by_value(params), self.scale)
        denominator = 1 + 2 * (left + right - 1) * xi * (1 - xi)
        return x, torch.log(denominator / (2 * slope * root)) - s

    def inverse(self, y: Tensor, params: Tensor) -> Tensor:
        """As `inverse_with_log_derivative`, without the log-derivative."""
        return _inverse(y, self.params_by_value(params), self.scale)[0]


def _is_compiled(*tensors: Tensor) -> bool:
    wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return wanted and all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors)


@functools.cache
def _compiled_function() -> type[torch.autograd.Function] | None:
    """None where there is no numba."""
    try:
        from nvp_studio.flow.engine.compiled_spline import CompiledSpline  # not needed on other devices
    except ImportError:
        return None
    return CompiledSpline


class _Bins(NamedTuple):
    """The bins that values fall into."""

    sizes: Tensor
    """Widths and heights of the bin before, of this one and of the one after, (N, 2, 3, C, H, W)."""
    slopes: Tensor
    """Height / width of the three, 1 where there is no bin, (N, 3, C, H, W)."""
    exponents: Tensor
    """Of both knots, v in `spline`, (N, 2, C, H, W)."""
    number: Tensor
    """(N, 1, C, H, W), from 0."""
    softmax: Tensor
    """Of the logits of all widths and heights, (N, 2, K, C, H, W)."""


def _find_bins(positions: Tensor, params: Tensor, axis: int) -> tuple[Tensor, _Bins]:
    """The bin that holds each value: left edge and bottom (N, 2, C, H, W), and the rest.

    `positions` (N, C, H, W) are along the x axis (axis 0) or the y axis (1). Sizes are differences of the edges as they
    were rounded, so that neighbours meet and the map has no gaps: a value that lies in a bin in one direction does so
    in the other. Positions may be of a wider type than the parameters, and so is the bin.
    """
    count, bins = len(params), params.shape[1] // 3 - 1
    shape = params.shape[2:]
    table = _edge_table(bins, params.dtype, params.device)
    softmax = torch.softmax(params[:, : 2 * bins].view(count, 2, bins, *shape), 2)
    weight = table.weight.expand(count, -1, -1)
    rows = torch.baddbmm(table.bias, weight, softmax.view(count, 2 * bins, shape.numel()))
    rows = rows.view(count, 2 * bins + 6, *shape)
    first = axis * (bins + 3) + 2
    bin_index = (rows[:, first : first + bins - 1] <= positions.unsqueeze(1)).sum(1, keepdim=True)
    index = bin_index + table.rows
    edges = rows.gather(1, index[:, :8]).to(positions.dtype).view(count, 2, 4, *shape)
    sizes = edges[:, :, 1:] - edges[:, :, :-1]
    exponents = torch.tanh(params.gather(1, index[:, 8:]))
    return edges[:, :, 1], _Bins(sizes, sizes[:, 1] / sizes[:, 0], exponents, bin_index, softmax)


class _EdgeTable(NamedTuple):
    """The linear map from the softmax (2 K) to edges: from left to right, then from the bottom to the top (K + 3 each).

    The first and the last edge of either are those of bins beyond the ends, of slope 1, so that ends are no special
    case.
    """

    weight: Tensor
    """(1, 2 K + 6, 2 K)."""
    bias: Tensor
    """(1, 2 K + 6, 1)."""
    rows: Tensor
    """The rows that matter to a value in the first bin, (10, 1, 1, 1): four edges along each axis, and the exponents of
    its knots among the parameters; for bin k, k rows further."""


@functools.cache
def _edge_table(bins: int, dtype: torch.dtype, device: torch.device) -> _EdgeTable:
    with torch.inference_mode(False):
        least_sizes, rests = (part.flatten() for part in _least_sizes(bins, torch.float64, torch.device("cpu")))
        # The sum of all sizes is one, which is exact when it is not computed.
        inner = functional.pad(torch.ones(bins - 1, bins, dtype=torch.float64).tril(), (0, 0, 2, 2))
        outer = torch.zeros(bins + 3, dtype=torch.float64)
        outer[0], outer[-2], outer[-1] = -1, 1, 2
        weight = torch.kron(torch.diag(rests), inner)
        bias = torch.cat([least * inner.sum(1) + outer for least in least_sizes])
        first = [*range(4), *range(bins + 3, bins + 7), 2 * bins, 2 * bins + 1]
        return _EdgeTable(
            weight.to(device, dtype)[None],
            bias.to(device, dtype).view(1, -1, 1),
            torch.tensor(first, device=device).view(10, 1, 1, 1),
        )


@functools.cache
def _least_sizes(bins: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Least width and height of a bin, (2, 1, 1, 1, 1), and what all of them leave for the softmax to divide."""
    with torch.inference_mode(False):
        least = torch.tensor([min(MIN_WIDTH, 0.5 / bins), min(MIN_HEIGHT, 0.5 / bins)], dtype=dtype, device=device)
        least = least.view(2, 1, 1, 1, 1)
        return least, 1 - bins * least


@functools.cache
def _constant(value: float, dtype: torch.dtype) -> Tensor:
    """A tensor without dimensions: usable on any device, and cheaper than a Python number."""
    with torch.inference_mode(False):
        return torch.tensor(value, dtype=dtype, device="cpu")


@functools.cache
def _three(device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.arange(3, device=device).view(3, 1, 1, 1)


def _knot_derivatives(bins: _Bins) -> Tensor:
    """At the left and at the right knot, (N, 2, C, H, W)."""
    before, after = bins.slopes[:, :2], bins.slopes[:, 1:]
    return torch.exp(bins.exponents) * before * after / torch.lerp(before, after, 0.5)


def _quotient(xi: Tensor, derivatives: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """At xi: the part of the bin's height that is reached (equation 4), numerator / slope^2 and denominator of 5."""
    left, right = derivatives.unbind(1)
    square, rest = xi * xi, 1 - xi
    product = xi * rest
    denominator = torch.sub(left + right, slope, alpha=2).mul_(product).add_(slope)
    rise = torch.addcmul(left * product, slope, square).div_(denominator)
    numerator = torch.addcmul(right * square, left, rest * rest).addcmul_(slope, product, value=2)
    return rise, numerator, denominator


class _SplineFunction(torch.autograd.Function):
    """(x (N, C, H, W), params (N, 3 K + 3, C, H, W), scale (C,)) -> y and log dy/dx, with the gradients written out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, params: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """The values; shapes as x."""
        inside = x.clamp(-BOUND, BOUND)
        position = inside / (2 * BOUND) + 0.5
        start, bins = _find_bins(position, params, 0)
        (x_k, y_k), (width, height) = start.unbind(1), bins.sizes[:, :, 1].unbind(1)
        derivatives, slope = _knot_derivatives(bins), bins.slopes[:, 1]
        beyond = x - inside
        # Beyond the right end exactly 1: the derivative there must not depend on the rounding of edges.
        xi = (position - x_k).div_(width).add_(beyond > 0).clamp_(0, 1)
        rise, numerator, denominator = _quotient(xi, derivatives, slope)
        derivative = numerator * (slope / denominator).square_()
        q = torch.addcmul(y_k - 0.5, height, rise).mul_(2 * BOUND).addcmul_(beyond, derivative)
        bounded, s, shift = _affine(params, scale)
        exp_s = torch.exp(s)
        scaled = q.mul_(exp_s)
        at_value = xi, rise, numerator, denominator, derivative, beyond
        ctx.save_for_backward(*at_value, exp_s, scaled, bounded, shift, scale, derivatives, *bins)
        return torch.add(scaled, shift, alpha=BOUND), torch.log(derivative).add_(s)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_derivative: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of x, of the parameters and of the scale."""
        (xi, rise, numerator, denominator, derivative, beyond), saved = ctx.saved_tensors[:6], ctx.saved_tensors[6:]
        exp_s, scaled, bounded, shift, scale, derivatives, *saved_bins = saved
        bins = _Bins(*saved_bins)
        count = bins.softmax.shape[2]
        gradient = derivative.new_empty(len(xi), 3 * count + 3, *xi.shape[1:])
        grad_s = torch.addcmul(grad_log_derivative, grad_y, scaled)
        gradient[:, -2] = grad_s * per_channel(scale) * (1 - bounded * bounded)
        torch.mul(grad_y, 1 - shift * shift, out=gradient[:, -1])
        grad_scale = (grad_s * bounded).sum((0, 2, 3))

        (left, right), (before, slope, after) = derivatives.unbind(1), bins.slopes.unbind(1)
        width, height = bins.sizes[:, :, 1].unbind(1)
        inside = beyond == 0
        rest = 1 - xi
        product, square = xi * rest, xi * xi
        grad_q = grad_y * exp_s
        grad_bottom = grad_q * (2 * BOUND)
        grad_inside = grad_q * derivative
        grad_log_derivative = torch.addcmul(grad_log_derivative, grad_inside, beyond)
        by_rise = grad_bottom * height / denominator
        by_numerator, by_denominator = grad_log_derivative / numerator, grad_log_derivative / denominator
        common = 2 * by_denominator * product
        by_reached = by_rise * rise
        grad_slope = by_rise * square - (by_reached + 2 * by_denominator) * (1 - 2 * product)
        grad_slope += 2 * (by_numerator * product + grad_log_derivative / slope)
        middle = 1 - 2 * xi
        numerator_by_xi = right * xi + slope * middle - left * rest
        curvature = left + right - 2 * slope
        grad_xi = by_numerator * numerator_by_xi - by_denominator * curvature * middle
        grad_xi.mul_(inside).div_(width).mul_(2)
        grad_x_k = torch.add(grad_xi, grad_inside * inside, alpha=2 * BOUND).neg_()
        # By logarithms: how the derivative at a knot changes with its exponent and with the slopes of the bins beside
        # it.
        by_left = ((by_rise - by_reached) * product + by_numerator * rest * rest - common).mul_(left)
        by_right = (by_numerator * square - by_reached * product - common).mul_(right)
        by_before = by_left * (slope / (before + slope))
        by_after = by_right * (slope / (after + slope))
        by_slope = grad_slope * slope + (by_left - by_before) + (by_right - by_after)
        index = bins.number.squeeze(1)
        by_before *= index != 0
        by_after *= index != count - 1
        changes = torch.stack((-by_before, -by_slope, -by_after, by_before, by_slope, by_after), 1)
        grad_sizes = changes.view(bins.sizes.shape).div_(bins.sizes)
        grad_sizes[:, 0, 1].addcmul_(grad_x_k, xi)
        grad_sizes[:, 1, 1].addcmul_(grad_bottom, rise)
        _logits_gradient(gradient[:, : 2 * count], bins, torch.stack((grad_x_k, grad_bottom), 1), grad_sizes)
        by_exponents = torch.stack((by_left, by_right), 1).mul_(1 - bins.exponents * bins.exponents)
        knots = bins.number + _three(index.device)[:2]
        gradient[:, 2 * count : 3 * count + 1].zero_().scatter_(1, knots, by_exponents)
        return torch.add(grad_inside, grad_xi, alpha=0.5 / BOUND), gradient, grad_scale


def _affine(params: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """s / scale, s, and t / B."""
    bounded = torch.tanh(params[:, -2])
    return bounded, per_channel(scale) * bounded, torch.tanh(params[:, -1] / BOUND)


def _logits_gradient(out: Tensor, bins: _Bins, grad_start: Tensor, grad_sizes: Tensor) -> None:
    """Write the gradient of the logits of widths and heights: the start of a bin is the sum of the sizes before it."""
    softmax = bins.softmax
    count = softmax.shape[2]
    out = out.view(softmax.shape)
    before = torch.arange(count, device=softmax.device).view(-1, 1, 1, 1) < bins.number
    torch.mul(before.unsqueeze(1), grad_start.unsqueeze(2), out=out)
    three = (bins.number - 1 + _three(softmax.device)).clamp_(
        0, count - 1
    )  # where there is no bin the gradient is zero
    out.scatter_add_(2, three.unsqueeze(1).expand(-1, 2, -1, -1, -1, -1), grad_sizes)
    _, rest = _least_sizes(count, softmax.dtype, softmax.device)
    out.mul_(softmax).mul_(rest)
    out.addcmul_(softmax, out.sum(2, keepdim=True), value=-1)


def _inverse(y: Tensor, params: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
    """x, xi in its bin, the root in it, half the derivatives at both knots by the bin's slope, that slope, and s.

    In units of the bin, with half derivatives p and r at its knots, a value at `part` of the bin's height has

        xi = part / (part + middle + root),  middle = p (1 - part) - r part,  root = sqrt(middle^2 + part (1 - part)),

    which is the root of the quadratic divided by what its terms have in common. The derivative there is
    2 root / denominator (equation 5), so that 2 root is the derivative at an end, where part is 0 or 1: a value beyond
    it continues with that.

    The time of a single image depends on the number of these operations, not on what they do.
    """
    _, s, shift = _affine(params, scale)
    one = _constant(1.0, y.dtype)
    position = torch.add(_constant(0.5, y.dtype), torch.sub(y, shift, alpha=BOUND) / torch.exp(s), alpha=0.5 / BOUND)
    start, bins = _find_bins(position, params, 1)
    (x_k, y_k), (width, height) = start.unbind(1), bins.sizes[:, :, 1].unbind(1)
    slope = bins.slopes[:, 1:2]
    left, right = (torch.exp(bins.exponents) / (one + slope / bins.slopes[:, ::2])).unbind(1)
    reached = (position - y_k) / height
    part = reached.clamp(0, 1)
    rest = one - part
    middle = torch.addcmul(left * rest, right, part, value=-1)
    root = torch.addcmul(part * rest, middle, middle).sqrt()
    xi = part / (middle + part + root)
    across = torch.addcdiv(xi, reached - part, root, value=0.5)
    x = torch.add(_constant(-BOUND, y.dtype), torch.addcmul(x_k, width, across), alpha=2 * BOUND)
    return x, xi, root, left, right, slope.squeeze(1), s
