"""The compiled spline of training: values and gradients are those of the plain transform."""

import sys

import pytest
import torch
from torch import Tensor

from nvp_studio.flow.engine import fused_spline
from nvp_studio.flow.engine.compiled_spline import CompiledSpline
from nvp_studio.flow.engine.fused_spline import FusedSplineTransform
from nvp_studio.flow.transforms import SplineTransform

CHANNELS, SIDE = 2, 7


def inputs(bins: int, size: float, dtype: torch.dtype, images: int = 3, side: int = SIDE) -> tuple[Tensor, ...]:
    """Values in all bins and beyond both ends, parameters of `size`, and scales."""
    generator = torch.Generator().manual_seed(bins)
    x = 3 * torch.randn(images, CHANNELS, side, side, generator=generator, dtype=torch.float64)
    params = size * torch.randn(images, 3 * bins + 3, CHANNELS, side, side, generator=generator, dtype=torch.float64)
    scale = torch.tensor([1.0, -0.7], dtype=torch.float64)
    return tuple(tensor.to(dtype).requires_grad_() for tensor in (x, params, scale))


def results(function: type[torch.autograd.Function] | None, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """y, log dy/dx, and the gradients of the inputs for random gradients of both; None is the plain transform."""
    x, params, scale = tensors
    if function is None:
        transform = SplineTransform(CHANNELS, params.shape[1] // 3 - 1)
        transform.scale = torch.nn.Parameter(scale.detach())
        outputs = torch.func.functional_call(transform, {"scale": scale}, (x, params.flatten(1, 2)))
    else:
        outputs = function.apply(*tensors)
    generator = torch.Generator().manual_seed(7)
    grads = [torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype) for _ in outputs]
    return [*outputs, *torch.autograd.grad(outputs, tensors, grads)]


@pytest.mark.parametrize("bins", [1, 2, 5])
def test_gradients_are_those_of_differences(bins: int) -> None:
    assert torch.autograd.gradcheck(CompiledSpline.apply, inputs(bins, 1.0, torch.float64, images=1, side=3))


@pytest.mark.parametrize("bins", [1, 2, 8, 33])
@pytest.mark.parametrize("size", [0.5, 4.0])
def test_values_and_gradients_are_those_of_the_plain_transform(bins: int, size: float) -> None:
    tensors = inputs(bins, size, torch.float64)
    for found, expected in zip(results(CompiledSpline, tensors), results(None, tensors), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("bins", [1, 8, 33])
def test_in_float32_it_is_as_exact_as_operations_of_torch(bins: int) -> None:
    tensors = inputs(bins, 1.0, torch.float32)
    exact = results(None, tuple(tensor.detach().double().requires_grad_() for tensor in tensors))
    compiled, by_torch = (results(each, tensors) for each in (CompiledSpline, fused_spline._SplineFunction))
    for found, other, expected in zip(compiled, by_torch, exact, strict=True):
        error, usual = ((one - expected).norm() / expected.norm() for one in (found, other))
        assert error < 4 * usual + 1e-6


def test_at_and_beyond_the_ends() -> None:
    """Where torch and the loops may choose different bins, the map is continuous and so is its derivative."""
    tensors = inputs(4, 1.0, torch.float64, images=1)
    with torch.no_grad():
        tensors[0][0, 0, 0] = torch.tensor([-5, 5, -5.0000001, 5.0000001, -1000, 1000, 0])
    for found, expected in zip(results(CompiledSpline, tensors)[:2], results(None, tensors)[:2], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def test_any_number_of_threads_gives_the_same_values() -> None:
    tensors = inputs(8, 1.0, torch.float32, images=19)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(results(CompiledSpline, tensors))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(one, other) for one, other in list(zip(*found, strict=True))[:4])


def transform() -> tuple[FusedSplineTransform, Tensor, Tensor]:
    x, params, scale = inputs(4, 1.0, torch.float32)
    plain = SplineTransform(CHANNELS, 4)
    plain.scale.data = scale.detach()
    return FusedSplineTransform.of(plain), x, params.flatten(1, 2)


def test_float32_on_the_cpu_is_compiled() -> None:
    fused, x, params = transform()
    assert type(fused(x, params)[0].grad_fn).__name__ == "CompiledSplineBackward"
    assert type(fused.double()(x.double(), params.double())[0].grad_fn).__name__ == "_SplineFunctionBackward"


def test_without_numba_torch_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    fused, x, params = transform()
    expected = fused(x, params)
    fused_spline._compiled_function.cache_clear()
    monkeypatch.setitem(sys.modules, "nvp_studio.flow.engine.compiled_spline", None)
    try:
        found = fused(x, params)
    finally:
        fused_spline._compiled_function.cache_clear()
    assert type(found[0].grad_fn).__name__ == "_SplineFunctionBackward"
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
