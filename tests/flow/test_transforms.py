"""Elementwise transforms: inverses, derivatives and bounds, and the fused spline against the plain one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nvp_studio.flow.engine.fused_spline import FusedSplineTransform
from nvp_studio.flow.spline import MIN_HEIGHT
from nvp_studio.flow.transforms import AffineTransform, ElementwiseTransform, SplineTransform

seeds = st.integers(0, 2**16)
SPLINES = [SplineTransform, FusedSplineTransform]


def least_derivative(bins: int) -> float:
    """A lower bound of the derivative: that in the middle of a bin of least slope between the steepest knots."""
    return min(MIN_HEIGHT, 0.5 / bins) * 2 / (1 + 2 * math.e)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def answers(transform: ElementwiseTransform, x: Tensor, params: Tensor) -> list[Tensor]:
    """Both directions, and the gradients of a sum over each that weighs all values differently."""
    found: list[Tensor] = []
    for function in (transform.forward, transform.inverse_with_log_derivative):
        values, given = x.clone().requires_grad_(), params.clone().requires_grad_()
        result, log_derivative = function(values, given)
        weights = torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).view(x.shape)
        total = (weights * result + weights.flip(0) * log_derivative).sum()
        gradients = torch.autograd.grad(total, (values, given, transform.scale))  # type: ignore[arg-type]
        found += [result.detach(), log_derivative.detach(), *gradients]
    return found


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(1, 3), st.sampled_from([0.1, 1.0, 4.0]), st.sampled_from([1.0, 4.0]), seeds)
def test_the_fused_spline_is_the_plain_one(bins: int, channels: int, spread: float, reach: float, seed: int) -> None:
    """Inside the bins and beyond the ends, in float64: values, log-derivatives and all gradients.

    Small gradients are differences of large terms, whose rounding they keep.
    """
    plain = SplineTransform(channels, bins).double()
    plain.scale.data = 1 + 0.5 * torch.tanh(normal(channels, seed=seed + 2))
    params = spread * normal(3, plain.params_per_value * channels, 2, 2, seed=seed)
    x = reach * normal(3, channels, 2, 2, seed=seed + 1)
    fused = answers(FusedSplineTransform.of(plain), x, params)
    for one, other in zip(fused, answers(plain, x, params), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-8 * (1 + other.abs().max().item()))


def test_the_fused_spline_in_float32_is_the_plain_one() -> None:
    """To a few roundings of values of up to ten, and of log-derivatives whose bins may be a hundredth wide."""
    plain = SplineTransform(3, 6)
    params, x = normal(20, plain.params_per_value * 3, 7, 7).float(), 2 * normal(20, 3, 7, 7, seed=1).float()
    for one, other in zip(FusedSplineTransform.of(plain)(x, params), plain(x, params), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "transform",
    [AffineTransform(3), *(FusedSplineTransform(3, bins) for bins in (1, 2, 12))],
    ids=repr,
)
def test_values_may_be_wider_than_the_parameters(transform: ElementwiseTransform) -> None:
    """Then both directions follow the same map to the rounding of the values, next to the edges of bins as well."""
    params = 1.5 * normal(64, transform.params_per_value * 3, 16, 16, seed=1).float()
    x = 4 * normal(64, 3, 16, 16, seed=2)
    y, log_derivative = transform(x, params)
    back, inverse_log_derivative = transform.inverse_with_log_derivative(y, params)
    assert y.dtype == back.dtype == torch.float64
    torch.testing.assert_close(back, x, rtol=0, atol=1e-11)
    torch.testing.assert_close(transform.inverse(y, params), x, rtol=0, atol=1e-11)
    torch.testing.assert_close(inverse_log_derivative, -log_derivative, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", SPLINES)
@pytest.mark.parametrize("bins", [1, 2, pytest.param(6, marks=pytest.mark.slow)])
def test_gradients_are_those_of_finite_differences(kind: type[SplineTransform], bins: int) -> None:
    """Of both directions, by the values and by every parameter, inside the spline and beyond its ends."""
    transform = kind(2, bins).double()
    x = 3 * normal(2, 2, 2, 2)
    assert x.abs().max() > 5
    params = 1.5 * normal(2, transform.params_per_value * 2, 2, 2, seed=1)
    for function in (transform.forward, transform.inverse_with_log_derivative):
        assert torch.autograd.gradcheck(function, (x.clone().requires_grad_(), params.clone().requires_grad_()))


def test_second_derivatives_of_the_fused_spline_are_refused() -> None:
    transform = FusedSplineTransform(1, 3).double()
    x = normal(1, 1, 1, 1).requires_grad_()
    y, _ = transform(x, normal(1, transform.params_per_value, 1, 1))
    (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|not have been used"):
        torch.autograd.grad(first.sum(), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
def test_the_fused_spline_is_inverted_to_rounding(spread: float, dtype: torch.dtype) -> None:
    """At knots, ends and beyond them too, for any parameters, derivatives are bounded and the inverse is exact."""
    transform = FusedSplineTransform(2, bins=6).to(dtype)
    params = (spread * normal(400, transform.params_per_value * 2, 3, 3)).to(dtype)
    params[:, -4:] = 0  # the affine map that follows
    x = (2.5 * normal(400, 2, 3, 3, seed=1)).to(dtype)
    x[0], x[1], x[2], x[3] = 5.0, -5.0, 0.0, 7.0
    with torch.no_grad():
        y, log_derivative = transform(x, params)
        back, inverse_log_derivative = transform.inverse_with_log_derivative(y, params)
        assert torch.equal(transform.inverse(y, params), back)
    ends = x.abs() == 5
    torch.testing.assert_close(y[ends], x[ends], rtol=1e-6, atol=0)
    assert log_derivative.min() > math.log(least_derivative(6))
    # A rounding of y, of up to 10 units, returns divided by the derivative nearby.
    rounding = 20 * torch.finfo(dtype).eps
    nearby = torch.minimum(log_derivative, -inverse_log_derivative)
    assert ((back - x).abs() <= rounding * (1 + torch.exp(-nearby))).all()


@pytest.mark.parametrize("kind", SPLINES)
@pytest.mark.parametrize("bins", [1, 2, 6, 64])
def test_derivatives_stay_above_their_bound(kind: type[SplineTransform], bins: int) -> None:
    transform = kind(1, bins).double()
    x = torch.linspace(-9, 9, 3001, dtype=torch.float64).view(-1, 1, 1, 1)
    for seed in range(10):
        params = 8 * normal(1, transform.params_per_value, 1, 1, seed=seed)
        params[:, -2:] = 0
        y, log_derivative = transform(x, params.expand(len(x), -1, -1, -1))
        slopes = y.flatten().diff() / x.flatten().diff()
        assert slopes.min() >= least_derivative(bins)
        assert log_derivative.exp().min() >= least_derivative(bins)
