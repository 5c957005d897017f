"""What the tests of the mathematics share: Jacobians by automatic differentiation, and layers away from their start."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian as jacobian_of

from nvp_studio.flow.bijection import Bijection
from nvp_studio.flow.flow import Flow


def slogdet_of_jacobian(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """log|det| of the Jacobian of `function` at each image of x (N, ...), computed by autograd: (N,)."""

    def log_abs_det(one: Tensor) -> Tensor:
        jacobian = jacobian_of(lambda flat: function(flat.view(1, *x.shape[1:])).flatten(), one.flatten())
        return torch.linalg.slogdet(jacobian).logabsdet

    return torch.stack([log_abs_det(one) for one in x])


def perturb(module: nn.Module, seed: int = 0, size: float = 0.3) -> None:
    """Move every parameter and running statistic away from its initial value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        for name, buffer in module.named_buffers():
            if name.endswith(("mean", "running_mean")):
                buffer += size * torch.randn(buffer.shape, generator=generator, dtype=buffer.dtype)
            if name.endswith(("variance", "running_var")):
                buffer *= 1 + size * torch.rand(buffer.shape, generator=generator, dtype=buffer.dtype)


def train_a_little(flow: Flow, steps: int = 5, seed: int = 0, rate: float = 1e-2) -> Flow:
    """A few real optimizer steps on structured data, after which nothing is at its initial value; returns eval mode."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(flow.parameters(), lr=rate)
    for step in range(steps):
        ramp = torch.linspace(0.2, 0.8, flow.config.dimensions, dtype=flow.dtype).view(1, *flow.config.image_shape)
        noise = torch.rand(8, *flow.config.image_shape, generator=generator, dtype=flow.dtype)
        x = 0.7 * ramp + 0.3 * noise
        if step == 0:
            flow.initialize(x)
        optimizer.zero_grad()
        (-flow.train()(x).mean() / flow.config.dimensions).backward()
        optimizer.step()
    return flow.eval()


def check_bijection(layer: Bijection, x: Tensor) -> None:
    """Assert exact inverse and log-determinants of both directions, in float64."""
    assert x.dtype == torch.float64
    with torch.no_grad():
        y, log_det = layer(x)
        back, inverse_log_det = layer.inverse_with_log_det(y)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(layer.inverse(y), x, rtol=0, atol=1e-9)
    assert log_det.shape == inverse_log_det.shape == (len(x),)
    torch.testing.assert_close(log_det, slogdet_of_jacobian(lambda v: layer(v)[0], x), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(inverse_log_det, slogdet_of_jacobian(layer.inverse, y), rtol=1e-8, atol=1e-8)
